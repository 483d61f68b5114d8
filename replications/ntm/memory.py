"""The memory of Neural Turing Machines (Graves et al. 2014, arXiv 1410.5401, sections 3.1 to 3.3).

A head finds locations by what is in them, may keep to where it was instead, may move on from there,
and sharpens what came out. Nothing in here has weights: a controller gives the numbers.

The gradient of a step is written out: with one sequence at a time nearly all seconds go into
starting small operations, and this takes half as many as autograd would.

Shapes: T sequences, N locations of W numbers, two heads (the first reads, the second writes), K
allowed shifts. All that the heads are told at a step are P = 4 W + 6 + 2 K numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

TINY = 1e-16
"""Keeps logarithms and quotients finite; too small to show in float32 beside a weighting."""


class Heads(NamedTuple):
    """What the heads are told at a step, as the paper's symbols."""

    keys: Tensor
    """k, [T, 2, W]."""
    strengths: Tensor
    """beta, [T, 2, 1], positive."""
    gates: Tensor
    """g, [T, 2, 1] in (0, 1): 1 goes by content, 0 by where the head was."""
    shifts: Tensor
    """s, [T, 2, K]; a row adds up to 1. K is odd: moves by -(K-1)/2 … (K-1)/2."""
    sharpness: Tensor
    """gamma, [T, 2, 1], at least 1."""
    erase: Tensor
    """e, [T, 1, W] in (0, 1), of the head that writes."""
    add: Tensor
    """a, [T, 1, W]."""


def parts(width: int, shifts: int) -> list[int]:
    """Return how many of the P numbers are keys and add, strengths and sharpness, gates and erase,
    and shifts: what goes through the same function stands together."""
    return [3 * width, 4, 2 + width, 2 * shifts]


def heads(numbers: Tensor, width: int, shifts: int) -> Heads:
    """Turn any numbers [T, P] into what they mean."""
    vectors, positive, opened, moved = torch.split(numbers, parts(width, shifts), 1)
    strengths, sharpness = F.softplus(positive).unsqueeze(2).chunk(2, 1)
    opened = opened.sigmoid()
    return Heads(
        keys=torch.unflatten(vectors[:, : 2 * width], 1, (2, width)),
        strengths=strengths,
        gates=opened[:, :2].unsqueeze(2),
        shifts=torch.unflatten(moved, 1, (2, shifts)).softmax(-1),
        sharpness=1 + sharpness,
        erase=opened[:, 2:].unsqueeze(1),
        add=vectors[:, 2 * width :].unsqueeze(1),
    )


def rotations(locations: int, shifts: int) -> Tensor:
    """Return [N, K N] of 0 and 1: w @ rotations is w [N] moved by each of the K shifts in turn."""
    reach = shifts // 2
    identity = torch.eye(locations)
    return torch.cat([identity.roll(k, 1) for k in range(-reach, reach + 1)], 1)


