"""ES-MAML (Song, Gao, Yang, Choromanski, Pacchiano & Tang 2020, arXiv 1910.01215).

Meta-learning without backpropagation: a policy is moved by evolution strategies so that, after it
has adapted to a task from K episodes, it returns more. The adaptation is a black box, too: a
gradient estimated from perturbed policies, or hill climbing. Authors' code: google-research,
`es_maml`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from harness.noise import draw_seed, step_generator
from harness.protocol import Training
from harness.ranges import Range
from harness.switch_types import Factor, Rate
from harness.tasks.source import BLOCK
from replications.es_maml.adaptation import (
    direction,
    hill_climbing,
    monte_carlo,
    standardised,
)
from replications.es_maml.bounds import Bound
from replications.es_maml.rollouts import PARAMETERS, Normaliser, Walked, walk
from replications.es_maml.tasks import NavigationBatch

Queries = Annotated[int, Range(1, 10_000)]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class ESMAMLSettings:
    """Switches of ES-MAML."""

    adaptation: Literal["monte-carlo", "hill-climbing"]
    queries: Queries
    """K: episodes that an adaptation may look at, beside one of the policy as it is."""
    adaptation_sigma: Factor
    """Deviation of what is added to each parameter of a policy to try another."""
    adaptation_rate: Rate
    """α, of the step along the estimated gradient; hill climbing does not read it."""
    pairs: Annotated[int, Range(1, 1_000_000)]
    """Perturbations of the meta-policy at an iteration; each is tried with both signs, on a task of
    its own. What is left of the meta-batch tries the meta-policy as it is: the first of these
    counts in the update, all of them in the running mean and deviation of places."""
    sigma: Factor
    """Deviation of these perturbations."""
    rate: Rate
    """β, of the meta-policy's step."""


class ESMAML(Method):
    """Evolution strategies over policies that adapt."""

    Settings = ESMAMLSettings
    operations_countable = False
    settings: ESMAMLSettings

    def build(self, tasks: Any) -> None:
        """Start the policy: weights normal with variance 2 / inputs = 1, biases 0."""
        self.world, self.horizon = tasks.settings.world, tasks.settings.horizon
        start = torch.zeros(PARAMETERS, dtype=torch.float64)
        start[:4].normal_(0, 1, generator=self.generator)
        self.policy = start.to(self.device)
        self.noise_seed = draw_seed(self.generator)
        self.normaliser = Normaliser.empty(self.device)

    def train_step(self, batch: NavigationBatch, iteration: int) -> Tensor:
        """Move the policy; return the negative mean return after adaptation of all policies that
        were tried."""
        s, tasks = self.settings, len(batch)
        noise = step_generator(self.noise_seed, iteration, CPU)
        pairs = min(s.pairs, tasks // 2)  # A smoke run has fewer tasks.
        half = s.sigma * self._normals((pairs, PARAMETERS), noise)
        tried = torch.cat([half, -half, half.new_zeros(tasks - 2 * pairs, PARAMETERS)])
        adapted, _ = self.adapt(self.policy + tried, batch, noise)
        walked = self.walk(adapted, batch)
        current = walked.returns[2 * pairs] if tasks > 2 * pairs else None
        values = standardised(walked.returns[: 2 * pairs], current)
        # Values that are all equal tell nothing, whatever the current one is.
        told = (walked.returns[: 2 * pairs] != walked.returns[0]).any()
        step = s.rate * direction(values, tried[: 2 * pairs], s.sigma)
        self.policy = self.policy + torch.where(told, step, 0.0)
        self.normaliser = self.normaliser.plus(walked.places)
        return -walked.returns.mean()

    def adapt(
        self, policies: Tensor, batch: NavigationBatch, noise: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return `policies` [T, 6], one for each task of `batch`, after adaptation to its own task,
        and their returns before it [T]."""
        s = self.settings
        normals = self._normals((s.queries, *policies.shape), noise)

        def value(tried: Tensor) -> Tensor:
            return self.walk(tried, batch).returns

        if s.adaptation == "monte-carlo":
            return monte_carlo(policies, value, normals, s.adaptation_sigma, s.adaptation_rate)
        return hill_climbing(policies, value, normals, s.adaptation_sigma)

    def walk(self, policies: Tensor, batch: NavigationBatch, keep_path: bool = False) -> Walked:
        """Walk policies [..., T, 6], each on its own task; `returns` are [..., T]."""
        goals = batch.goals.expand(*policies.shape[:-1], 2).reshape(-1, 2)
        flat = policies.reshape(-1, PARAMETERS)
        walked = walk(self.world, self.horizon, flat, goals, self.normaliser, keep_path)
        return walked._replace(returns=walked.returns.view(policies.shape[:-1]))

    def _normals(self, shape: tuple[int, ...], noise: torch.Generator) -> Tensor:
        # Drawn on the CPU: the same numbers on every device.
        return torch.randn(shape, generator=noise, dtype=torch.float64).to(self.device)

    @torch.no_grad()
    def evaluate(self, batch: NavigationBatch) -> dict[str, Tensor]:
        """Return the returns of T tasks after the adaptation (`reward`) and before (`reward@0`)."""
        noise = torch.Generator().manual_seed(int(batch.seeds[0]))
        adapted, before = self.adapt(self.policy.expand(len(batch), -1), batch, noise)
        after = self.walk(adapted, batch).returns
        return {"reward": after, "reward@0": before}

    def scoring(
        self, tasks: Any, split: str, count: int, label: str = ""
    ) -> Callable[[int, int], dict[str, Tensor]]:
        """Score whole blocks, so that a task's draws do not hang on which tasks come with it."""

        def score(first: int, n: int) -> dict[str, Tensor]:
            start = first - first % BLOCK
            blocks = range(start, first + n, BLOCK)
            scores = [self.evaluate(tasks.batch(split, at, BLOCK)) for at in blocks]
            rows = slice(first - start, first - start + n)
            return {name: torch.cat([b[name] for b in scores])[rows] for name in scores[0]}

        return score

    @classmethod
    def check_training(cls, settings: Any, training: Training) -> None:
        """Refuse more perturbed policies than there are tasks, one of which is for the policy as
        it is."""
        if 2 * settings.pairs >= training.meta_batch:
            raise HarnessError(
                f"method.pairs: found {settings.pairs}, wanted less than half of "
                f"training.meta_batch, {training.meta_batch}: both signs of each have a task of "
                "their own, and the policy as it is one more."
            )

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("reward", "reward@0")

    def weights(self) -> dict[str, Tensor]:
        """Return the policy, and the sums that its inputs are normalised by."""
        return {"policy": self.policy.clone(), **self.normaliser._asdict()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take the policy and the sums."""
        self.policy = weights["policy"].clone()
        self.normaliser = Normaliser(*(weights[name].clone() for name in Normaliser._fields))

    def training_state(self) -> dict[str, Any]:
        """Return nothing: all that a step needs is among the weights."""
        return {}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take nothing."""


ALGORITHMS: dict[str, type[Method]] = {"es-maml": ESMAML, "bound": Bound}
