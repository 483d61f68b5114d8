"""What the tasks of a row are, and the command that makes its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.catalog import Cell, Paper
from harness.compare.groups import Group
from harness.compare.setting import Setting, setting, setting_of_tasks
from harness.published import PublishedLine

IMAGES = "image classification"
"""The kind of N-way K-shot episodes of images."""


@dataclass(frozen=True)
class RowTasks:
    """Tasks, as filters and tables name them."""

    kind: str = ""
    """`image classification`, or the task source in words: `bandits`, `sinusoids`, …"""
    dataset: str = ""
    """Of images; '' for tasks that are made up."""
    setting: Setting | None = None
    """What methods of all papers share with the row; None where it has none."""

    @property
    def ways(self) -> int | None:
        """Classes of an episode; None where tasks are no such episodes."""
        return (self.setting.ways or None) if self.setting else None

    @property
    def shots(self) -> int | None:
        """Support images of a class at test; None where tasks are no such episodes."""
        return (self.setting.shots or None) if self.setting else None

    @property
    def inference(self) -> str:
        """`inductive`, `transductive` or `not stated`; '' where tasks are no such episodes."""
        return self.setting.inference if self.setting else ""


def group_tasks(group: Group, paper: Paper | None) -> RowTasks:
    """Return the tasks of a group of runs, as its records or its cell state them; `paper` is None
    where there is none of that name today."""
    protocol = group.records[0].protocol
    cell = paper.cells.get(group.cell) if paper else None
    stated = paper.stated(protocol.get("algorithm")) if paper else None
    return _described(protocol, _beside(cell) or setting(protocol, stated))


def unmeasured_tasks(cell: Cell, variant: str, line: PublishedLine | None) -> RowTasks:
    """Return the tasks of a row without runs: those of a variant, or with '' those of a line that
    is quoted."""
    named = _beside(cell)
    if variant:
        written = cell.written(variant)
        return _described(written, named or setting(written, cell.stated(written["algorithm"])))
    # A cell that only quotes has no switches, so no setting.
    first: Mapping[str, Any] = cell.written(next(iter(cell.variants))) if cell.variants else {}
    if line is None:
        return _described(first, named)
    quoted = _described(first, named or setting(first, None, line.dataset, line.inference))
    return RowTasks(quoted.kind, line.dataset or quoted.dataset, quoted.setting)


def command(row_of: tuple[str, str, str], group: Group | None) -> str:
    """Return the command that makes the runs of a row, or that would; `row_of` is its paper, cell
    and variant. '' for a line that no variant answers to."""
    paper, cell, variant = row_of
    if not variant:
        return ""
    words = ["harness run", f"{paper}/{cell}", "--variant", variant]
    if group is not None:
        record = group.records[0]
        if group.budget != "full":
            words += ["--budget", group.budget]
        words += [f"--set {_flag(line)}" for line in record.protocol_differences]
        if [r.seed for r in group.records] != [0]:
            words += ["--seeds", *(str(r.seed) for r in group.records)]
    return " ".join(words)


def _flag(difference: str) -> str:
    """Return `section.switch=value` of `section.switch: published -> run`."""
    name, _, values = difference.partition(": ")
    value = values.rpartition(" -> ")[2]
    return f"{name}={value}" if value.isascii() and " " not in value else f"'{name}={value}'"


def _beside(cell: Cell | None) -> Setting | None:
    words = cell.beside[0] if cell is not None else ""
    return setting_of_tasks(words) if words else None


def _described(protocol: Mapping[str, Any], here: Setting | None) -> RowTasks:
    source = str(protocol.get("task_source") or "")
    kind = IMAGES if here is not None and here.ways else source.replace("_", " ").replace("-", " ")
    return RowTasks(kind, str(protocol.get("tasks", {}).get("dataset", "")), here)
