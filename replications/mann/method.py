"""Memory-augmented neural networks (Santoro et al. 2016, arXiv 1605.06065) and their baselines.

A recurrent network meets a sequence of images, each with the label of the one before, and learns
across sequences to keep what it was told about a class until the class comes back. All of the
adaptation to a task is in its state, which starts empty with every sequence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from harness.methods.tensorflow_rmsprop import TensorFlowRMSprop
from harness.switch_types import Epsilon, Number, Rate, Share, ShareBelowOne, Width
from replications.mann.memory import start, step
from replications.mann.tasks import SequenceBatch

PRINTED = (1, 2, 3, 4, 5, 10)
"""Instances of a class that the paper's tables have."""


@dataclass(frozen=True)
class MannSettings:
    """Switches of memory-augmented networks."""

    controller: Literal["lstm", "feedforward"]
    """One layer: an LSTM, or tanh units without a state of their own."""
    memory: Literal["lrua", "none"]
    """External memory with least recently used access; `none` is the baseline without."""
    units: Width
    """Of the controller."""
    locations: Width
    """Rows of the memory; like the next three not read where there is none."""
    width: Width
    """Numbers in a row."""
    heads: Width
    """Each reads, and writes."""
    usage_decay: Share
    """Gamma: a location's usage is multiplied by this at each step."""
    forget_bias: Number
    """Initial bias of the LSTM's forget gate."""
    optimiser: Literal["rmsprop-graves", "rmsprop", "adam"]
    """`rmsprop-graves`: torch's RMSprop. `rmsprop`: TensorFlow's, whose running mean of squares
    starts at 1 and has epsilon inside the root. `adam`: torch's Adam."""
    learning_rate: Rate
    decay: ShareBelowOne
    """Of the running mean of squared gradients: Adam's second beta."""
    momentum: ShareBelowOne
    """Adam's first beta."""
    epsilon: Epsilon
    """Added to the root of the running mean; with `rmsprop` to the mean itself."""
    centred: bool
    """Divide by the gradient's standard deviation, not by its root mean square; Adam does not
    read it."""


def optimiser(weights: Iterable[Tensor], s: MannSettings) -> torch.optim.Optimizer:
    """Make the optimiser of the weights that the switches name."""
    if s.optimiser == "adam":
        betas = (s.momentum, s.decay)
        return torch.optim.Adam(weights, lr=s.learning_rate, betas=betas, eps=s.epsilon)
    if s.optimiser == "rmsprop":
        return TensorFlowRMSprop(
            weights, s.learning_rate, s.decay, s.momentum, s.epsilon, centred=s.centred
        )
    return torch.optim.RMSprop(
        weights,
        lr=s.learning_rate,
        alpha=s.decay,
        eps=s.epsilon,
        momentum=s.momentum,
        centered=s.centred,
    )


