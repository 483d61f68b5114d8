"""Whose batch-norm statistics normalise query examples when a task is scored.

A network that normalises by the batch at hand (`BatchStatistics`) gives a query example other
outputs in other company. Published tables differ in that company, and by points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.func import vmap

QueryStatistics = Literal["transductive", "support-plus-one", "one-at-a-time"]
"""`transductive`: all query examples of the task together (the code of MAML). `support-plus-one`:
the support set and that one example (the code of Reptile, without its `--transductive`).
`one-at-a-time`: that one example alone."""


def query_outputs(
    outputs: Callable[[dict[str, Tensor], Tensor], Tensor],
    params: dict[str, Tensor],
    support_x: Tensor,
    query_x: Tensor,
    how: QueryStatistics,
) -> Tensor:
    """Give outputs [T, Q, …] for all query examples, each under its task's parameters.

    `outputs` maps one task's parameters and inputs [B, …] to [B, …]; `params` have a leading task
    axis; `support_x` is [T, S, …] and `query_x` [T, Q, …].
    """
    if how == "transductive":
        return vmap(outputs)(params, query_x)

    def one(p: dict[str, Tensor], support: Tensor, x: Tensor) -> Tensor:
        context = [] if how == "one-at-a-time" else [support]
        return outputs(p, torch.cat([*context, x.unsqueeze(0)]))[-1]

    over_queries = vmap(one, in_dims=(None, None, 0))
    return vmap(over_queries)(params, support_x, query_x)
