"""A paper's protocol typed as literals, compared with its `paper.toml`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.catalog import SECTIONS, Paper, Variant, read_paper, replications_folder

Row = dict[str, Any]
"""Values by switch, `section.switch`, or by `algorithm` or `task_source`."""
Table = Mapping[str, Mapping[str, Row]]
"""Rows by cell and variant."""


def columns(names: str, rows: Mapping[str, Sequence[Any]]) -> dict[str, Row]:
    """Return each line of a printed table as a row: `names` are its heads, apart by spaces."""
    heads = names.split()
    return {key: dict(zip(heads, values, strict=True)) for key, values in rows.items()}


def rows(
    shared: Row, cells: Mapping[str, Row], variants: Mapping[str, Row]
) -> dict[str, dict[str, Row]]:
    """Give the same `variants` to each of `cells`: what all of them share, then what the cell
    has, then what the variant has, later values over earlier ones."""
    return {
        cell: {name: shared | own | changed for name, changed in variants.items()}
        for cell, own in cells.items()
    }


def joined(*tables: Table) -> dict[str, dict[str, Row]]:
    """Return the rows of all `tables`, which must not have one twice."""
    by_cell: dict[str, dict[str, Row]] = {}
    for table in tables:
        for cell, variant in lines(table):
            assert variant not in by_cell.setdefault(cell, {}), f"{cell}/{variant}: found two rows"
            by_cell[cell][variant] = table[cell][variant]
    return by_cell


def lines(table: Table) -> list[tuple[str, str]]:
    """Return (cell, variant) of each row, to run a test for each."""
    return [(cell, variant) for cell, variants in table.items() for variant in variants]


def published_variant(paper: str, cell: str, name: str, **switches: Any) -> Variant:
    """Return variant `name` as `paper.toml` has it, except for `section__switch=value`
    overrides."""
    given = {switch.replace("__", "."): value for switch, value in switches.items()}
    return _paper(paper).cells[cell].variant(name, given)


def assert_protocol(paper: str, cell: str, variant: str, table: Table) -> None:
    """Fail where `paper.toml` has other values than the row of that variant, and name them all."""
    protocol = published_variant(paper, cell, variant).protocol()
    flat = {k: v for k, v in protocol.items() if k not in SECTIONS}
    flat |= {f"{s}.{k}": v for s in SECTIONS for k, v in protocol[s].items()}
    wanted = {k: list(v) if isinstance(v, tuple) else v for k, v in table[cell][variant].items()}
    wrong = {k: (flat.get(k), v) for k, v in wanted.items() if k not in flat or flat[k] != v}
    assert not wrong, f"{paper}/{cell}/{variant}: (found, wanted) {wrong}"


def assert_every_variant(paper: str, table: Table) -> None:
    """Fail where a variant has no row, or a row no variant: a variant without one could change
    unseen."""
    there = {(c.name, v) for c in _paper(paper).cells.values() for v in c.variants}
    missing, extra = sorted(there - set(lines(table))), sorted(set(lines(table)) - there)
    assert not missing, f"{paper}: {missing} have no row in the table of its protocol test"
    assert not extra, f"{paper}: {extra} have a row, but there are no such variants"


def _paper(key: str) -> Paper:
    return _read(str(replications_folder() / key))


@functools.cache
def _read(folder: str) -> Paper:
    return read_paper(Path(folder))
