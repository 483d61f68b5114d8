"""Engine `batched`: chunks of tasks through the recursion, summed up."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map_only

from harness.errors import HarnessError
from harness.measure.live_tensors import LiveTensors
from harness.meta_gradient.batched.engine.chunks import Chunks, fitting
from harness.meta_gradient.batched.engine.recursion import Recursion, Start
from harness.meta_gradient.batched.engine.trunk import recursion
from harness.meta_gradient.batched.graph.passes import GeneralPasses, Passes, RulePasses
from harness.meta_gradient.batched.graph.simplify import simplified
from harness.meta_gradient.batched.graph.trace import NoRule, trace
from harness.meta_gradient.batched.rules.products import factors_in
from harness.meta_gradient.prepared import Prepared, prepare
from harness.meta_gradient.problem import (
    InnerLoop,
    MetaGradient,
    Params,
    Problem,
    on_support,
)
from harness.tasks.batch import SupervisedBatch

CPU_BYTES = 192 * 2**20
"""Budget on a CPU: enough for a dozen tasks of a small convnet; more gains nothing."""
LONG_BYTES = 2**20
"""On a CPU, of a task's query inputs, from which memory is measured on shapes alone: the same bytes
(tests/meta_gradient/test_chunks.py), a fifth of the seconds for 75 images of 84 x 84, and no such
peak in the process. Smaller work is done sooner than gone through without numbers."""
FREE_SHARE = 0.5
"""Of the device memory that is free at the first call: the budget on a device of its own."""
AS_IT_IS = nullcontext()
"""The mode of work that is done with its numbers."""


class Batched:
    """The engine, with a memory budget in bytes (None: chosen by the device).

    The budget is for the tensors the engine makes beside the batch it is given. `factors` is the
    type to which factors of matrix products are rounded (None: not at all); what large images on a
    CPU go through, torch's own convolution, is not rounded.
    """

    def __init__(self, memory_bytes: int | None = None, factors: torch.dtype | None = None) -> None:
        self.memory_bytes, self.factors = memory_bytes, factors
        self._known: WeakKeyDictionary[nn.Module, dict[Hashable, Any]] = WeakKeyDictionary()

    @torch.no_grad()
    def __call__(
        self,
        problem: Problem,
        params: Params,
        batch: SupervisedBatch,
        inner: InnerLoop,
        rates: Params | None = None,
    ) -> MetaGradient:
        """Return the mean query loss after adaptation, and its gradients."""
        ready = prepare(problem, params, batch, inner, rates, leaves=False)
        work = _Work(self._passes(problem, ready.batch), ready)
        with factors_in(self.factors):
            return work.over(self._chunks(problem, work)).mean(ready)

    def _passes(self, problem: Problem, batch: SupervisedBatch) -> Passes:
        x = batch.support_x
        key = ("passes", tuple(x.shape[1:]), x.dtype, problem.support_loss, problem.query_loss)
        known = self._known.setdefault(problem.model, {})
        if key not in known:
            known[key] = passes(problem, x[0])
            if self.factors is not None and isinstance(known[key], GeneralPasses):
                raise HarnessError(
                    f"engine batched:bf16: found {type(problem.model).__name__}, which takes the "
                    "general path; wanted a model of layers with rules: leave :bf16 out."
                )
        prepared: Passes = known[key]
        return prepared

    def _chunks(self, problem: Problem, work: _Work) -> Chunks:
        known, key = self._known[problem.model], ("chunks", work.shape())
        if key not in known:
            strict = self.memory_bytes is not None
            batch = work.ready.batch
            budget = self.memory_bytes or _budget(batch.query_x.device)
            tasks, steps = len(batch), work.ready.inner.steps
            known[key] = fitting(work.measured_peak, tasks, steps, budget, strict)
        fitted: Chunks = known[key]
        return fitted


meta_gradient = Batched()


def passes(problem: Problem, x: Tensor) -> Passes:
    """Return the passes by rules, or the general ones where the model has an operation without."""
    shapes = {k: v.shape for k, v in problem.model.named_parameters()}
    try:
        graph = trace(problem.model, x)
        return RulePasses(problem, simplified(graph), shapes)
    except NoRule as missing:
        name = type(problem.model).__name__
        print(
            f"harness: engine batched takes its general path for {name}, which is slower: "
            f"no rule for {missing}.",
            file=sys.stderr,
        )
        return GeneralPasses(problem)


@dataclass
class _Totals:
    """Sums over tasks, in the shapes computed with."""

    passes: Passes
    loss: Tensor | float = 0.0
    gradients: Params = field(default_factory=dict)
    rates: list[Params] = field(default_factory=list)
    own: list[Params] = field(default_factory=list)
    """By step, those by parameters that have a value for each."""

    def add(self, part: Recursion) -> None:
        self.loss = self.loss + part.loss
        self.rates = self.rates or [{} for _ in part.rate_gradients]
        self.own = self.own or [{} for _ in part.own_gradients]
        pairs = [
            (self.gradients, part.gradients),
            *zip(self.rates, part.rate_gradients, strict=True),
            *zip(self.own, part.own_gradients, strict=True),
        ]
        for mine, theirs in pairs:
            for name, g in theirs.items():
                mine[name] = mine[name].add_(g) if name in mine else g

    def mean(self, ready: Prepared) -> MetaGradient:
        """Return means in the parameters' own shapes; zeros where the loss does not depend."""
        assert isinstance(self.loss, Tensor)
        params, learned, tasks = ready.start, ready.learned, len(ready.batch)
        unpacked = self.passes.unpacked({k: g / tasks for k, g in self.gradients.items()})
        steps, own = (
            [self.passes.unpacked({k: g / tasks for k, g in s.items()}) for s in each]
            for each in (self.rates, self.own)
        )
        for k in {k for s in own for k in s}:
            zero = torch.zeros_like(params[k][0])
            unpacked[k] = torch.stack([s.get(k, zero) for s in own])
        gradients = {
            k: unpacked[k].contiguous() if k in unpacked else torch.zeros_like(v)
            for k, v in params.items()
        }
        rates = {}
        for k, rate in learned.items():
            each = [s[k].sum_to_size(rate.shape[1:]) if k in s else rate[0] * 0 for s in steps]
            rates[k] = torch.stack(each) if each else torch.zeros_like(rate)
        return MetaGradient(self.loss / tasks, gradients, rates)


