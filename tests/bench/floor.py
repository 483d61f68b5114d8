"""The arithmetic floor: how long the products of a meta-gradient take at the machine's best rate.

The operations are counted on one task with engine `loop` and multiplied by the tasks: torch's
counter overcounts the grouped convolutions that `vmap` makes. The rate is that of a large float32
product, run in the same rounds as the contenders.
"""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from harness.meta_gradient.loop import meta_gradient
from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.tasks.batch import SupervisedBatch
from tests.bench.interleave import Work

FLOOR = "large float32 product"
SIDE = 2048
PRODUCT_OPERATIONS = 2 * SIDE**3


def operations(problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop) -> int:
    """Count the floating-point operations of matrix products and convolutions."""
    one = type(batch)(**{name: t[:1] for name, t in vars(batch).items()})
    with FlopCounterMode(display=False) as counter:
        meta_gradient(problem, params, one, inner)
    return int(counter.get_total_flops()) * len(batch)


def product(device: str) -> Work:
    """Return the product of two square matrices of side `SIDE`."""
    a, b = (torch.rand(SIDE, SIDE, device=device) for _ in range(2))
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)
