"""The inner loop of one chunk of tasks, and the way back through it.

With θ' = θ - a ∇L(θ), a derivative v by θ' is the derivative v - H (a v) by θ, H the support loss's
Hessian at θ. From the last step back to the first this gives the exact second-order meta-gradient
while only one step's activations are held at a time: memory grows with the steps by their
parameters alone. The same v gives the derivative by a learned rate, -v ∇L(θ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.meta_gradient.batched.graph.passes import Passes, Seen
from harness.meta_gradient.problem import InnerLoop, Params
from harness.tasks.batch import SupervisedBatch


@dataclass(frozen=True)
class Start:
    """Where an inner loop starts, in the shapes computed with."""

    adapting: Params
    fixed: list[Params]
    """What does not adapt, as each step sees it."""
    rates: list[Params]
    """The learned rates of each step, in the parameters' full shapes."""


class Recursion:
    """One chunk's inner loop. `batch` is as `passes` computes with it.

    The activations of the last `keep` steps are kept for the way back; those of earlier ones are
    computed again.
    """

    def __init__(
        self, passes: Passes, start: Start, batch: SupervisedBatch, inner: InnerLoop, keep: int
    ) -> None:
        self.passes, self.batch, self.inner, self.keep = passes, batch, inner, keep
        self.adapting, self.fixed, self.rates = start.adapting, start.fixed, start.rates
        self.weights = inner.loss_weights()
        self.learns = any(self.rates)
        self.loss = torch.zeros((), dtype=batch.query_x.dtype, device=batch.query_x.device)
        """Sum over the tasks, as are the derivatives."""
        self.gradients: Params = {}
        self.rate_gradients: list[Params] = [{} for _ in range(inner.steps)]
        self.own_gradients: list[Params] = [{} for _ in self.fixed]
        """By step, those by parameters that have a value for each (`inner.per_step`)."""

    @torch.no_grad()
    def run(self) -> None:
        """Fill `loss`, `gradients` and `rate_gradients`."""
        if self.inner.first_order:
            self._first_order()
        else:
            self._second_order()

    def _first_order(self) -> None:
        """A constant displacement hands a derivative on unchanged, so all states' are summed up; a
        rate moves every state after its step."""
        steps, state = self.inner.steps, self.adapting
        gradients: list[Params] = []
        for k in range(steps + 1):
            if self.weights[k]:
                v = self._query(k, state, summed=not (self.learns and k))
                for step, step_gradients in enumerate(gradients):
                    self._to_rates(step, v, step_gradients)
                add_to(self.gradients, _summed(v) if self.learns and k else v)
            if k < steps:
                step_gradients, _ = self._support(k, state, keep=False)
                state = self._moved(k, state, step_gradients)
                if self.learns:
                    gradients.append(step_gradients)

    def _second_order(self) -> None:
        steps = self.inner.steps
        states, gradients, kept = [self.adapting], [], []
        step_gradients: Params = {}
        for k in range(steps):
            step_gradients, tape = self._support(k, states[k], keep=k >= steps - self.keep)
            kept.append(tape)
            states.append(self._moved(k, states[k], step_gradients))
            if self.learns:
                gradients.append(step_gradients)
        del step_gradients  # not to be held on the way back
        v: Params = {}
        for k in reversed(range(steps + 1)):
            state, first = states.pop(), k == 0
            if k < steps and v:
                if self.learns:
                    self._to_rates(k, v, gradients.pop())
                v = self._back(k, state, v, kept.pop(), first)
            if self.weights[k]:
                add_to(v, self._query(k, state, summed=first))
        add_to(self.gradients, v)

    def _support(self, step: int, state: Params, keep: bool) -> tuple[Params, Any]:
        return self.passes.support(self._seen(step, state), True, keep)

    def _seen(self, step: int, state: Params) -> Seen:
        """Return the support set and the parameters that a step sees."""
        return Seen(self.batch.support_x, self.batch.support_y, state, self.fixed[step])

    def _rate(self, step: int, name: str) -> float | Tensor:
        return self.rates[step].get(name, self.inner.rate)

    def _moved(self, step: int, state: Params, gradients: Params) -> Params:
        """Take one inner step."""
        moved = {}
        for name, value in state.items():
            if name not in gradients:
                moved[name] = value
                continue
            rate = self._rate(step, name)
            if isinstance(rate, Tensor):
                moved[name] = torch.addcmul(value, gradients[name], rate, value=-1)
            else:
                moved[name] = torch.sub(value, gradients[name], alpha=rate)
        return moved

    def _query(self, k: int, state: Params, summed: bool) -> Params:
        """Add the weighted query losses after step k; return their derivatives by the state."""
        batch, weight = self.batch, self.weights[k]
        seen = max(k - 1, 0)
        here = Seen(batch.query_x, batch.query_y, state, self.fixed[seen])
        losses, v, fixed = self.passes.query(here, summed)
        self.loss += weight * losses.sum()
        if weight != 1:
            v = {name: weight * g for name, g in v.items()}
            fixed = {name: weight * g for name, g in fixed.items()}
        self._to_fixed(seen, fixed)
        return v

    def _back(self, step: int, state: Params, v: Params, kept: Any, first: bool) -> Params:
        """Take derivatives by the state after a step to the state before it."""
        direction = {name: g * self._rate(step, name) for name, g in v.items()}
        along, fixed = self.passes.product(self._seen(step, state), kept, direction, first)
        self._to_fixed(step, {name: -g for name, g in fixed.items()})
        before = _summed(v) if first else v
        return {k: g.sub_(along[k]) if k in along else g for k, g in before.items()}

    def _to_fixed(self, step: int, more: Params) -> None:
        own = self.inner.per_step
        add_to(self.own_gradients[step], {k: g for k, g in more.items() if k in own})
        add_to(self.gradients, {k: g for k, g in more.items() if k not in own})

    def _to_rates(self, step: int, v: Params, gradients: Params) -> None:
        more = {
            k: -(v[k] * gradients[k]).sum(0) for k in self.rates[step] if k in gradients and k in v
        }
        add_to(self.rate_gradients[step], more)


def add_to(to: Params, more: Params) -> None:
    """Add by name to what is there; never in place, for `more` may be someone else's."""
    for name, g in more.items():
        to[name] = to[name] + g if name in to else g


def _summed(grads: Params) -> Params:
    return {name: g.sum(0) for name, g in grads.items()}
