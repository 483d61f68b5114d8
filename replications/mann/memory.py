"""External memory with least recently used access, LRUA (Santoro et al. 2016, 1605.06065, 3.1-3.2).

R heads read by content alone. Each writes to a mixture of where it read last and of the R locations
that were used least, so that new facts go over old ones that nobody asks for. Nothing in here has
weights: a controller gives keys and gates.

Shapes: T sequences, N locations of W numbers, R heads.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class MemoryState(NamedTuple):
    """What is carried from step to step."""

    memory: Tensor
    """M, [T, N, W]."""
    read_weights: Tensor
    """w^r, [T, R, N]; a row adds up to 1."""
    usage: Tensor
    """w^u, [T, N]: decayed sum of what was read and written."""


def start(sequences: int, locations: int, width: int, heads: int, like: Tensor) -> MemoryState:
    """Return the state before the first step, of the dtype and device of `like`.

    Memory is constant 1e-6 and all heads have read location 0, as in public implementations: the
    paper does not say. With zeros instead the first cosine would be 0 / 0.
    """
    read_weights = like.new_zeros(sequences, heads, locations)
    read_weights[:, :, 0] = 1.0
    usage = like.new_zeros(sequences, locations)
    usage[:, 0] = 1.0
    return MemoryState(like.new_full((sequences, locations, width), 1e-6), read_weights, usage)


def least_used(usage: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mark the `count` least used locations of each sequence.

    Returns w^lu [T, N], 1 for those and 0 elsewhere, and the least used one alone, [T, 1] int64. Of
    equally used ones the first counts, so that there are exactly `count` on every device.
    """
    order = usage.argsort(dim=-1, stable=True)
    return torch.zeros_like(usage).scatter_(1, order[:, :count], 1.0), order[:, :1]


def step(
    state: MemoryState, keys: Tensor, gates: Tensor, usage_decay: float
) -> tuple[Tensor, MemoryState]:
    """Write and then read once: returns what was read, r [T, R, W], and the new state.

    `keys` k [T, R, W] say what is looked for and, as in the paper, are also what is written;
    `gates` [T, R] in (0, 1) are sigma(alpha): 1 writes where the head read last, 0 to the least
    used locations.
    """
    memory, read_weights, usage = state
    rarely, rarest = least_used(usage, keys.shape[1])
    gate = gates.unsqueeze(-1)
    write_weights = gate * read_weights + (1 - gate) * rarely.unsqueeze(1)
    # "Prior to writing to memory, the least used memory location is … set to zero."
    memory = memory.scatter(1, rarest.unsqueeze(-1).expand(-1, 1, memory.shape[2]), 0.0)
    memory = torch.baddbmm(memory, write_weights.transpose(1, 2), keys)
    directions = F.normalize(memory, dim=-1, eps=1e-8)
    cosine = F.normalize(keys, dim=-1, eps=1e-8) @ directions.transpose(1, 2)
    read_weights = cosine.softmax(-1)
    reads = read_weights @ memory
    # Usage only chooses locations, by rank: no gradient goes through it.
    used = read_weights.detach().sum(1) + write_weights.detach().sum(1)
    return reads, MemoryState(memory, read_weights, usage_decay * usage + used)
