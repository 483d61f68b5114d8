"""Averages of single-task networks as MAML's Appendix C.1 has them: each good on its own sine.

There the error of each network is "less than 0.02" on its sine wave, and regularisation is "as high
as possible without significantly deterring performance". From the start of the paper's regression
network, a normal of 0.01, half of such networks do not leave the start; here it is a switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.models.glorot import start_glorot
from harness.ranges import Range
from harness.switch_types import Steps
from harness.tasks.batch import SupervisedBatch
from replications.maml.baselines import MultiTask, MultiTaskSettings


@dataclass(frozen=True)
class ToCriterionSettings(MultiTaskSettings):
    """Switches of single-task networks that are trained to a criterion, then averaged."""

    start: Literal["cut-normal", "glorot"]
    """A normal of 0.01 cut at two deviations, as the authors start the regression network and as
    algorithm `multi-task` has it; or Glorot's uniform law. Biases are 0."""
    criterion: Annotated[float, Range(0, 1_000_000)]
    """Mean squared error of a network on the query points of its task, on which it is not trained.
    How many networks are not below it in the end stands in the record's `training_note`."""
    looked_at_every: Steps
    """A network ends at the first look, after so many of its steps, that finds it below the
    criterion, at the latest after all its steps; 0: after all its steps, whatever its error."""


class ToCriterion(MultiTask):
    """Averages of networks that each know one task, and how well each knows it."""

    Settings: ClassVar[type] = ToCriterionSettings

    def build(self, tasks: Any) -> None:
        """Start with no network trained."""
        super().build(tasks)
        self.ended: dict[str, Tensor] = {}
        """The weights of the networks at hand at their end, or at the last look."""
        self.errors = torch.zeros(0)
        """Their errors then; infinite before the first look."""
        self.own_errors = torch.zeros(0)
        """Errors of the networks averaged so far [networks]."""

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step of the networks at hand; none once all of them have ended, when the
        loss is the mean of their errors then."""
        s = self.settings
        step = iteration % s.steps_per_network
        if 0 < step < s.steps_per_network - 1 and bool((self.errors < s.criterion).all()):
            return self.errors.mean().to(self.device)
        return super().train_step(batch, iteration)

    def training_note(self) -> str:
        """Return how well the networks know their own tasks."""
        count, bound = len(self.own_errors), self.settings.criterion
        if not count:
            return ""
        above = int((~(self.own_errors < bound)).sum())
        mean, most = self.own_errors.double().mean().item(), self.own_errors.max().item()
        return (
            f"{count} networks, {above} of them not below {bound:g} on their own tasks; error "
            f"there {mean:.4f} on average, {most:.4f} at most"
        )

    def training_state(self) -> dict[str, Any]:
        """Return the state of the averages, and what is known about the networks' errors."""
        mine = {"ended": self.ended, "errors": self.errors, "own_errors": self.own_errors}
        return super().training_state() | mine

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        super().load_training_state(state)
        self.ended = {k: v.to(self.device) for k, v in state["ended"].items()}
        self.errors, self.own_errors = state["errors"], state["own_errors"]

    def _new_network(self) -> nn.Module:
        network = super()._new_network()
        if self.settings.start == "glorot":
            start_glorot((m for m in network.modules() if isinstance(m, nn.Linear)), self.generator)
        return network

    @torch.no_grad()
    def _after_step(self, batch: SupervisedBatch, done: int) -> None:
        s = self.settings
        if done == 1:
            self.ended = {k: v.detach().clone() for k, v in self.networks.items()}
            self.errors = torch.full((len(batch),), float("inf"))
        due = s.looked_at_every and done % s.looked_at_every == 0
        if not due and done < s.steps_per_network:
            return
        outputs = vmap(lambda p, x: functional_call(self.model, p, (x,)))(
            self.networks, batch.query_x
        )
        now = (outputs - batch.query_y).square().mean((1, 2)).cpu()
        # Also those whose error is no number.
        going = ~(self.errors < s.criterion)
        self.errors[going] = now[going]
        for k, v in self.networks.items():
            self.ended[k][going.to(self.device)] = v[going.to(self.device)]

    def _average_in(self) -> None:
        self.networks = self.ended
        super()._average_in()
        self.own_errors = torch.cat([self.own_errors, self.errors])
