"""What one run is: a variant, a seed, a budget, an engine, a device; and where its state lives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.catalog import SECTIONS, Variant
from harness.errors import HarnessError, closest
from harness.method import Method
from harness.methods.ensemble import check_outputs
from harness.protocol import digest
from harness.records.store import folder_for
from harness.run.budget import Budget
from harness.run.members import ENSEMBLES
from harness.run.threads import Threads
from harness.stated import STEPS_AT_TEST
from harness.tasks.episodes import Episodes
from harness.tasks.source import TaskSource


@dataclass(frozen=True)
class Plan:
    """One run, before it is done."""

    variant: Variant
    published: Variant
    """The same variant without overrides: what a difference is a difference from."""
    seed: int
    budget: Budget
    engine: str
    device: torch.device
    results: Path
    work: Path
    capture: bool = False
    """Whether training steps are replayed from one captured CUDA graph."""
    threads: Threads | None = None
    """Its CPU threads; None: as many as torch has."""

    @property
    def label(self) -> str:
        """What progress lines call the run."""
        return f"{self.variant.key} seed {self.seed}"

    def config_digest(self) -> str:
        """sha256 over protocol, seed and budget: what the record's folder is named after."""
        v = self.variant
        return digest([v.paper, v.cell, v.name, v.recorded(), self.seed, self.budget.label])

    def training_digest(self) -> str:
        """sha256 over all that training depends on, so that equal trainings are done once.

        The `test_only` switches of task source and method, and all of `testing` but the seed of the
        validation tasks, do not touch training: neither its steps nor, in any cell, which of them
        is selected (its validation curve is that of the variant that ran first). The budget is left
        out: a longer one goes on from a shorter.
        """
        v = self.variant
        own = v.recorded()
        kept: dict[str, Any] = {
            section: {k: x for k, x in own[section].items() if v.is_of_training(section, k)}
            for section in ("tasks", "method", "training")
        }
        how = [v.paper, v.task_source, v.algorithm, v.testing.task_seed, self.seed]
        return digest([kept, how, self.engine, self.device.type])

    def folder(self) -> Path:
        """Where the run keeps its checkpoints."""
        name = f"{self.training_digest()[:12]}-seed{self.seed}"
        if self.budget.label == "smoke":
            name += "-smoke"
        return self.work / self.variant.paper / name

    def whose(self, phase: str) -> dict[str, str | int]:
        """Say whose the checkpoints of a phase are."""
        name = f"smoke {phase}" if self.budget.label == "smoke" else phase
        return {"seed": self.seed, "phase": name, "training": self.training_digest()}

    def record_folder(self) -> Path:
        """Where the record of this run goes."""
        v, label = self.variant, self.budget.label
        names = (v.paper, v.cell, v.name, self.seed, label, self.config_digest())
        return folder_for(self.results, *names)

    def differences(self) -> list[str]:
        """Name the switches that differ from the published cell, as `switch: there -> here`."""
        return switch_differences(self.published, self.variant)

    def tasks(self) -> TaskSource:
        """Build the task source, with small training tasks for a smoke run."""
        v = self.variant
        found = v.task_source_class(v.tasks, self.seed, v.testing.task_seed, self.device)
        if self.budget.label == "smoke" and isinstance(found, Episodes):
            found.train_on_few_classes()
        return found

    @property
    def method_class(self) -> type[Method]:
        """The class of the method."""
        return self.variant.method_class

    def method(self, tasks: TaskSource) -> Method:
        """Build the method with its initial weights."""
        v, cls = self.variant, self.method_class
        watched, given = v.training.validation_metric, cls.metrics(v.method)
        if v.training.validate_every and watched not in given:
            raise HarnessError(
                f"training.validation_metric: found {watched!r}{closest(watched, given)}; "
                f"{v.key} gives {', '.join(given)}."
            )
        if v.testing.best_of_steps and v.stated.counted != STEPS_AT_TEST:
            raise HarnessError(
                f"testing.best_of_steps: found true, but k of {v.key}'s metrics name@k counts "
                f"{v.stated.counted}, not {STEPS_AT_TEST}; wanted false."
            )
        # A task source and a method never share a stream: tasks use numpy's SeedSequence.
        generator = torch.Generator().manual_seed(self.seed)
        method = cls(v.method, tasks, self.device, self.engine, generator)
        if v.training.selection in ENSEMBLES:
            check_outputs(method)
        return method


def switch_differences(published: Variant, run: Variant) -> list[str]:
    """Name the switches that differ between two variants, as `section.switch: there -> here`."""
    there, here = published.protocol(), run.protocol()
    return [
        f"{section}.{k}: {there[section][k]} -> {here[section][k]}"
        for section in SECTIONS
        for k in here[section]
        if here[section][k] != there[section][k]
    ]


def choose_device(name: str) -> torch.device:
    """Return the device called `auto`, `cpu` or `cuda`."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise HarnessError("found no CUDA device; use `--device cpu` or `--device auto`.")
    return torch.device("cuda" if there and name != "cpu" else "cpu")
