"""Full context embeddings (Vinyals et al. 2016, appendix A): support and query in view of S.

Support: a bidirectional LSTM reads the support set as a sequence, in the order of its labels, and
its two hidden states are added to the embedding (A.2). Query: an LSTM takes `read_steps` steps with
the same input, each time reading the support set by attention (A.1, equations 3 to 6).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def _gates(summed: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return hidden and cell state [..., D] from gate inputs [..., 4 D], in torch's order:
    in, forget, new, out."""
    enter, forget, new, leave = summed.chunk(4, -1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * cell.tanh(), cell


class FullContext(nn.Module):
    """Embeds support [T, S, D] and queries [T, Q, D] again, each in view of the support set.

    Weights start uniform within ±1/sqrt(D), as torch's LSTM does, but from `generator`.
    `inward` [2, D, 4 D], `onward` [2, D, 4 D] and `shift` [2, 1, 4 D] are the support LSTM's, one
    row each way; `query_inward` [D, 4 D] and `query_onward` [2 D, 4 D] (of state and read-out) and
    `query_shift` [4 D] are the query LSTM's.
    """

    def __init__(self, size: int, read_steps: int, generator: torch.Generator) -> None:
        super().__init__()
        self.read_steps = read_steps
        bound = 1 / math.sqrt(size)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        self.inward, self.onward = drawn(2, size, 4 * size), drawn(2, size, 4 * size)
        self.shift = drawn(2, 1, 4 * size)
        self.query_inward, self.query_onward = drawn(size, 4 * size), drawn(2 * size, 4 * size)
        self.query_shift = drawn(4 * size)

    def support(self, embedded: Tensor) -> Tensor:
        """Return g(x_i, S) = forward state + backward state + g'(x_i) for `embedded` [T, S, D]."""
        tasks, length, size = embedded.shape
        # Both ways at once: the second one reads the sequence from its end.
        both = torch.stack([embedded, embedded.flip(1)])
        summed = both.flatten(1, 2) @ self.inward + self.shift
        summed = summed.view(2, tasks, length, 4 * size)
        hidden = cell = embedded.new_zeros(2, tasks, size)
        states = []
        for i in range(length):
            hidden, cell = _gates(summed[:, :, i] + hidden @ self.onward, cell)
            states.append(hidden)
        onwards, back = torch.stack(states, 2)
        read: Tensor = embedded + onwards + back.flip(1)
        return read

    def queries(self, embedded: Tensor, support: Tensor) -> Tensor:
        """Return f(x, S) for `embedded` queries [T, Q, D], after reading g(S), `support` [T, S, D].

        The state starts at zero, so the first read-out is the mean of the support set."""
        given = embedded @ self.query_inward + self.query_shift
        hidden = cell = torch.zeros_like(embedded)
        for _ in range(self.read_steps):
            attention = (hidden @ support.transpose(1, 2)).softmax(-1)
            state = torch.cat([hidden, attention @ support], -1)
            hidden, cell = _gates(given + state @ self.query_onward, cell)
            hidden = hidden + embedded
        return hidden
