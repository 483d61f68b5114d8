"""Whose batch-norm statistics normalise query examples when a task is scored.

A network that normalises by the batch at hand (`BatchStatistics`) gives a query example other
outputs in other company. Published tables differ in that company, and by points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import vmap

from harness.errors import HarnessError
from harness.models.batch_statistics import Moments, normalised_by, norms, recorded
from harness.models.over_tasks import over_tasks

QueryStatistics = Literal["transductive", "support-only", "support-plus-one", "one-at-a-time"]
"""`transductive`: all query examples of the task together (the code of MAML). `support-only`: the
support set alone. `support-plus-one`: the support set and that one example (the code of Reptile,
without its `--transductive`). `one-at-a-time`: that one example alone."""

WholeTestStatistics = Literal[QueryStatistics, "running", "running-queries"]
"""Also `RunningStatistics`: `running` ones throughout the test, while adapting too (as PyTorch's
`model.eval()` does), or for query examples alone (`running-queries`)."""

Outputs = Callable[[dict[str, Tensor], Tensor], Tensor]
"""From one task's parameters and inputs [B, …] to outputs [B, …]."""


def query_outputs(
    model: nn.Module,
    outputs: Outputs,
    params: dict[str, Tensor],
    support_x: Tensor,
    query_x: Tensor,
    how: QueryStatistics,
) -> Tensor:
    """Return outputs [T, Q, …] for all query examples, each under its task's parameters.

    `outputs` calls `model`; `params` have a leading task axis; `support_x` is [T, S, …] and
    `query_x` [T, Q, …]. A model without batch norm gives the same whatever `how` says. Raises
    HarnessError where company changes outputs by other layers than `BatchStatistics`.
    """
    if how != "transductive" and not norms(model):
        _check_company_changes_nothing(outputs, params, support_x, query_x)
        how = "transductive"
    if how == "transductive":
        return over_tasks(outputs, query_x)(params, query_x)

    def by_support(p: dict[str, Tensor], support: Tensor, x: Tensor) -> Tensor:
        with recorded(model) as moments:
            outputs(p, support)
        with normalised_by(model, moments):
            return outputs(p, x)

    def one(p: dict[str, Tensor], support: Tensor, x: Tensor) -> Tensor:
        context = [] if how == "one-at-a-time" else [support]
        return outputs(p, torch.cat([*context, x.unsqueeze(0)]))[-1]

    if how == "support-only":
        return over_tasks(by_support, query_x)(params, support_x, query_x)
    over_queries = vmap(one, in_dims=(None, None, 0))
    return over_tasks(over_queries, query_x)(params, support_x, query_x)


def _check_company_changes_nothing(
    outputs: Outputs, params: dict[str, Tensor], support_x: Tensor, query_x: Tensor
) -> None:
    """Ask the first task's first query example, alone and with the support set."""
    own, one = {k: v[0] for k, v in params.items()}, query_x[0, :1]
    alone, together = outputs(own, one), outputs(own, torch.cat([one, support_x[0]]))[:1]
    if not torch.allclose(alone, together, rtol=1e-2, atol=1e-3):
        raise HarnessError(
            "query statistics: found a model whose outputs depend on what else is in the batch, "
            "by layers that are not BatchStatistics; wanted its batch norms to be "
            "harness.models.batch_statistics.BatchStatistics."
        )


class RunningStatistics:
    """Statistics averaged over forward passes of many tasks: an estimate of running ones.

    A network that never kept running statistics has none. What it would have kept is the mean, over
    the forward passes that training does, of each layer's means and variances.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._sums: dict[str, Moments] = {}
        self._passes = 0

    def add(self, outputs: Outputs, params: dict[str, Tensor], x: Tensor) -> None:
        """Add a forward pass of T tasks: `params` and x [T, B, …], with a leading task axis."""

        def moments(p: dict[str, Tensor], x: Tensor) -> dict[str, Moments]:
            with recorded(self.model) as by_layer:
                outputs(p, x)
            return by_layer

        for name, (mean, variance) in over_tasks(moments, x)(params, x).items():
            means, variances = self._sums.get(name, (0.0, 0.0))
            self._sums[name] = (means + mean.sum(0), variances + variance.sum(0))
        self._passes += len(x)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Normalise by the averages; where nothing was added, by the batch as ever."""
        if not self._passes:
            yield
            return
        n = self._passes
        with normalised_by(self.model, {k: (m / n, v / n) for k, (m, v) in self._sums.items()}):
            yield