class _Work:
    """One meta-gradient, ready to be done in chunks of any size."""

    def __init__(
        self,
        passes: Passes,
        ready: Prepared,
        mode: AbstractContextManager[object] = AS_IT_IS,
    ) -> None:
        self.passes, self.ready, self._mode = passes, ready, mode

    def shape(self) -> Hashable:
        """Return all that memory depends on."""
        b, i = self.ready.batch, self.ready.inner
        tensors = [b.support_x, b.support_y, b.query_x, b.query_y]
        sizes = tuple((tuple(t.shape), t.dtype, str(t.device)) for t in tensors)
        loop = (i.steps, i.first_order, i.frozen, i.query_weights, i.per_step)
        return sizes, loop, tuple(self.ready.learned)

    def _start(self) -> Start:
        """Return where the inner loop starts, in the shapes computed with."""
        start, inner, packed = self.ready.start, self.ready.inner, self.passes.packed
        rates = [
            packed({k: r[step].expand(start[k].shape) for k, r in self.ready.learned.items()})
            for step in range(inner.steps)
        ]
        adapting, fixed = self.ready.parted()
        own = {k: v for k, v in fixed.items() if k in inner.per_step}
        shared = packed({k: v for k, v in fixed.items() if k not in own})
        seen = [
            shared | packed(on_support(own, inner, step)) for step in range(max(1, inner.steps))
        ]
        return Start(packed(adapting), seen, rates)

    def rehearsal(self) -> _Work:
        """Return the work to measure: where it would take long, without its numbers."""
        ready, x = self.ready, self.ready.batch.query_x
        if x.device.type != "cpu" or x[0].nbytes < LONG_BYTES:
            return self
        with FakeTensorMode(allow_non_fake_inputs=True) as shapes_only:
            batch, start, learned = tree_map_only(
                Tensor, shapes_only.from_tensor, (vars(ready.batch), ready.start, ready.learned)
            )
        shapes = Prepared(replace(ready.batch, **batch), start, learned, ready.inner)
        return _Work(self.passes, shapes, shapes_only)

    def measured_peak(self, chunks: Chunks) -> int:
        """Return `peak` of the rehearsal; of the work itself where it has what needs numbers."""
        rehearsal = self.rehearsal()
        if rehearsal is not self:
            # torch has no narrower type for all that shapes cannot do.
            with suppress(RuntimeError):
                return rehearsal.peak(chunks)
        return self.peak(chunks)

    def peak(self, chunks: Chunks) -> int:
        """Return the most bytes alive at once: what one chunk takes, beside the sums so far."""
        with self._mode, LiveTensors() as live:
            sums = self.over(chunks, most=1)
            others = len(self.ready.batch) > chunks.tasks
            most: int = live.peak + (live.live if others else 0)
            del sums
        return most

    def over(self, chunks: Chunks, most: int | None = None) -> _Totals:
        """Do the chunks one after the other, `most` of them."""
        start, totals, inner = self._start(), _Totals(self.passes), self.ready.inner
        for at in range(0, len(self.ready.batch), chunks.tasks)[:most]:
            part = self._part(slice(at, at + chunks.tasks))
            one = recursion(self.passes, start, part, inner, chunks.keep)
            one.run()
            totals.add(one)
            del one, part  # before the next is begun
        return totals

    def _part(self, here: slice) -> SupervisedBatch:
        b, turned = self.ready.batch, self.passes.input
        return replace(
            b,
            support_x=turned(b.support_x[here]),
            support_y=b.support_y[here],
            query_x=turned(b.query_x[here]),
            query_y=b.query_y[here],
        )


def _budget(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return int(FREE_SHARE * free)
