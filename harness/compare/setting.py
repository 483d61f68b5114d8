"""The setting that methods of different papers share: what may stand in one table.

An N-way K-shot episode of one dataset, and whether query images are looked at together; or tasks
that a cell names itself (`beside` in `paper.toml`): bandits, regressions. Whatever else is counted
(sequences, alphabets) has no setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.stated import NOT_STATED, Stated


@dataclass(frozen=True, order=True)
class Setting:
    """Rows of one setting may be ranked together; rows of two never are."""

    dataset: str
    """Or the name of the tasks."""
    ways: int
    """0 where tasks are no episodes of classes."""
    shots: int
    """Support images of each class at test; 0 as for ways."""
    inference: str
    """`transductive`: a query image is classified with the help of the others of its episode.
    `not stated`: neither the source of a quoted number nor the method says which."""
    classes: str = ""
    """The class split, and whether test classes are turned, too; '' for a quoted number."""

    def __str__(self) -> str:
        if not self.ways:
            return self.dataset
        words = f"{self.dataset} {self.ways}-way {self.shots}-shot, {self.inference}"
        return f"{words}, {self.classes}" if self.classes else words


def setting(
    protocol: Mapping[str, Any],
    stated: Stated | None = None,
    dataset: str = "",
    inference: str | None = None,
) -> Setting | None:
    """Return the setting of switches by section (`tasks`, `method`); None where they have none.

    `stated` is what the paper states of the algorithm; `dataset` and `inference` are
    those of a published line that is quoted in a cell of another method.
    """
    tasks = protocol.get("tasks", {})
    named, ways, shots = (tasks.get(name) for name in ("dataset", "test_ways", "test_shots"))
    if not isinstance(named, str) or not isinstance(ways, int) or not isinstance(shots, int):
        return None
    where = (dataset or named, ways, shots)
    if inference is not None:
        return Setting(*where, inference or NOT_STATED)
    return Setting(*where, (stated or Stated()).inference_of(protocol), _classes(tasks))


def setting_of_tasks(words: str) -> Setting:
    """Return the setting of tasks that are no episodes of classes."""
    return Setting(words, 0, 0, "")


def _classes(tasks: Mapping[str, Any]) -> str:
    """Name the split, with `turned` where rotations of test classes are drawn or are classes."""
    rotations = str(tasks.get("rotations", "none"))
    turned = rotations != "none" and not rotations.startswith("train-")
    return " ".join([str(tasks.get("class_split", "")), *["turned"] * turned]).strip()
