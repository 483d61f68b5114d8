"""A model over many tasks, each with parameters of its own, in the way the processor takes best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

INPUT_BYTES = 32 * 2**20
"""On a CPU, of the inputs of one part. Measured with 25 tasks of 75 images of 84 x 84 on one core:
all at once took three times as long as one, two or eight tasks at a time."""

ALONE_BYTES = 32 * 2**10
"""On a CPU, of a task's colour images, from which it is worked on alone, channels last: torch's own
kernels then pool ten times as fast. Measured on one core and two, 5 to 75 images of 84 x 84 and
32 x 32: forward passes took 1.6 to 3.2 times as long together, gradients 1.0 to 2.4 times."""


Given = TypeVar("Given")


def over_tasks(
    function: Callable[..., Given], inputs: Tensor, in_dims: int | tuple[int | None, ...] = 0
) -> Callable[..., Given]:
    """Map `function` over its arguments' leading axes (where `in_dims` is 0), which are that of
    `inputs` [T, …], the largest argument."""
    if inputs.device.type != "cpu":
        return vmap(function, in_dims)
    a_task = inputs[0].numel() * inputs.element_size()
    if inputs.dim() == 5 and inputs.shape[2] > 1 and a_task >= ALONE_BYTES:
        return _one_by_one(function, len(inputs), in_dims)
    return vmap(function, in_dims, chunk_size=max(1, INPUT_BYTES // max(1, a_task)))


def _one_by_one(
    function: Callable[..., Given], tasks: int, in_dims: int | tuple[int | None, ...]
) -> Callable[..., Given]:
    def mapped(*arguments: Any) -> Any:
        dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(arguments)
        pairs = list(zip(arguments, dims, strict=True))
        outputs = [
            function(*(a if axis is None else _of_task(a, k) for a, axis in pairs))
            for k in range(tasks)
        ]
        return tree_map(lambda *each: torch.stack(each), *outputs)

    return mapped


def _of_task(values: Any, k: int) -> Any:
    """Return those of task k; images [T, S, C, H, W], and kernels, with channels last."""

    def one(t: Tensor) -> Tensor:
        last = t.dim() == 5
        return t[k].contiguous(memory_format=torch.channels_last) if last else t[k]

    return tree_map(one, values)
