"""Finds papers, cells and variants in `replications/` and reads their files into typed objects.

`paper.toml` holds `[paper]` (citation), `[bases.<name>]` (sections that cells and variants share)
and `[cells.<cell>]` with `[cells.<cell>.variants.<variant>]`, or with `published_only = true` where
nothing here runs the cell. Sections are `tasks`, `method`, `training` and `testing`; the scalars
are `task_source` and `algorithm`. A variant is the merge of the cell's bases, the cell's own
sections, the variant's bases and the variant's own sections, later ones over earlier ones; after
the merge every switch must be there (`harness.protocol`).
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import HarnessError, closest
from harness.method import Method
from harness.protocol import Testing, Training, read_switches, switches
from harness.published import PublishedLine, read_published
from harness.tasks.registry import task_source

SECTIONS = ("tasks", "method", "training", "testing")
_SCALARS = ("task_source", "algorithm")
_IN_BASES = (*SECTIONS, *_SCALARS, "title")
_IMPORTING = threading.RLock()


@dataclass(frozen=True)
class Variant:
    """One row of a cell, with every switch resolved."""

    folder: Path
    """The paper's folder."""
    paper: str
    cell: str
    name: str
    title: str
    task_source: str
    algorithm: str
    tasks: Any
    method: Any
    training: Training
    testing: Testing

    @property
    def key(self) -> str:
        """`paper/cell/variant`."""
        return f"{self.paper}/{self.cell}/{self.name}"

    def protocol(self) -> dict[str, Any]:
        """Give all switches as plain data: what digests, records and `show` are made of."""
        found: dict[str, Any] = {"task_source": self.task_source, "algorithm": self.algorithm}
        return found | {s: switches(getattr(self, s)) for s in SECTIONS}


@dataclass(frozen=True)
class Cell:
    """One published setting of a paper: its variants (raw tables) and published lines."""

    folder: Path
    """The paper's folder."""
    paper: str
    name: str
    title: str
    variants: dict[str, dict[str, Any]]
    """None where the cell holds published numbers only."""
    published: tuple[PublishedLine, ...]

    @property
    def key(self) -> str:
        """`paper/cell`."""
        return f"{self.paper}/{self.name}"

    def names(self) -> list[str]:
        """Name the variants; HarnessError where nothing here runs the cell."""
        if not self.variants:
            raise HarnessError(
                f"{self.key}: found published numbers only, wanted a cell that runs here; "
                f"run `harness show {self.key}` for the numbers."
            )
        return list(self.variants)

    def variant(self, name: str, overrides: dict[str, Any] | None = None) -> Variant:
        """Resolve variant `name`, with `--set` overrides `{"section.switch": value}` applied."""
        if name not in self.names():
            raise HarnessError(
                f"{self.key}: found variant {name!r}{closest(name, self.variants)}; "
                f"wanted one of {', '.join(self.variants)}."
            )
        table = {k: dict(v) if isinstance(v, dict) else v for k, v in self.variants[name].items()}
        where = f"{self.key}/{name}"
        for dotted, value in (overrides or {}).items():
            section, _, switch = dotted.partition(".")
            if section not in SECTIONS or switch not in table.get(section, {}):
                known = [f"{s}.{k}" for s in SECTIONS for k in table.get(s, {})]
                raise HarnessError(
                    f"--set: found switch {dotted!r}{closest(dotted, known)}; "
                    f"see `harness show {self.key}` for the switches of this cell."
                )
            table[section][switch] = value
        source_name = _scalar(table, "task_source", where)
        source = task_source(source_name)
        algorithm = _scalar(table, "algorithm", where)
        method = method_class(self.folder, algorithm)
        return Variant(
            folder=self.folder,
            paper=self.paper,
            cell=self.name,
            name=name,
            title=str(table.get("title", name)),
            task_source=source_name,
            algorithm=algorithm,
            tasks=read_switches(source.Settings, table.get("tasks", {}), f"{where}: tasks"),
            method=read_switches(method.Settings, table.get("method", {}), f"{where}: method"),
            training=read_switches(Training, table.get("training", {}), f"{where}: training"),
            testing=read_switches(Testing, table.get("testing", {}), f"{where}: testing"),
        )


@dataclass(frozen=True)
class Paper:
    """One folder in `replications/`."""

    key: str
    folder: Path
    title: str
    authors: str
    year: int
    url: str
    code: str
    cells: dict[str, Cell]


def replications_folder() -> Path:
    """Give the folder of papers: `HARNESS_REPLICATIONS`, or `replications/` beside `harness/`."""
    given = os.environ.get("HARNESS_REPLICATIONS")
    return Path(given) if given else Path(__file__).resolve().parent.parent / "replications"


def papers(folder: Path | None = None) -> dict[str, Paper]:
    """Read every paper folder (one that has a `paper.toml`), by key."""
    root = folder or replications_folder()
    if not root.is_dir():
        raise HarnessError(
            f"found no folder {root}, wanted the papers there; run in a checkout of the project "
            f"or set HARNESS_REPLICATIONS."
        )
    return {p.parent.name: read_paper(p.parent) for p in sorted(root.glob("*/paper.toml"))}


def find_cell(key: str, folder: Path | None = None) -> Cell:
    """Give the cell called `paper/cell`."""
    found = {c.key: c for p in papers(folder).values() for c in p.cells.values()}
    if key not in found:
        raise HarnessError(
            f"found no cell {key!r}{closest(key, found)}; run `harness list` for the cells."
        )
    return found[key]


