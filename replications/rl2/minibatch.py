"""One step of the update on a minibatch of trials; on CUDA a captured graph, replayed.

A step launches some 400 small operations, an iteration with the paper's batches does 980 steps: on
CUDA the launches, not the arithmetic, would take the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replications.rl2.network import RecurrentNet, run_together
from replications.rl2.trials import Trials

WARM_UP = 3
"""Steps before a capture: they set up the state of the optimisers and libraries."""


@dataclass(frozen=True)
class Rule:
    """Switches of the update; see the settings of the method."""

    clip: float
    epochs: int
    minibatch: int
    most_divergence: float
    gradient_clip: float


@dataclass(frozen=True)
class Part:
    """Trials with their `gains` and `returns` [n, T]."""

    trials: Trials
    gains: Tensor
    returns: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all tensors; their second dimension is that of the trials."""
        t = self.trials
        return t.inputs, t.actions, t.rewards, t.log_p, self.gains, self.returns


def surrogate(log_p: Tensor, trials: Trials, gains: Tensor, clip: float) -> Tensor:
    """Return the clipped surrogate, to be raised: a mean over steps and trials."""
    actions = trials.actions.unsqueeze(-1)
    ratio = (log_p.gather(-1, actions) - trials.log_p.gather(-1, actions)).squeeze(-1).exp()
    return torch.minimum(ratio * gains, ratio.clamp(1 - clip, 1 + clip) * gains).mean()


class MinibatchStep:
    """Moves policy and value by one step of their optimisers."""

    def __init__(
        self,
        policy: RecurrentNet,
        value: RecurrentNet,
        optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
        rule: Rule,
    ) -> None:
        self.nets, self.optimisers, self.rule = (policy, value), optimisers, rule
        self._done = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._buffers: Part | None = None

    def forget_graph(self) -> None:
        """Capture anew: the optimisers have other tensors."""
        self._done, self._graph = 0, None

    def __call__(self, whole: Part, rows: Tensor) -> None:
        """Take the trials `rows` of `whole` and move."""
        part = _part(tuple(x.index_select(1, rows) for x in whole.tensors()))
        if rows.device.type != "cuda" or len(rows) < self.rule.minibatch:
            self._move(part)
        elif self._done < WARM_UP:
            self._done += 1
            stream = torch.cuda.Stream(rows.device)
            stream.wait_stream(torch.cuda.current_stream(rows.device))
            with torch.cuda.stream(stream):
                self._move(part)
            torch.cuda.current_stream(rows.device).wait_stream(stream)
        else:
            self._replay(part)

    def _replay(self, part: Part) -> None:
        if self._graph is None:
            self._buffers, self._graph = part, torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._move(part)
        assert self._buffers is not None
        for buffer, tensor in zip(self._buffers.tensors(), part.tensors(), strict=True):
            buffer.copy_(tensor)
        self._graph.replay()

    def _move(self, part: Part) -> None:
        trials, returns = part.trials, part.returns
        scores, guessed = run_together(self.nets, trials.inputs)
        raised = surrogate(scores.log_softmax(-1), trials, part.gains, self.rule.clip)
        loss = F.mse_loss(guessed.squeeze(-1), returns) - raised
        weights = [list(net.parameters()) for net in self.nets]
        # Neither loss hangs on the other network's weights, so that one pass gives both gradients.
        gradients = iter(torch.autograd.grad(loss, [w for own in weights for w in own]))
        for optimiser, own in zip(self.optimisers, weights, strict=True):
            for weight in own:
                weight.grad = next(gradients)
            nn.utils.clip_grad_norm_(own, self.rule.gradient_clip)
            optimiser.step()


def _part(tensors: tuple[Tensor, ...]) -> Part:
    return Part(Trials(*tensors[:4]), *tensors[4:])
