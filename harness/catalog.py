"""Finds papers, cells and variants in `replications/` and reads their files into typed objects.

`paper.toml` holds `[paper]` (citation), `[bases.<name>]` (sections that cells and variants share),
`[algorithms.<name>]` (what no switch says about an algorithm, `harness.stated`) and
`[cells.<cell>]` with `[cells.<cell>.variants.<variant>]`, or with `published_only = true` where
nothing here runs the cell. Sections are `tasks`, `method`, `training` and `testing`; the scalars
are `task_source` and `algorithm`. A variant is the merge of the cell's bases, the cell's own
sections, the variant's bases and the variant's own sections, later ones over earlier ones; after
the merge every switch must be there (`harness.protocol`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, closest
from harness.home import expanded
from harness.method import Method
from harness.paper_checks import check_headline, check_lines, check_used
from harness.paper_code import method_class, task_source_class
from harness.paper_tables import (
    IN_BASES,
    SECTIONS,
    based,
    check_keys,
    check_name,
    check_top,
    merge,
    read_about,
    read_beside,
    table_of,
)
from harness.plain_data import read_toml
from harness.protocol import Testing, Training, read_switches, switches
from harness.published import PublishedLine, read_published
from harness.shown import shown
from harness.stated import Stated, read_stated
from harness.tasks.memory import check_batches
from harness.tasks.source import TaskSource

__all__ = [
    "SECTIONS",
    "Cell",
    "Paper",
    "Variant",
    "find_cell",
    "papers",
    "read_paper",
    "readable_papers",
    "replications_folder",
]
_PAPER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


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
    task_source_class: type[TaskSource]
    """The class of the task source, of which `tasks` are the switches."""
    method_class: type[Method]
    """The class of the method, of which `method` are the switches."""
    stated: Stated = field(default_factory=Stated)
    """What `paper.toml` states about the algorithm."""

    @property
    def key(self) -> str:
        """`paper/cell/variant`."""
        return f"{self.paper}/{self.cell}/{self.name}"

    def protocol(self) -> dict[str, Any]:
        """Return all switches as plain data."""
        table: dict[str, Any] = {"task_source": self.task_source, "algorithm": self.algorithm}
        return table | {s: switches(getattr(self, s)) for s in SECTIONS}

    def is_of_training(self, section: str, switch: str) -> bool:
        """Return whether training (its steps, or which of them is selected) depends on a switch."""
        if section == "testing":
            return switch == "task_seed"  # of the validation tasks, too
        test_only = {
            "tasks": self.task_source_class.test_only,
            "method": self.method_class.test_only,
        }
        return switch not in test_only.get(section, ())

    def recorded(self) -> dict[str, Any]:
        """Return the switches as digests and records have them (`Stated.recorded`)."""
        return self.stated.recorded(self.protocol())


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
    algorithms: Mapping[str, Stated] = field(default_factory=dict)
    """What `paper.toml` states about those of the paper's algorithms that have a table there."""
    beside: tuple[str, str] = ("", "")
    """Setting and metric in which methods of all papers stand beside each other, where the tasks
    are no episodes of images."""

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

    def stated(self, algorithm: object) -> Stated:
        """Return what `paper.toml` states about an algorithm; the defaults where it states
        nothing."""
        return self.algorithms.get(str(algorithm), Stated())

    def bound(self, name: str) -> str:
        """Return what variant `name` knows that no method is told, where it only bounds what
        methods can reach; '' for a method."""
        return str(self.variants.get(name, {}).get("bound", ""))

    def written(self, name: str) -> dict[str, Any]:
        """Return the switches of variant `name` as `paper.toml` has them, unchecked: like those of
        `Variant.protocol`, except that an integer may stand for a float. Nothing is imported."""
        table = self._table(name)
        names = {k: table.get(k) for k in ("task_source", "algorithm")}
        return names | {s: dict(table.get(s, {})) for s in SECTIONS}

    def recorded(self, name: str) -> dict[str, Any]:
        """Return the same as records have them (`Stated.recorded`)."""
        written = self.written(name)
        return self.stated(written["algorithm"]).recorded(written)

    def _where_else(self, dotted: str, name: str) -> str:
        """End the sentence on a switch that variant `name` lacks."""
        section, _, switch = dotted.partition(".")
        having = [n for n in self.variants if switch in self.written(n).get(section, {})]
        if section in SECTIONS and having:
            # The word is right: a near one would mislead.
            return (
                f", which {self.key}/{name} does not have; add `--variant {' '.join(having)}` for "
                "those that have it."
            )
        known = [
            f"{s}.{k}" for s, table in self.written(name).items() if s in SECTIONS for k in table
        ]
        near = closest(dotted, known)
        return f"{near}; see `harness show {self.key}` for the switches of this cell."

    def variant(self, name: str, overrides: dict[str, Any] | None = None) -> Variant:
        """Resolve variant `name`, with `--set` overrides `{"section.switch": value}` applied.

        This imports the paper's `method.py`, and its `tasks.py` where there is one: the `Settings`
        of their classes say which switches there are.
        """
        raw = self._table(name)
        table = {k: dict(v) if isinstance(v, dict) else v for k, v in raw.items()}
        where = f"{self.key}/{name}"
        for dotted, value in (overrides or {}).items():
            section, _, switch = dotted.partition(".")
            if section not in SECTIONS or switch not in table.get(section, {}):
                raise HarnessError(
                    f"--set: found switch {shown(dotted)}{self._where_else(dotted, name)}"
                )
            table[section][switch] = value
        source, method = self.classes(name)
        variant = Variant(
            folder=self.folder,
            paper=self.paper,
            cell=self.name,
            name=name,
            title=str(table.get("title", name)),
            task_source=str(table["task_source"]),
            algorithm=str(table["algorithm"]),
            tasks=read_switches(source.Settings, table.get("tasks", {}), f"{where}: tasks"),
            method=read_switches(method.Settings, table.get("method", {}), f"{where}: method"),
            training=read_switches(Training, table.get("training", {}), f"{where}: training"),
            testing=read_switches(Testing, table.get("testing", {}), f"{where}: testing"),
            task_source_class=source,
            method_class=method,
            stated=self.stated(table["algorithm"]),
        )
        check_batches(source, variant.tasks, variant.training, variant.testing, where)
        return variant

    def classes(self, name: str) -> tuple[type[TaskSource], type[Method]]:
        """Return the classes of the task source and of the method of variant `name`: imports the
        paper's code."""
        table, where = self._table(name), f"{self.key}/{name}"
        source = task_source_class(self.folder, _scalar(table, "task_source", where))
        return source, method_class(self.folder, _scalar(table, "algorithm", where))

    def _table(self, name: str) -> dict[str, Any]:
        if name not in self.names():
            raise HarnessError(
                f"{self.key}: found variant {shown(name)}{closest(name, self.variants)}; "
                f"wanted one of {', '.join(self.variants)}."
            )
        return self.variants[name]


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
    headline: dict[str, str] = field(default_factory=dict)
    """Systems of the field that the paper stands for on the front page, each with its cell and
    variant, `cell/variant`."""
    no_numbers: str = ""
    """Why `published.csv` has no lines; '' where it has some."""

    def stated(self, algorithm: object) -> Stated | None:
        """Return what `paper.toml` states about an algorithm; None without any cell."""
        return next((c.stated(algorithm) for c in self.cells.values()), None)