def step(
    memory: Tensor, before: Tensor, numbers: Tensor, turned: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Look, read and write once: returns what was read r [T, 1, W], the weightings w [T, 2, N]
    (rows of sum 1) and the new memory [T, N, W].

    `memory` is [T, N, W]; `before` the weightings of the step before, zeros where there was none;
    `numbers` [T, P] what the heads are told; `turned` what `rotations` gave. Both heads look at the
    memory as it was before this step's writing, and so does the read. No second derivative.
    """
    after: tuple[Tensor, Tensor, Tensor] = _Step.apply(  # type: ignore[no-untyped-call]
        memory, before, numbers, turned
    )
    return after


class _Step(torch.autograd.Function):
    """Equations 2 to 9 of the paper, and their derivatives in the opposite order."""

    @staticmethod
    def forward(
        ctx: Any, memory: Tensor, before: Tensor, numbers: Tensor, turned: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        told = heads(numbers, memory.shape[2], turned.shape[1] // turned.shape[0])
        keys, strengths, gates, shifts, sharpness, erase, add = told
        lengths = torch.linalg.vector_norm(memory, dim=-1).unsqueeze(1).clamp_min_(TINY)
        key_lengths = torch.linalg.vector_norm(keys, dim=-1, keepdim=True).clamp_min_(TINY)
        # A cosine times beta is `along * scale`: what does not depend on the location is apart.
        along = (keys @ memory.transpose(1, 2)).div_(lengths)
        scale = strengths / key_lengths
        by_content = (along * scale).softmax(-1)
        gated = torch.lerp(before, by_content, gates)
        moved = torch.unflatten(gated @ turned, -1, (shifts.shape[-1], -1))
        shifted = (shifts.unsqueeze(-2) @ moved).squeeze(-2).add_(TINY)
        # w^gamma / sum w^gamma, so written that powers of small numbers do not become 0 / 0.
        logs = shifted.log()
        weighting = (sharpness * logs).softmax(-1)
        erased = weighting[:, 1, :, None] * erase
        after = torch.addcmul(memory, memory, erased, value=-1)
        after = torch.baddbmm(after, weighting[:, 1:].transpose(1, 2), add)
        ctx.save_for_backward(
            *(memory, before, turned, *told),
            *(lengths, key_lengths, along, scale, by_content, moved, shifted, logs, weighting),
            erased,
        )
        return weighting[:, :1] @ memory, weighting, after

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_read: Tensor, d_weighting: Tensor, d_after: Tensor
    ) -> tuple[Tensor | None, ...]:
        memory, before, turned, *rest = ctx.saved_tensors
        keys, strengths, gates, shifts, sharpness, erase, add, *rest = rest
        lengths, key_lengths, along, scale, by_content, moved, shifted, logs, *rest = rest
        weighting, erased = rest
        # Writing and reading.
        wrote = weighting[:, 1:]
        changed = d_after * memory
        d_erase, d_add = -(wrote @ changed), wrote @ d_after
        d_wrote = torch.baddbmm(
            add @ d_after.transpose(1, 2), erase, changed.transpose(1, 2), alpha=-1
        )
        d_memory = torch.addcmul(d_after, d_after, erased, value=-1)
        d_memory.baddbmm_(weighting[:, :1].transpose(1, 2), d_read)
        d_w = torch.cat([d_read @ memory.transpose(1, 2), d_wrote], 1).add_(d_weighting)
        # Sharpening and moving.
        d_powers = _through_softmax(d_w, weighting)
        d_sharpness = (d_powers * logs).sum(-1, keepdim=True)
        d_shifted = (d_powers * sharpness).div_(shifted)
        d_shifts = (moved @ d_shifted.unsqueeze(-1)).squeeze(-1)
        d_gated = (shifts.unsqueeze(-1) * d_shifted.unsqueeze(-2)).flatten(-2) @ turned.T
        # Where the head was, or content.
        d_gates = (d_gated * (by_content - before)).sum(-1, keepdim=True)
        d_content = d_gated * gates
        d_before = d_gated - d_content
        d_scores = _through_softmax(d_content, by_content)
        d_scale = (d_scores * along).sum(-1, keepdim=True)
        d_along = d_scores * scale
        d_strengths = d_scale / key_lengths
        d_products = d_along / lengths
        d_keys = torch.addcmul(
            d_products @ memory, keys, d_strengths * scale / key_lengths, value=-1
        )
        d_memory.baddbmm_(d_products.transpose(1, 2), keys)
        shrink = (d_products * along).sum(1, keepdim=True).div_(lengths)
        d_memory.addcmul_(memory, shrink.transpose(1, 2), value=-1)
        # From what the numbers mean to the numbers.
        positive = torch.cat([strengths, sharpness - 1], 1)
        d_positive = torch.cat([d_strengths, d_sharpness], 1) * -torch.expm1(-positive)
        opened = torch.cat([gates.flatten(1), erase.flatten(1)], 1)
        d_opened = torch.cat([d_gates.flatten(1), d_erase.flatten(1)], 1) * opened * (1 - opened)
        d_moves = _through_softmax(d_shifts, shifts)
        d_told = (d_keys, d_add, d_positive, d_opened, d_moves)
        return d_memory, d_before, torch.cat([d.flatten(1) for d in d_told], 1), None


def _through_softmax(gradient: Tensor, out: Tensor) -> Tensor:
    """Return the gradient by what went into a softmax over the last axis that gave `out`."""
    weighted = gradient * out
    return weighted.addcmul_(out, weighted.sum(-1, keepdim=True), value=-1)
