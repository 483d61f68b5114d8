"""Examples of each task with mean 0 and variance 1 in each channel, and derivatives through that.

For many small tasks this is written with operations over all of them; where a task is large, with
torch's batch norm, a call per task, which reads and writes memory a third as often.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.meta_gradient.batched.rules.products import stacked
from harness.meta_gradient.batched.rules.rule import Maybe, Wanted

aten = torch.ops.aten

NATIVE_FROM_BYTES = 2 * 2**20
"""From this size of a task's examples on, a CPU takes torch's batch norm: measured on 2 cores, it
was slower at 1.1 MiB and faster at 65 (`tests/bench/test_two_ways_ratios.py`)."""


def flat(x: Tensor) -> Tensor:
    """Return [T, P, C]: all examples and positions of a task in one axis."""
    return x.flatten(1, -2)


def row(p: Tensor) -> Tensor:
    """Return a channel parameter [C] or [T, C] in the shape that broadcasts against [T, P, C]."""
    return p.unsqueeze(1) if p.dim() == 2 else p


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean over positions of a * b: [T, 1, C]."""
    return (a * b).mean(1, keepdim=True)


@dataclass
class Standardised:
    """z = (x - mean) n with n = 1 / sqrt(var + eps), for x [T, P, C]; mean and n are [T, 1, C].

    The Jacobian v → n (v - mean v - z mean(z v)) is symmetric: it takes tangents forward and
    gradients back.
    """

    n: Tensor
    z_or_x: Tensor
    mean: Tensor | None
    """None: `z_or_x` is z."""
    eps: float

    @property
    def z(self) -> Tensor:
        """[T, P, C]; made once, when it is asked for."""
        if self.mean is not None:
            self.z_or_x = torch.addcmul(-self.mean * self.n, self.z_or_x, self.n)
            self.mean = None
        return self.z_or_x

    @classmethod
    def of(
        cls, x: Tensor, eps: float, scale: Tensor | None, offset: Tensor | None
    ) -> tuple[Tensor, Standardised]:
        """Return z * scale + offset, and what derivatives need. Parameters are [C] or [T, C]."""
        if x.device.type == "cpu" and x[0].numel() * x.element_size() >= NATIVE_FROM_BYTES:
            return cls._native(x, eps, scale, offset)
        z = x - x.mean(1, keepdim=True)
        n = torch.rsqrt(dot(z, z) + eps)
        z.mul_(n)
        if scale is not None:
            y = z * row(scale) if offset is None else torch.addcmul(row(offset), z, row(scale))
        else:
            y = z.clone() if offset is None else z + row(offset)
        return y, cls(n, z, None, eps)

    @classmethod
    def _native(
        cls, x: Tensor, eps: float, scale: Tensor | None, offset: Tensor | None
    ) -> tuple[Tensor, Standardised]:
        y = torch.empty_like(x)
        mean, n = x.new_empty(len(x), x.shape[-1]), x.new_empty(len(x), x.shape[-1])
        for t in range(len(x)):
            aten.native_batch_norm.out(
                x[t],
                _of_task(scale, t),
                _of_task(offset, t),
                None,
                None,
                True,
                0.0,
                eps,
                out=y[t],
                save_mean=mean[t],
                save_invstd=n[t],
            )
        return y, cls(n.unsqueeze(1), x, mean.unsqueeze(1), eps)

    def project(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Jacobian times v [T, P, C], and mean(z v)."""
        z, n = self.z, self.n
        along = dot(z, v)
        mean = v.mean(1, keepdim=True)
        # n goes to the terms first: one number per channel costs no pass over memory.
        return torch.addcmul(-mean * n, v, n).addcmul_(z, along * n, value=-1), along

    def back(self, g: Tensor, scale: Tensor | None, wanted: Wanted) -> tuple[Tensor | None, Maybe]:
        """Return the derivatives by x, and [by scale, by offset] per task [T, C] as `wanted` says,
        for the derivative g [T, P, C] by z * scale + offset."""
        if self.mean is not None:
            return self._native_back(g, scale, wanted)
        by_scale = (g * self.z).sum(1) if wanted.params[0] else None
        by_offset = g.sum(1) if wanted.params[1] else None
        if not wanted.inputs:
            return None, [by_scale, by_offset]
        gz = g if scale is None else g * row(scale)
        return self.project(gz)[0], [by_scale, by_offset]

    def _native_back(
        self, g: Tensor, scale: Tensor | None, wanted: Wanted
    ) -> tuple[Tensor | None, Maybe]:
        assert self.mean is not None
        mask = [wanted.inputs, *wanted.params]
        each = [
            aten.native_batch_norm_backward(
                g[t],
                self.z_or_x[t],
                _of_task(scale, t),
                None,
                None,
                self.mean[t, 0],
                self.n[t, 0],
                True,
                self.eps,
                mask,
            )
            for t in range(len(g))
        ]
        by_x, *by_parameters = zip(*each, strict=True)
        return stacked(list(by_x)) if wanted.inputs else None, [
            torch.stack(gradients) if asked else None
            for gradients, asked in zip(by_parameters, wanted.params, strict=True)
        ]


def _of_task(p: Tensor | None, t: int) -> Tensor | None:
    return p[t] if p is not None and p.dim() == 2 else p
