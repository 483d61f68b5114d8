"""Layers before the first that adapts: done once for all inner steps.

Where parameters are frozen (ANIL: all but the head), the layers before the first one that adapts
give the same features in every inner step, and all tasks share their weights. So the support set
goes through them once, the query set once, and the recursion sees features in place of inputs. What
it gives as derivatives by the features, summed over the steps, goes back through these layers once.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from harness.meta_gradient.batched.engine.recursion import Recursion, Start, add_to
from harness.meta_gradient.batched.graph.graph import Graph, Tape
from harness.meta_gradient.batched.graph.passes import (
    QUERY_INPUT,
    SUPPORT_INPUT,
    Passes,
    RulePasses,
)
from harness.meta_gradient.problem import InnerLoop
from harness.tasks.batch import SupervisedBatch


class AfterTrunk(Recursion):
    """A recursion over the layers of `passes`, behind those of `trunk`, which do not adapt."""

    def __init__(
        self,
        trunk: Graph,
        passes: RulePasses,
        start: Start,
        batch: SupervisedBatch,
        inner: InnerLoop,
        keep: int,
    ) -> None:
        names = passes.graph.names
        behind = [{k: v for k, v in seen.items() if k in names} for seen in start.fixed]
        super().__init__(passes, replace(start, fixed=behind), batch, inner, keep)
        self.trunk, self.before = trunk, {k: start.fixed[0][k] for k in trunk.names}

    @torch.no_grad()
    def run(self) -> None:
        """Fill `loss`, `gradients` and `rate_gradients`."""
        inputs = self.batch
        support, query = (
            self.trunk.forward(x, self.before) for x in (inputs.support_x, inputs.query_x)
        )
        self.batch = replace(inputs, support_x=support.outputs, query_x=query.outputs)
        tapes = {QUERY_INPUT: query, SUPPORT_INPUT: support}
        if self.inner.first_order:  # nothing depends on the support features
            del tapes[SUPPORT_INPUT], support
        super().run()
        for name, tape in tapes.items():
            self._back_through(tape, self.gradients.pop(name, None))

    def _back_through(self, tape: Tape, g: torch.Tensor | None) -> None:
        """Add the derivatives by the trunk's parameters, from those by its outputs."""
        if g is not None:
            names = set(self.before)
            gradients = self.trunk.backward(tape, g, self.before, names, names, names, False)
            add_to(self.gradients, gradients)


def recursion(
    passes: Passes, start: Start, batch: SupervisedBatch, inner: InnerLoop, keep: int
) -> Recursion:
    """Return the recursion, behind a trunk where a model with rules begins with frozen layers."""
    # What has a value for each step changes from step to step as well.
    changing = set(start.adapting) | inner.per_step
    parts = passes.graph.parted(changing) if isinstance(passes, RulePasses) else None
    if parts is None:
        return Recursion(passes, start, batch, inner, keep)
    assert isinstance(passes, RulePasses)
    trunk, tail = parts
    behind = RulePasses(passes.problem, tail, passes.shapes, by_input=True)
    return AfterTrunk(trunk, behind, start, batch, inner, keep)