def replications_folder() -> Path:
    """Return the folder of papers: `HARNESS_REPLICATIONS`, or `replications/` beside `harness/`."""
    given = os.environ.get("HARNESS_REPLICATIONS")
    if given:
        return expanded(given, "HARNESS_REPLICATIONS")
    return Path(__file__).resolve().parent.parent / "replications"


def papers(folder: Path | None = None) -> dict[str, Paper]:
    """Read every paper folder (one that has a `paper.toml`), by key; refuse the first bad one."""
    readable, broken = readable_papers(folder)
    for e in broken.values():
        raise e
    return readable


def readable_papers(
    folder: Path | None = None,
) -> tuple[dict[str, Paper], dict[str, HarnessError]]:
    """Return the papers that can be read, by key, and for every other one the reason why it cannot:
    a fault in one folder does not hide the rest."""
    root = folder or replications_folder()
    if not root.is_dir():
        raise HarnessError(
            f"found no folder {root}, wanted the papers there; run in a checkout of the project "
            f"or set HARNESS_REPLICATIONS."
        )
    read, broken = {}, {}
    for place in sorted(p for p in root.iterdir() if not p.name.startswith(".")):
        try:
            if _has_paper(place):
                read[place.name] = read_paper(place)
        except HarnessError as e:
            broken[place.name] = e
    return read, broken


