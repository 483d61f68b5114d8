"""Meta-SGD (Li, Zhou, Chen, Li 2017, arXiv 1707.09835): the start and a rate for every weight.

One inner step θ' = θ - α ∘ ∇L(θ), in which α has the shape of θ. Both are meta-trained by the
gradient of the query loss at θ'. No authors' code is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.meta_gradient.engines import engine
from harness.meta_gradient.losses import CrossEntropy, MeanSquaredError
from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.methods.class_scores import percent_right
from harness.methods.learned_rates import LearnedRates
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.models.mlp import MLP
from harness.switch_types import Hidden, Rate
from harness.tasks.batch import SupervisedBatch


@dataclass(frozen=True)
class MetaSGDSettings:
    """Switches of Meta-SGD."""

    network: Literal["max-pool-conv4", "mlp"]
    hidden: Hidden
    """Filters of the four convolutions (all equal), or units of the hidden layers."""
    loss: Literal["mse", "cross-entropy"]
    """Means over examples, in the inner and the outer loop."""
    rate_min: Rate
    rate_max: Rate
    """α starts uniform between these."""
    rate_draws: Literal["one", "each-entry"]
    """Whether one draw is the start of all entries of α, or each has its own."""
    learn_rates: bool
    """False: α stays as it started (with rate_min = rate_max: MAML with one step)."""
    order: Literal["second", "first"]
    meta_rate: Rate
    """Learning rate of Adam, for θ and α."""

    def __post_init__(self) -> None:
        if self.rate_min > self.rate_max:
            raise HarnessError(
                f"method.rate_min: found {self.rate_min}, wanted at most rate_max, {self.rate_max}."
            )


class MetaSGD(LearnedRates):
    """Learns a start, and for each of its weights how far and to which side one step goes."""

    Settings = MetaSGDSettings
    settings: MetaSGDSettings

    def build(self, tasks: Any) -> None:
        """Start θ and then α, both from the run's generator, and one Adam for them."""
        s = self.settings
        classes, images = s.loss == "cross-entropy", hasattr(tasks, "image_shape")
        if classes != images or images != (s.network == "max-pool-conv4"):
            wanted = "'cross-entropy' and 'max-pool-conv4'" if images else "'mse' and 'mlp'"
            raise HarnessError(
                f"method.loss and method.network: found {s.loss!r} and {s.network!r}, "
                f"wanted {wanted} on these tasks."
            )
        if images and not (len(s.hidden) == 4 and len(set(s.hidden)) == 1):
            raise HarnessError(
                f"method.hidden: found {list(s.hidden)}, wanted four equal numbers for "
                f"{s.network!r}."
            )
        self.model = network(s, tasks, self.generator).to(self.device)
        params: Params = dict(self.model.named_parameters())
        self.one_draw = float(torch.rand((), generator=self.generator))
        rates: Params = {name: self._rates_at_start(p.shape) for name, p in params.items()}
        self.begin(params, rates, s.learn_rates, s.meta_rate)
        loss = CrossEntropy("mean") if classes else MeanSquaredError()
        self.problem = Problem(self.model, loss, loss)
        # The rate given here is that of parameters without a learned one: there are none.
        self.inner = InnerLoop(steps=1, rate=0.0, first_order=s.order == "first")

    def _rates_at_start(self, shape: torch.Size) -> Tensor:
        """Return α of one parameter, [1, …]: the one step, then the parameter's shape."""
        s = self.settings
        drawn = torch.empty(1, *shape)
        if s.rate_draws == "each-entry":
            drawn.uniform_(s.rate_min, s.rate_max, generator=self.generator)
        else:
            drawn.fill_(s.rate_min + (s.rate_max - s.rate_min) * self.one_draw)
        return drawn.to(self.device)

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step along the meta-gradient by θ and α."""
        meta_gradient = engine(self.engine)(
            self.problem, self.params, batch, self.inner, self.rates
        )
        self.move(meta_gradient.gradients, meta_gradient.rate_gradients)
        return meta_gradient.loss

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T query sets before and after the step: `mse@k` or `accuracy@k` (percent) [T].
        Batch norm sees a query set whole (transductive)."""
        outputs = self.outputs_after_steps(self.problem, self.inner, batch)
        if self.settings.loss == "mse":
            errors = ((o - batch.query_y).square() for o in outputs)
            return {f"mse@{k}": e.flatten(1).mean(1) for k, e in enumerate(errors)}
        return {f"accuracy@{k}": percent_right(o, batch.query_y) for k, o in enumerate(outputs)}

    @classmethod
    def metrics(cls, settings: MetaSGDSettings) -> tuple[str, ...]:
        """Name the metric before and after the step."""
        name = "mse" if settings.loss == "mse" else "accuracy"
        return (f"{name}@0", f"{name}@1")


def network(s: MetaSGDSettings, tasks: Any, generator: torch.Generator) -> nn.Module:
    """Build the network for the tasks' shapes."""
    if s.network == "mlp":
        return MLP(1, s.hidden, 1, False, generator)
    channels, _, size = tasks.image_shape
    return MaxPoolConv4(channels, s.hidden[0], size, tasks.settings.train_ways, generator)


ALGORITHMS = {"meta-sgd": MetaSGD}
