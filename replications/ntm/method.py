"""Neural Turing Machines (Graves, Wayne, Danihelka 2014, arXiv 1410.5401) on the copy task.

A controller reads an input and what its read head found the step before, and says where the heads
look now, what is written and what is given as output. Beside it: the paper's three stacked LSTM
layers without a memory. All that is kept of one sequence is in states that start anew with each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.methods.one_network import OneNetwork
from harness.ranges import Entries
from harness.switch_types import Epsilon, Factor, Layers, Rate, ShareBelowOne, StepsFromOne, Width
from replications.ntm.stacked_lstm import StackedLSTM
from replications.ntm.tasks import CopyBatch
from replications.ntm.turing_machine import MachineSettings, TuringMachine


@dataclass(frozen=True)
class TrainingSettings:
    """Switches of training and of what is reported, of every network here."""

    learning_rate: Rate
    """Of RMSprop, as the next four."""
    decay: ShareBelowOne
    """Of the running mean of squared gradients."""
    momentum: ShareBelowOne
    epsilon: Epsilon
    """Added to the root of the running mean."""
    centred: bool
    """Divide by the gradient's standard deviation, not by its root mean square."""
    clip: Factor
    """Each entry of the gradient is cut to ± this."""
    loss: Literal["mean", "sum"]
    """Of a sequence's bits: what the gradient is of (sums are reported)."""
    report_lengths: Annotated[tuple[StepsFromOne, ...], Entries(0, 64)]
    """Beside the lengths of training, `loss@k` and `bits@k` are reported for k vectors."""


@dataclass(frozen=True)
class NtmSettings(MachineSettings, TrainingSettings):
    """Switches of Neural Turing Machines."""


@dataclass(frozen=True)
class LstmSettings(TrainingSettings):
    """Switches of the LSTM without a memory."""

    units: Width
    """Of each layer."""
    layers: Layers


class Copier(OneNetwork):
    """A network from inputs [T, S, inputs] to logits [T, S, bits]; `engine` plays no part."""

    Settings: ClassVar[type] = TrainingSettings
    settings: Any

    def begin(self, model: nn.Module, tasks: Any) -> None:
        """Take the network; start RMSprop."""
        s, longest = self.settings, tasks.settings.longest_at_test
        for length in s.report_lengths:
            if length > longest:
                raise HarnessError(
                    f"method.report_lengths: found {length}, wanted at most "
                    f"tasks.longest_at_test = {longest}."
                )
        self.model = model.to(self.device)
        self.optimiser = torch.optim.RMSprop(
            self.model.parameters(),
            lr=s.learning_rate,
            alpha=s.decay,
            eps=s.epsilon,
            momentum=s.momentum,
            centered=s.centred,
        )

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name what `evaluate` gives."""
        names = ["", *(f"@{k}" for k in settings.report_lengths)]
        return tuple(f"{kind}{name}" for name in names for kind in ("loss", "bits"))

    def losses(self, batch: CopyBatch) -> tuple[Tensor, Tensor]:
        """Return, for each of T sequences, its cross-entropy in bits and its wrong bits, both
        [T]."""
        logits, targets = batch.answers(self.model(batch.inputs())), batch.targets()
        asked = batch.asked().unsqueeze(-1)
        nats = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * asked
        wrong = ((logits.detach() > 0) != (targets > 0.5)) * asked
        return nats.sum((1, 2)) / math.log(2), wrong.sum((1, 2))

    def train_step(self, batch: CopyBatch, iteration: int) -> Tensor:
        """Take one RMSprop step on the mean loss of sequences; return that in bits per sequence."""
        s = self.settings
        bits, _ = self.losses(batch)
        loss = bits * math.log(2)
        if s.loss == "mean":
            loss = loss / (batch.lengths * batch.vectors.shape[2])
        self.optimiser.zero_grad()
        loss.mean().backward()
        nn.utils.clip_grad_value_(self.model.parameters(), s.clip)
        self.optimiser.step()
        return bits.detach().mean()

    @torch.no_grad()
    def evaluate(self, batch: CopyBatch) -> dict[str, Tensor]:
        """Score T tasks: `loss` (cross-entropy in bits per sequence) and `bits` (wrong bits per
        sequence), [T] each, at the lengths of training and `@k` for k vectors."""
        metrics = {}
        for name, tasks in [("", batch)] + [
            (f"@{k}", batch.prefix(k)) for k in self.settings.report_lengths
        ]:
            metrics[f"loss{name}"], metrics[f"bits{name}"] = self.losses(tasks)
        return metrics


class Ntm(Copier):
    """A Neural Turing Machine."""

    Settings = NtmSettings

    def build(self, tasks: Any) -> None:
        """Draw weights as `TuringMachine` says."""
        s = self.settings
        if 2 * s.reach + 1 > s.locations:
            raise HarnessError(
                f"method.reach: found {s.reach}, wanted 2 reach + 1 at most method.locations = "
                f"{s.locations}."
            )
        widths = (tasks.input_width, tasks.target_width)
        self.begin(TuringMachine(s, *widths, self.generator), tasks)


class Lstm(Copier):
    """The LSTM without a memory."""

    Settings = LstmSettings

    def build(self, tasks: Any) -> None:
        """Draw weights as `StackedLSTM` says."""
        s = self.settings
        widths = (tasks.input_width, tasks.target_width)
        self.begin(StackedLSTM(*widths, s.units, s.layers, self.generator), tasks)


ALGORITHMS = {"ntm": Ntm, "lstm": Lstm}
