"""Where a run's state and record go, and how it uses the machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.catalog import Variant
from harness.records.store import folder_for
from harness.run.setup import Setup, switch_differences
from harness.run.threads import Threads


@dataclass(frozen=True)
class Plan:
    """One run, before it is done."""

    setup: Setup
    published: Variant
    """Its variant without overrides: differences are taken from this one."""
    results: Path
    work: Path
    capture: bool = False
    """Whether training steps are replayed from one captured CUDA graph."""
    threads: Threads | None = None
    """Its CPU threads; None: as many as torch has."""

    def folder(self) -> Path:
        """Return where the run keeps its checkpoints."""
        name = f"{self.setup.training_digest()[:12]}-seed{self.setup.seed}"
        if self.setup.is_smoke:
            name += "-smoke"
        return self.work / self.setup.variant.paper / name

    def whose(self, phase: str) -> dict[str, str | int]:
        """Return the run that the checkpoints of a phase belong to."""
        name = f"smoke {phase}" if self.setup.is_smoke else phase
        return {"seed": self.setup.seed, "phase": name, "training": self.setup.training_digest()}

    def record_folder(self) -> Path:
        """Return where the record of this run goes."""
        s, v = self.setup, self.setup.variant
        names = (v.paper, v.cell, v.name, s.seed, s.budget.label, s.config_digest())
        return folder_for(self.results, *names)

    def differences(self) -> list[str]:
        """Name the switches that differ from the published cell, as `switch: there -> here`."""
        return switch_differences(self.published, self.setup.variant)
