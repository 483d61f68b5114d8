"""What is trained or tested: a variant, a seed, a budget, an engine, a device; and what they give:
the tasks, the method with its initial weights, the digests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from harness.catalog import SECTIONS, Variant
from harness.errors import HarnessError, closest
from harness.meta_gradient.engines import DEFAULT
from harness.method import Method
from harness.methods.ensemble import check_outputs
from harness.protocol import digest
from harness.run.budget import Budget, budget
from harness.run.members import ENSEMBLES
from harness.run.products import use_tf32
from harness.shown import shown
from harness.stated import STEPS_AT_TEST
from harness.tasks.source import TaskSource

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Setup:
    """One run, whatever its state and record are called and wherever they go."""

    variant: Variant
    seed: int
    budget: Budget
    engine: str = DEFAULT
    device: torch.device = CPU

    @classmethod
    def at(
        cls,
        label: str,
        variant: Variant,
        seed: int = 0,
        engine: str = DEFAULT,
        device: torch.device = CPU,
    ) -> Setup:
        """Return the setup of a variant at the budget called `label`: `full`, `smoke` or a
        fraction. Raises HarnessError for any other label."""
        return cls(variant, seed, budget(label, variant.training, variant.testing), engine, device)

    @property
    def label(self) -> str:
        """What progress lines call the run."""
        return f"{self.variant.key} seed {self.seed}"

    @property
    def is_smoke(self) -> bool:
        """Whether it only shows that all parts work."""
        return self.budget.label == "smoke"

    @property
    def method_class(self) -> type[Method]:
        """The class of the method."""
        return self.variant.method_class

    def config_digest(self) -> str:
        """Return the sha256 over protocol, seed and budget: what the record's folder is named
        after."""
        v = self.variant
        return digest([v.paper, v.cell, v.name, v.recorded(), self.seed, self.budget.label])

    def training_digest(self) -> str:
        """Return the sha256 over all that training depends on: equal trainings are done once.

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

    def tasks(self) -> TaskSource:
        """Build the task source, with small training tasks for a smoke run."""
        v = self.variant
        source = v.task_source_class(v.tasks, self.seed, v.testing.task_seed, self.device)
        if self.is_smoke:
            source.train_on_few_classes()
        return source

    def method(self, tasks: TaskSource) -> Method:
        """Build the method with its initial weights. Raises HarnessError where training or testing
        ask for what it does not give."""
        self._check_metrics()
        self.method_class.check_training(self.variant.method, self.variant.training)
        # A task source and a method never share a stream: tasks use numpy's SeedSequence.
        generator = torch.Generator().manual_seed(self.seed)
        settings = self.variant.method
        method = self.method_class(settings, tasks, self.device, self.engine, generator)
        if self.variant.training.selection in ENSEMBLES:
            check_outputs(method)
        return method

    def _check_metrics(self) -> None:
        v = self.variant
        watched, given = v.training.validation_metric, self.method_class.metrics(v.method)
        if v.training.validate_every and watched not in given:
            raise HarnessError(
                f"training.validation_metric: found {shown(watched)}{closest(watched, given)}; "
                f"{v.key} gives {', '.join(given)}."
            )
        if v.testing.best_of_steps and v.stated.counted != STEPS_AT_TEST:
            raise HarnessError(
                f"testing.best_of_steps: found true, but k of {v.key}'s metrics name@k counts "
                f"{v.stated.counted}, not {STEPS_AT_TEST}; wanted false."
            )


def switch_differences(published: Variant, run: Variant) -> list[str]:
    """Name the switches that differ between two variants, as `section.switch: there -> here`."""
    there, here = published.protocol(), run.protocol()
    return [
        f"{section}.{k}: {there[section][k]} -> {here[section][k]}"
        for section in SECTIONS
        for k in here[section]
        if here[section][k] != there[section][k]
    ]


def choose_device(name: str, tf32: bool = False) -> torch.device:
    """Return the device called `auto`, `cpu` or `cuda`, and set how a CUDA device multiplies
    float32 numbers: as they are, unless `tf32` is asked for."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise HarnessError("found no CUDA device; use `--device cpu` or `--device auto`.")
    use_tf32(tf32)
    return torch.device("cuda" if there and name != "cpu" else "cpu")