def read_paper(folder: Path) -> Paper:
    """Read `paper.toml` and `published.csv` of one paper folder."""
    path = folder / "paper.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as e:
        raise HarnessError(f"{path}: not valid TOML: {e}.") from None
    about = _table(table, "paper", f"{path}:")
    wanted = {"title": str, "authors": str, "year": int, "url": str, "code": str}
    for name, kind in wanted.items():
        if not isinstance(about.get(name), kind):
            raise HarnessError(
                f"{path}: [paper] {name}: found {about.get(name)!r}, wanted {kind.__name__}."
            )
    lines = read_published(folder / "published.csv", folder.name)
    bases = _table(table, "bases", f"{path}:")
    for name in bases:
        _check_keys(_table(bases, name, f"{path}: bases"), f"{path}: [bases.{name}]", _IN_BASES)
    cells = {}
    tables = _table(table, "cells", f"{path}:")
    for name in tables:
        raw, where = dict(_table(tables, name, f"{path}: cells")), f"{path}: [cells.{name}]"
        published_only = raw.pop("published_only", False)
        shared, rows = _based(raw, bases, where), _table(raw, "variants", where)
        variants = {
            v: _merge(
                shared, _based(_table(rows, v, f"{where} variants"), bases, f"{where} variant {v}")
            )
            for v in rows
        }
        if published_only is not (not variants):
            raise HarnessError(f"{where}: wanted at least one variant, or published_only = true.")
        published = tuple(line for line in lines if line.cell == name)
        title = str(raw.get("title", name))
        cells[name] = Cell(folder, folder.name, name, title, variants, published)
    for line in lines:
        if line.cell not in cells:
            raise HarnessError(
                f"{folder / 'published.csv'}: found cell {line.cell!r}{closest(line.cell, cells)}; "
                f"wanted one of {', '.join(cells)}."
            )
        for v in line.variants:
            if v not in cells[line.cell].variants:
                raise HarnessError(
                    f"{folder / 'published.csv'}: cell {line.cell}: found variant {v!r}; "
                    f"wanted some of {', '.join(cells[line.cell].variants)}."
                )
    return Paper(key=folder.name, folder=folder, cells=cells, **{k: about[k] for k in wanted})


def method_class(folder: Path, algorithm: str) -> type[Method]:
    """Give the class that `method.py` of a paper's folder lists under `algorithm`."""
    with _IMPORTING:  # another thread must not meet a module that is half loaded
        found: dict[str, type[Method]] = _method_module(folder).ALGORITHMS
    if algorithm not in found:
        raise HarnessError(
            f"{folder.name}: found algorithm {algorithm!r}{closest(algorithm, found)}; "
            f"wanted one of {', '.join(found)}."
        )
    return found[algorithm]


def _method_module(folder: Path) -> ModuleType:
    """Import `method.py` of a paper folder as `replications.<paper>.method`, found by its path:
    `harness` discovers replications and never imports one by name."""
    package = f"replications.{folder.name}"
    known = sys.modules.get(f"{package}.method")
    if known is not None and Path(str(known.__file__)) == folder / "method.py":
        return known
    if not (folder / "method.py").is_file():
        raise HarnessError(f"found no {folder / 'method.py'}; a paper folder needs one.")
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]  # a paper of the same name in another folder
    for name, path in (("replications", folder.parent), (package, folder)):
        module = ModuleType(name)
        module.__path__ = [str(path)]
        sys.modules.setdefault(name, module)
    return importlib.import_module(f"{package}.method")


def _based(raw: dict[str, Any], bases: dict[str, Any], where: str) -> dict[str, Any]:
    """Merge the bases that `raw` names, in order, and then its own scalars and sections."""
    merged: dict[str, Any] = {}
    named = raw.get("bases", [])
    if not isinstance(named, list) or not all(isinstance(base, str) for base in named):
        raise HarnessError(f"{where}: bases: found {named!r}, wanted a list of names.")
    for base in named:
        if base not in bases:
            raise HarnessError(f"{where}: found base {base!r}{closest(base, bases)}, not defined.")
        merged = _merge(merged, bases[base])
    _check_keys(raw, where, {*_IN_BASES, "bases", "variants"})
    own = {k: v for k, v in raw.items() if k not in ("bases", "variants")}
    return _merge(merged, own)


def _table(parent: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """Give the table `name` of a TOML table; an empty one where there is none."""
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise HarnessError(f"{where} {name}: found {found!r}, wanted a table.")
    return found


def _check_keys(raw: dict[str, Any], where: str, known: Collection[str]) -> None:
    """Refuse what nothing reads (a mistyped section would be lost silently), and odd sections."""
    for name in raw:
        if name not in known:
            raise HarnessError(
                f"{where}: unknown key {name!r}{closest(name, known)}; "
                f"wanted some of {', '.join(sorted(known))}."
            )
        if name in SECTIONS:
            _table(raw, name, where)


def _merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for k, v in high.items():
        both = isinstance(v, dict) and isinstance(merged.get(k), dict)
        merged[k] = {**merged[k], **v} if both else v
    return merged


def _scalar(table: dict[str, Any], name: str, where: str) -> str:
    if not isinstance(table.get(name), str):
        raise HarnessError(f"{where}: {name} is not set; every variant needs it.")
    return str(table[name])
