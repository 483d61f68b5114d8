"""A training step on CUDA as one captured graph, so that its hundreds of launches cost one.

The first steps run as they are: they choose chunks, set up optimiser state and libraries. Then one
step is captured (which runs nothing) and from there on replayed on a batch that is copied to where
the graph reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method

WARM_UP = 3
"""Steps before the capture; torch's own advice."""
Step = Callable[[Any, int], Tensor]


def training_step(method: Method, capture: bool) -> Step:
    """Return the function that does a training step, and what has to be set before it: the method's
    own step, or a captured one."""
    if not capture:

        def step(batch: Any, iteration: int) -> Tensor:
            method.before_step(iteration)
            return method.train_step(batch, iteration)

        return step
    if method.device.type != "cuda":
        raise HarnessError(
            f"--capture: found device {method.device.type!r}, wanted cuda; leave it out."
        )
    if not method.capturable:
        name = type(method).__name__
        raise HarnessError(
            f"--capture: found method {name}, whose step cannot be captured; leave it out."
        )
    return CapturedStep(method)


class CapturedStep:
    """A method's training step, captured after `WARM_UP` steps."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self._done = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Any = None
        self._loss: Tensor | None = None

    def __call__(self, batch: Any, iteration: int) -> Tensor:
        """Do one step and return its loss."""
        self.method.before_step(iteration)
        if self._done < WARM_UP:
            self._done += 1
            return self._beside(batch, iteration)
        if self._graph is None:
            self._capture(batch, iteration)
        for name in (f.name for f in fields(batch)):
            there = getattr(self._batch, name)
            given = getattr(batch, name)
            if there.shape != given.shape:
                raise HarnessError(
                    f"--capture: found {name} of shape {tuple(given.shape)}, wanted "
                    f"{tuple(there.shape)} as in the captured step; leave it out."
                )
            there.copy_(given)
        assert self._graph is not None
        assert self._loss is not None
        self._graph.replay()
        return self._loss.clone()

    def _beside(self, batch: Any, iteration: int) -> Tensor:
        """Do a step on a separate stream, as a capture will."""
        stream = torch.cuda.Stream(self.method.device)
        stream.wait_stream(torch.cuda.current_stream(self.method.device))
        with torch.cuda.stream(stream):
            loss = self.method.train_step(batch, iteration)
        torch.cuda.current_stream(self.method.device).wait_stream(stream)
        return loss

    def _capture(self, batch: Any, iteration: int) -> None:
        self._batch = type(batch)(**{f.name: getattr(batch, f.name).clone() for f in fields(batch)})
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = self.method.train_step(self._batch, iteration)