def find_cell(key: str, folder: Path | None = None) -> Cell:
    """Return the cell called `paper/cell`. Other papers are read only when there is no such
    cell."""
    paper, _, name = key.partition("/")
    place = (folder or replications_folder()) / paper
    if _PAPER.fullmatch(paper) and _has_paper(place):
        own = read_paper(place).cells
        if name in own:
            return own[name]
    keys = [c.key for p in readable_papers(folder)[0].values() for c in p.cells.values()]
    raise HarnessError(
        f"found no cell {shown(key)}{closest(key, keys)}; run `harness list` for the cells."
    )


def read_paper(folder: Path) -> Paper:
    """Read `paper.toml` and `published.csv` of one paper folder."""
    path, name = folder / "paper.toml", folder.name
    if not _PAPER.fullmatch(name):
        raise HarnessError(f"{folder}: wanted letters, digits and _ in the name of a paper.")
    table = read_toml(path)
    check_top(table, str(path))
    about = read_about(table_of(table, "paper", f"{path}:"), f"{path}:")
    lines = tuple(read_published(folder / "published.csv", name))
    bases = table_of(table, "bases", f"{path}:")
    for base in bases:
        check_name(base, f"{path}: bases")
        check_keys(table_of(bases, base, f"{path}: bases"), f"{path}: [bases.{base}]", IN_BASES)
    algorithms = _algorithms(table_of(table, "algorithms", f"{path}:"), f"{path}:")
    cells = {}
    tables = table_of(table, "cells", f"{path}:")
    for cell in tables:
        raw, where = dict(table_of(tables, cell, f"{path}: cells")), f"{path}: [cells.{cell}]"
        check_name(cell, f"{path}: cells")
        variants = _variants(raw, bases, where)
        own = tuple(line for line in lines if line.cell == cell)
        title = raw.get("title", cell)
        beside = read_beside(raw, where)
        cells[cell] = Cell(folder, name, cell, title, variants, own, algorithms, beside)
    check_used(algorithms, cells, f"{path}:")
    check_lines(lines, cells, f"{folder / 'published.csv'}:")
    check_headline(about["headline"], cells, f"{path}:")
    return Paper(key=name, folder=folder, cells=cells, **about)


def _has_paper(place: Path) -> bool:
    try:
        return (place / "paper.toml").stat() is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as e:
        raise HarnessError(f"{place}: cannot be read ({e.strerror or e}).") from None


def _algorithms(tables: dict[str, Any], where: str) -> dict[str, Stated]:
    stated = {}
    for name in tables:
        check_name(name, f"{where} algorithms")
        own = table_of(tables, name, f"{where} algorithms")
        stated[name] = read_stated(own, f"{where} [algorithms.{name}]")
    return stated


def _variants(raw: dict[str, Any], bases: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Return the variants of a cell's table, merged with what they are based on."""
    published_only = raw.get("published_only", False)
    shared = based(raw, bases, where, ("variants", "published_only", "beside"))
    rows = table_of(raw, "variants", where)
    tables = {}
    for name in rows:
        check_name(name, f"{where} variants")
        own = table_of(rows, name, f"{where} variants")
        tables[name] = merge(shared, based(own, bases, f"{where} variant {name}", ()))
    if published_only is not (not tables):
        raise HarnessError(f"{where}: wanted at least one variant, or published_only = true.")
    return tables


def _scalar(table: dict[str, Any], name: str, where: str) -> str:
    if not isinstance(table.get(name), str):
        raise HarnessError(f"{where}: {name} is not set; every variant needs it.")
    return str(table[name])
