"""What is asked of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

TASKS, MANY = 600, 10_000


@dataclass(frozen=True)
class Question:
    """Every field as the command line has it."""

    metric: str | None = None
    """None: what is printed for the variant, at a definite test step."""
    switches: tuple[str, ...] = ()
    """Only these; () = all."""
    tasks: int | None = None
    """Test tasks; None: as many as recorded, but no more than `TASKS`."""
    episodes: tuple[int, ...] = ()
    """Numbers of test tasks to compare `tasks` with."""
    train: str = ""
    """Budget of a pair of trainings for each training switch; '' = none."""
    pairs: tuple[tuple[str, Any], ...] = ()
    """Training switches to try, with their values; () = those that are known elsewhere."""
    work: Path = Path("runs")
    """Checkpoints and records of those trainings."""

    def __post_init__(self) -> None:
        if self.pairs and not self.train:
            raise HarnessError("--pair: found no --train, wanted the budget of the trainings.")
