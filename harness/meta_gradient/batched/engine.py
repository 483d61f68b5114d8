"""The engine's entry: all tasks in one chunk for now."""

from __future__ import annotations

import torch

from harness.meta_gradient.batched.passes import GeneralPasses, Passes, RulePasses
from harness.meta_gradient.batched.recursion import Recursion
from harness.meta_gradient.batched.simplify import simplified
from harness.meta_gradient.batched.trace import NoRule, trace
from harness.meta_gradient.problem import (
    InnerLoop,
    MetaGradient,
    Params,
    Problem,
    check_rates,
    split,
)
from harness.tasks.batch import SupervisedBatch

_CACHE: dict = {}


def passes_for(problem, batch) -> Passes:
    key = (id(problem.model), batch.support_x.shape[1:])
    if key not in _CACHE:
        shapes = {k: v.shape for k, v in problem.model.named_parameters()}
        try:
            _CACHE[key] = RulePasses(problem, simplified(trace(problem.model, batch.support_x[0])), shapes)
        except NoRule as e:
            print("norule", e)
            _CACHE[key] = GeneralPasses(problem)
    return _CACHE[key]


CHUNK, KEEP = 8, 1


@torch.no_grad()
def meta_gradient(
    problem: Problem,
    params: Params,
    batch: SupervisedBatch,
    inner: InnerLoop,
    rates: Params | None = None,
) -> MetaGradient:
    batch = problem.prepared(batch)
    passes = passes_for(problem, batch)
    params = {k: v.detach() for k, v in params.items()}
    learned = {k: v.detach() for k, v in check_rates(params, inner, rates).items()}
    adapting, fixed = split(passes.packed(params), inner)
    each = [
        passes.packed({k: r[step].expand(params[k].shape) for k, r in learned.items()})
        for step in range(inner.steps)
    ]
    total, grads, rgrads = 0.0, {}, [{} for _ in each]
    n = len(batch)
    sx, qx = passes.input(batch.support_x), passes.input(batch.query_x)
    for at in range(0, n, CHUNK):
        to = at + CHUNK
        part = SupervisedBatch(sx[at:to], batch.support_y[at:to], qx[at:to], batch.query_y[at:to])
        r = Recursion(passes, adapting, fixed, part, inner, each, KEEP)
        r.run()
        total = total + r.loss
        for k, g in r.gradients.items():
            grads[k] = grads[k] + g if k in grads else g
        for mine, more in zip(rgrads, r.rate_gradients):
            for k, g in more.items():
                mine[k] = mine[k] + g if k in mine else g
    found = passes.unpacked({k: g / n for k, g in grads.items()})
    gradients = {k: found[k] if k in found else torch.zeros_like(v) for k, v in params.items()}
    back = [passes.unpacked({k: g / n for k, g in m.items()}) for m in rgrads]
    rate_gradients = {
        k: torch.stack([b[k].sum_to_size(r.shape[1:]) if k in b else torch.zeros_like(r[0]) for b in back])
        for k, r in learned.items()
    }
    return MetaGradient(total / n, gradients, rate_gradients)