class Mann(Method):
    """Controller, memory and a linear read-out; `engine` plays no part."""

    Settings = MannSettings
    settings: MannSettings

    def build(self, tasks: Any) -> None:
        """Draw weights (Glorot uniform, biases zero) and start the optimiser."""
        s = self.settings
        if s.memory == "lrua" and s.heads > s.locations:
            raise HarnessError(
                f"method.heads: found {s.heads}, wanted at most method.locations = {s.locations}."
            )
        self.label_shape = (tasks.settings.label_length, tasks.settings.label_symbols)
        label = self.label_shape[0] * self.label_shape[1]
        self.read = s.heads * s.width if s.memory == "lrua" else 0
        channels, height, width = tasks.image_shape
        gates = 4 * s.units if s.controller == "lstm" else s.units
        shapes = {"input": (gates, channels * height * width + label)}
        if s.controller == "lstm":
            shapes["hidden"] = (gates, s.units)
        if self.read:
            shapes |= {"read": (gates, self.read), "key": (self.read, s.units)}
            shapes["gate"] = (s.heads, s.units)
        shapes["output"] = (label, s.units + self.read)
        self.parameters: dict[str, Tensor] = {}
        for name, shape in shapes.items():
            w = torch.empty(shape)
            torch.nn.init.xavier_uniform_(w, generator=self.generator)
            self.parameters[name] = w
            if name not in ("hidden", "read"):  # these add to what has a bias already
                self.parameters[f"{name}_bias"] = torch.zeros(shape[0])
        if s.controller == "lstm":
            self.parameters["input_bias"][s.units : 2 * s.units] = s.forget_bias
        for name, w in self.parameters.items():
            self.parameters[name] = w.to(self.device).requires_grad_()
        self.optimiser = optimiser(self.parameters.values(), s)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name what `evaluate` gives: accuracies at instances of a class, and the loss."""
        return (*(f"accuracy@{k}" for k in PRINTED), "loss")

    def logits(self, batch: SequenceBatch) -> Tensor:
        """Run T sequences from an empty state: [T, L, label_length, label_symbols]."""
        s, p = self.settings, self.parameters
        told = F.one_hot(batch.labels, self.label_shape[1]).to(batch.images.dtype).flatten(2)
        told = F.pad(told[:, :-1], (0, 0, 1, 0))  # one step late; nothing is told at first
        x = torch.cat([batch.images.flatten(2), told], -1)
        # The part of the controller that knows no state, for all steps at once.
        inputs = F.linear(x, p["input"], p["input_bias"]).unbind(1)
        carried = [name for name in ("hidden", "read") if name in p]
        recurrent = torch.cat([p[name] for name in carried], 1) if carried else None
        hidden = cell = x.new_zeros(len(batch), s.units)
        reads = x.new_zeros(len(batch), self.read)
        memory = start(len(batch), s.locations, s.width, s.heads, x) if self.read else None
        outputs = []
        for total in inputs:
            if recurrent is not None:
                state = {"hidden": hidden, "read": reads}
                before = torch.cat([state[name] for name in carried], 1)
                total = torch.addmm(total, before, recurrent.T)
            if s.controller == "lstm":
                enter, forget, leave, candidate = total.chunk(4, 1)
                cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
                hidden = leave.sigmoid() * cell.tanh()
            else:
                hidden = total.tanh()
            if memory is not None:
                keys = F.linear(hidden, p["key"], p["key_bias"]).tanh()
                gates = F.linear(hidden, p["gate"], p["gate_bias"]).sigmoid()
                keys = keys.unflatten(1, (s.heads, s.width))
                read, memory = step(memory, keys, gates, s.usage_decay)
                reads = read.flatten(1)
            outputs.append(torch.cat([hidden, reads], 1))
        out = F.linear(torch.stack(outputs, 1), p["output"], p["output_bias"])
        logits: Tensor = out.unflatten(2, self.label_shape)
        return logits

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return cross-entropies [T, L] in nats, summed over the symbols of a label."""
        each = F.cross_entropy(logits.flatten(0, 2), labels.flatten(), reduction="none")
        return each.view_as(labels).sum(-1)

    def train_step(self, batch: SequenceBatch, iteration: int) -> Tensor:
        """Take one step on the loss summed over steps, averaged over sequences; return the
        mean loss of a step."""
        losses = self.losses(self.logits(batch), batch.labels)
        self.optimiser.zero_grad()
        losses.sum(1).mean().backward()
        self.optimiser.step()
        return losses.detach().mean()

    @torch.no_grad()
    def evaluate(self, batch: SequenceBatch) -> dict[str, Tensor]:
        """Score T tasks: `accuracy@k` [T] in percent over the k-th instances of the task's classes
        (a label is right if all its symbols are), `loss` [T] the mean of all steps."""
        logits = self.logits(batch)
        right = (logits.argmax(-1) == batch.labels).all(-1).float()
        scores = {}
        for k in PRINTED:
            at = (batch.instance == k).float()
            # NaN where no class has a k-th instance: the run then says so.
            scores[f"accuracy@{k}"] = 100 * (right * at).sum(1) / at.sum(1)
        return scores | {"loss": self.losses(logits, batch.labels).mean(1)}

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the weights."""
        return {name: w.detach().clone() for name, w in self.parameters.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take weights given by `weights()`, in place: the optimiser holds the same ones."""
        with torch.no_grad():
            for name, w in self.parameters.items():
                w.copy_(weights[name])

    def training_state(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return {"optimiser": self.optimiser.state_dict()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        self.optimiser.load_state_dict(state["optimiser"])


ALGORITHMS = {"mann": Mann}
