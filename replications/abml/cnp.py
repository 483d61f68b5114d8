"""The conditional neural process of a public notebook (google/edward2, `attentive_uncertainty`).

A code of each context, arm and payment that was seen; their mean; and from it and a new context,
what each arm will pay. Acting is greedy. The notebook prints regrets, not a paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.methods.one_network import OneNetwork
from harness.methods.tensorflow_rmsprop import TensorFlowRMSprop
from harness.models.glorot import start_glorot
from harness.ranges import Range
from harness.switch_types import Epsilon, Factor, Layers, Rate, ShareBelowOne, Width
from replications.abml.learner import ScoredOnWheels
from replications.abml.tasks import ARMS, WheelBatch

FirstPulls = Annotated[int, Range(0, 1000)]


@dataclass(frozen=True)
class CNPSettings:
    """Switches of the conditional neural process."""

    width: Width
    encoder_layers: Layers
    decoder_layers: Layers
    """Hidden ones."""
    learning_rate: Rate
    """Of RMSProp."""
    decay: ShareBelowOne
    """Of RMSProp's running mean of squared gradients."""
    epsilon: Epsilon
    norm_clip: Factor
    """Longest gradient."""
    first_pulls: FirstPulls
    """Pulls of each arm at the start of a trial, before the network is asked."""


class CNPNetwork(nn.Module):
    """Encoder and decoder: linear layers with ReLU between, and behind the payments."""

    def __init__(
        self, width: int, encoder_layers: int, decoder_layers: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.width = width
        # The notebook's decoder gives deviations, too; its loss does not read them.
        self.encode = perceptron(2 + ARMS, [width] * encoder_layers)
        self.decode = perceptron(2 + width, [width] * decoder_layers + [2 * ARMS])
        layers = [m for m in self.modules() if isinstance(m, nn.Linear)]
        start_glorot(layers, generator)

    def code(self, contexts: Tensor, arms: Tensor, paid: Tensor) -> Tensor:
        """Return codes […, width] of what `arms` […] paid […] at contexts […, 2]."""
        payments = F.one_hot(arms, ARMS).to(paid) * paid[..., None]
        encoded: Tensor = self.encode(torch.cat([contexts, payments], -1))
        return encoded

    def forward(self, mean: Tensor, contexts: Tensor) -> Tensor:
        """Return what each arm is predicted to pay […, 5] at contexts […, 2], told the mean code
        […, width]."""
        decoded: Tensor = self.decode(torch.cat([contexts, mean], -1))
        return decoded[..., :ARMS].relu()


def perceptron(inputs: int, widths: list[int]) -> nn.Sequential:
    """Return linear layers of `widths` with ReLU between them."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers[:-1])


class CNPAgent:
    """Chooses the arm of the greatest prediction; keeps the sum of codes, not the history."""

    def __init__(self, model: CNPNetwork, trials: int) -> None:
        """Begin `trials` trials."""
        self.model, self.seen = model, 0
        self.total = next(model.parameters()).new_zeros(trials, model.width)

    def choose(self, contexts: Tensor) -> Tensor:
        """Return the arms [T] for contexts [T, 2]."""
        mean = self.total / max(self.seen, 1)
        predicted: Tensor = self.model(mean, contexts.to(self.total))
        return predicted.argmax(-1)

    def see(self, contexts: Tensor, arms: Tensor, paid: Tensor) -> None:
        """Add the codes of what arms [T] paid [T] at contexts [T, 2]."""
        self.total += self.model.code(contexts.to(self.total), arms, paid.to(self.total))
        self.seen += 1


class WheelCNP(ScoredOnWheels, OneNetwork):
    """Conditional neural process on wheels."""

    Settings = CNPSettings
    test_only = frozenset({"first_pulls"})
    settings: CNPSettings
    model: CNPNetwork

    def build(self, tasks: Any) -> None:
        """Start the network and its optimiser."""
        self.check_lengths(tasks.settings)
        s = self.settings
        model = CNPNetwork(s.width, s.encoder_layers, s.decoder_layers, self.generator)
        self.model = model.to(self.device)
        self.optimiser = TensorFlowRMSprop(
            self.model.parameters(), s.learning_rate, s.decay, 0.0, s.epsilon, centred=False
        )

    def losses(self, batch: WheelBatch) -> Tensor:
        """Return the squared error of what the drawn arms paid at the query contexts [T], a mean
        over these and all five arms, of which one counts."""
        paid = batch.paid(batch.averages(), batch.arms)
        kind = next(self.model.parameters()).dtype
        contexts, paid = batch.contexts.to(kind), paid.to(kind)
        told, asked = self.told, self.asked
        code = self.model.code(contexts[:, told], batch.arms[:, told], paid[:, told])
        mean = code.mean(1, keepdim=True).expand(-1, paid[:, asked].shape[1], -1)
        predicted: Tensor = self.model(mean, contexts[:, asked])
        chosen = predicted.gather(-1, batch.arms[:, asked, None])[..., 0]
        return (paid[:, asked] - chosen).square().mean(1) / ARMS

    def train_step(self, batch: WheelBatch, iteration: int) -> Tensor:
        """Take one step of RMSProp along the gradient, cut in length."""
        loss = self.losses(batch).mean()
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.norm_clip)
        self.optimiser.step()
        return loss.detach()

    def agent(self, batch: WheelBatch) -> CNPAgent:
        """Return what plays trials."""
        return CNPAgent(self.model, len(batch))

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take the optimiser's state; its rate is no tensor."""
        self.optimiser.load_state_dict(state["optimiser"])
