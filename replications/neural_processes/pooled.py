"""The conditional neural process of the bootstrapping neural processes' code, and its ceiling.

Lee et al. 2020: `regression/models/cnp.py` and `modules.py` of github.com/juho-lee/bnp. The context
is encoded twice, each by its own network of points, mean, and network of the mean; the decoder sees
both and the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from harness.method import Method
from harness.methods.one_network import OneNetwork, adam
from harness.methods.untrained import Untrained
from harness.switch_types import Iterations, Layers, Rate, ShareAboveZero, Width
from replications.neural_processes.convolution import start_torch
from replications.neural_processes.exact import exact_prediction
from replications.neural_processes.networks import Gaussian, gaussian, mean_of_present
from replications.neural_processes.ranged import RangedBatch, RangedCovariance
from replications.neural_processes.tasks import Context


def linear_relu(widths: tuple[int, ...], generator: torch.Generator) -> nn.Sequential:
    """Return linear layers with ReLU between them; weights start as torch's do."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs)
        start_torch(layer, generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class PoolingEncoder(nn.Module):
    """Points [T, P, 2] → [T, width]: a network of points, their mean, a network of the mean."""

    def __init__(self, width: int, before: int, after: int, generator: torch.Generator) -> None:
        super().__init__()
        self.before = linear_relu((2, *[width] * before), generator)
        self.after = linear_relu((width, *[width] * after), generator)

    def forward(self, points: Tensor, present: Tensor) -> Tensor:
        """Return the code of the points that are `present` [T, P]."""
        code: Tensor = self.after(mean_of_present(self.before(points), present))
        return code


class PooledNetwork(nn.Module):
    """Two codes of the context and a decoder of both beside the input."""

    def __init__(
        self,
        width: int,
        depths: tuple[int, int, int],
        least: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.least = least
        before, after, decoder = depths
        self.encoders = nn.ModuleList(
            PoolingEncoder(width, before, after, generator) for _ in range(2)
        )
        self.decode = linear_relu((2 * width + 1, *[width] * (decoder - 1), 2), generator)

    def forward(self, x: Tensor, y: Tensor, context: Tensor) -> Gaussian:
        """Return the prediction at x [T, P] given y [T, P] where `context` [T, P]."""
        points = torch.stack([x, y], -1)
        codes = torch.cat([encode(points, context) for encode in self.encoders], -1)
        every = codes.unsqueeze(1).expand(-1, x.shape[1], -1)
        return gaussian(self.decode(torch.cat([every, x.unsqueeze(-1)], -1)), self.least)


def point_densities(y: Tensor, prediction: Gaussian) -> Tensor:
    """Return ln p of each value, [T, P], in nats."""
    mean, deviation = prediction
    squares = ((y - mean) / deviation).square()
    return -(0.5 * squares + deviation.log() + 0.5 * math.log(2 * math.pi))


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of values [T, P] where `mask` is, [T]."""
    return torch.where(mask, values, 0.0).sum(1) / mask.sum(1)


@dataclass(frozen=True)
class RangedPrediction:
    """Switches of all methods on these functions."""

    least_deviation: ShareAboveZero
    """No prediction has a smaller standard deviation."""


class RangedPredictor(Method):
    """Scores a task by the mean density of its context points and of its targets."""

    settings: Any

    def predict(self, batch: RangedBatch, context: Tensor) -> Gaussian:
        """Return mean and deviation at all points, [T, P] each."""
        raise NotImplementedError

    @torch.no_grad()
    def evaluate(self, batch: RangedBatch) -> dict[str, Tensor]:
        """Return the mean log-likelihood of a target and of a context point, nats, [T] each."""
        context, targets = batch.masks()
        densities = point_densities(batch.y, self.predict(batch, context))
        return {
            "target_log_likelihood": mean_over(densities, targets),
            "context_log_likelihood": mean_over(densities, context),
        }

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("target_log_likelihood", "context_log_likelihood")


@dataclass(frozen=True)
class PooledSettings(RangedPrediction):
    """Switches of the network and its training."""

    width: Width
    point_layers: Layers
    """Linear layers before the mean of the context."""
    mean_layers: Layers
    """Linear layers behind it."""
    decoder_layers: Layers
    learning_rate: Rate
    """Of Adam, at the start; it falls to 0 as (1 + cos) / 2."""
    schedule_iterations: Iterations
    """Until the rate is 0."""


class PooledCNP(RangedPredictor, OneNetwork):
    """Conditional neural process with two pooled codes."""

    Settings = PooledSettings
    settings: PooledSettings

    def build(self, tasks: Any) -> None:
        """Start the network and its optimiser."""
        s = self.settings
        depths = (s.point_layers, s.mean_layers, s.decoder_layers)
        network = PooledNetwork(s.width, depths, s.least_deviation, self.generator)
        self.model = network.to(self.device)
        self.optimiser = adam(self.model.parameters(), s.learning_rate, self.device)

    def before_step(self, iteration: int) -> None:
        """Let the rate fall."""
        s = self.settings
        done = min(iteration / s.schedule_iterations, 1.0)
        self.set_rate(s.learning_rate * (1 + math.cos(math.pi * done)) / 2)

    def predict(self, batch: RangedBatch, context: Tensor) -> Gaussian:
        """Return the network's prediction."""
        kind = next(self.model.parameters()).dtype
        mean, deviation = self.model(batch.x.to(kind), batch.y.to(kind), context)
        return mean, deviation

    def train_step(self, batch: RangedBatch, iteration: int) -> Tensor:
        """Take one step of Adam on the mean density of all points, context and targets."""
        context, targets = batch.masks()
        predicted = self.predict(batch, context)
        densities = point_densities(batch.y.to(predicted[0].dtype), predicted)
        loss = -mean_over(densities, context | targets).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()


class ExactRanged(RangedPredictor, Untrained):
    """The process that each function was drawn from, length and scale known: a ceiling."""

    Settings = RangedPrediction

    def build(self, tasks: Any) -> None:
        """Take the noise of the tasks."""
        self.noise = float(tasks.settings.noise_sd) ** 2

    def predict(self, batch: RangedBatch, context: Tensor) -> Gaussian:
        """Return the exact prediction."""
        drawn = (batch.kernel, batch.length, batch.scale, batch.period)
        first = torch.arange(context.shape[1], device=context.device).expand_as(context)
        return exact_prediction(
            RangedCovariance(*drawn, self.noise),
            batch.x,
            batch.y,
            Context(first, context),
            self.settings.least_deviation,
        )

    def train_step(self, batch: RangedBatch, iteration: int) -> Tensor:
        """Return the negative log-likelihood of targets, which nothing lowers."""
        return -self.evaluate(batch)["target_log_likelihood"].mean().float()
