"""Neural processes: CNP (Garnelo et al. 2018, arXiv 1807.01613) and its family.

A network reads a few points of a function and predicts the function anywhere, in one pass. It is
trained on functions of a Gaussian process, whose exact prediction is a ceiling. Protocol, sizes and
printed numbers: Dubois, Gordon & Foong 2020, github.com/YannDubs/Neural-Process-Family.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from harness.method import Method
from harness.methods.one_network import OneNetwork, adam
from harness.noise import draw_seed, step_generator, task_normals
from harness.ranges import Range
from harness.switch_types import Factor, Iterations, Layers, Rate, Width
from replications.neural_processes.attention import AttentiveNetwork
from replications.neural_processes.convolution import ConvolutionalNetwork
from replications.neural_processes.exact import ExactProcess
from replications.neural_processes.latent import LatentNetwork, log_mean_exp
from replications.neural_processes.networks import Gaussian, MeanNetwork
from replications.neural_processes.pooled import ExactRanged, PooledCNP
from replications.neural_processes.predictor import Prediction, Predictor, log_density
from replications.neural_processes.tasks import Context, FunctionBatch


@dataclass(frozen=True)
class Training(Prediction):
    """Switches of all networks."""

    width: Width
    """Of all codes and of the decoder."""
    learning_rate: Rate
    """Of Adam, at the start."""
    decay: Factor
    """The rate falls by this factor over `decay_epochs`, after each epoch by the same share."""
    decay_epochs: Iterations
    epoch: Iterations
    """Iterations of an epoch."""


class Network(Predictor, OneNetwork):
    """A network trained by Adam on the log-density of all targets."""

    operations_countable = False  # steps have different numbers of context points
    counted_in_training = False
    settings: Any

    @abc.abstractmethod
    def network(self) -> nn.Module:
        """Return the network as it starts."""

    def build(self, tasks: Any) -> None:
        """Start the network and its optimiser."""
        super().build(tasks)
        self.model = self.network().to(self.device)
        self.noise_seed = draw_seed(self.generator)
        self.optimiser = adam(self.model.parameters(), self.settings.learning_rate, self.device)

    def before_step(self, iteration: int) -> None:
        """Let the rate fall."""
        s = self.settings
        done = (iteration // s.epoch) / s.decay_epochs
        self.set_rate(s.learning_rate * s.decay**-done)

    def points(self, batch: FunctionBatch) -> tuple[Tensor, Tensor]:
        """Return inputs and values [T, n] in the network's own precision."""
        kind = next(self.model.parameters()).dtype
        return batch.scaled.to(kind), batch.y.to(kind)

    def predict(self, batch: FunctionBatch, context: Context) -> Gaussian:
        """Return the network's prediction."""
        mean, deviation = self.model.eval()(*self.points(batch), context)
        return mean.double(), deviation.double()

    def loss(self, batch: FunctionBatch, iteration: int) -> Tensor:
        """Return -ln p of the targets, mean over tasks."""
        x, y = self.points(batch)
        return -log_density(y, self.model(x, y, batch.context())).mean()

    def train_step(self, batch: FunctionBatch, iteration: int) -> Tensor:
        """Take one step of Adam."""
        self.model.train()
        loss = self.loss(batch, iteration)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()


@dataclass(frozen=True)
class PointSettings(Training):
    """Switches of networks that encode each context point by itself."""

    encoder_width: Width
    """Hidden units of the encoder of a point."""


class CNP(Network):
    """Conditional neural process."""

    Settings = PointSettings

    def network(self) -> nn.Module:
        """Return the network as it starts."""
        s = self.settings
        return MeanNetwork(s.width, s.encoder_width, s.least_deviation, self.generator)


@dataclass(frozen=True)
class AttentiveSettings(PointSettings):
    """Switches of the attentive network."""

    heads: Annotated[int, Range(1, 256)]


class AttentiveCNP(Network):
    """Attentive conditional neural process."""

    Settings = AttentiveSettings

    def network(self) -> nn.Module:
        """Return the network as it starts."""
        s = self.settings
        return AttentiveNetwork(
            s.width, s.encoder_width, s.heads, s.least_deviation, self.generator
        )


@dataclass(frozen=True)
class ConvolutionalSettings(Training):
    """Switches of the convolutional network."""

    blocks: Layers
    taps: Annotated[int, Range(1, 255)]
    """Of each convolution, an odd number."""
    density: Annotated[int, Range(2, 4096)]
    """Points of the grid in a unit of scaled inputs."""


class ConvolutionalCNP(Network):
    """Convolutional conditional neural process."""

    Settings = ConvolutionalSettings

    def network(self) -> nn.Module:
        """Return the network as it starts."""
        s = self.settings
        return ConvolutionalNetwork(
            s.width, s.blocks, s.taps, s.density, s.least_deviation, self.generator
        )


@dataclass(frozen=True)
class LatentSettings(PointSettings):
    """Switches of the latent network."""

    samples: Annotated[int, Range(1, 10_000)]
    """Samples of z in a training step."""
    test_samples: Annotated[int, Range(1, 10_000)]
    test_latent: Literal["targets", "context"]
    """Whose belief z is drawn from at test: after all targets (the authors' notebooks: the values
    to be predicted have been seen), or after the context alone."""


class LatentNP(Network):
    """Latent neural process, trained on the lower bound of Garnelo et al. (2018b)."""

    Settings = LatentSettings
    test_only = Predictor.test_only | {"test_samples", "test_latent"}
    model: LatentNetwork

    def network(self) -> nn.Module:
        """Return the network as it starts."""
        s = self.settings
        return LatentNetwork(s.width, s.encoder_width, s.least_deviation, self.generator)

    def loss(self, batch: FunctionBatch, iteration: int) -> Tensor:
        """Return -(mean over z of ln p of the targets - KL of the belief after all from that after
        the context), mean over tasks; z from the belief after all."""
        x, y = self.points(batch)
        before, after = self.model.beliefs(x, y, batch.context())
        # Drawn on the CPU: the same numbers on every device.
        noise = step_generator(self.noise_seed, iteration, torch.device("cpu"))
        shape = (self.settings.samples, *after.mean.shape)
        normals = torch.randn(shape, generator=noise).to(x)
        log_p = log_density(y, self.model(x, after.sample(normals))).mean(0)
        return (after.divergence(before) - log_p).mean()

    def predict(self, batch: FunctionBatch, context: Context) -> Gaussian:
        """Return the predictions of `test_samples` draws of z, [S, T, n]."""
        s, (x, y) = self.settings, self.points(batch)
        before, after = self.model.eval().beliefs(x, y, context)
        normals = task_normals(batch.y, (s.test_samples, s.width)).transpose(0, 1)
        belief = after if s.test_latent == "targets" else before
        mean, deviation = self.model(x, belief.sample(normals.to(x.dtype)))
        return mean.double(), deviation.double()

    def score(self, batch: FunctionBatch, context: Context) -> dict[str, Tensor]:
        """Return the logarithm of the mean density over samples, and the percentage of targets
        `outside` over targets and samples."""
        scores = super().score(batch, context)
        return {
            "log_likelihood": log_mean_exp(scores["log_likelihood"]),
            "outside": scores["outside"].mean(0),
        }


ALGORITHMS: dict[str, type[Method]] = {
    "cnp": CNP,
    "attentive-cnp": AttentiveCNP,
    "convolutional-cnp": ConvolutionalCNP,
    "latent-np": LatentNP,
    "exact-process": ExactProcess,
    "pooled-cnp": PooledCNP,
    "exact-ranged": ExactRanged,
}
