"""The recurrence of the gated unit over whole trials, with its gradient in closed form.

Autograd would launch some fifty small operations a step and network; here they are seventeen for
all networks together, and the gradient of the recurrent weights is one product over all steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def recur(came_in: Tensor, over: Tensor) -> Tensor:
    """Return the states [N, n, T, U] of N networks side by side, over n steps of T trials.

    `came_in` [N, n, T, 3 U] is the inputs' share, `over` [N, 3 U, U] the recurrent weights; their
    rows are those of update, reset and candidate. States start at 0, and with z, r = σ(x + U h)
    h' = h + z (relu(x + r * U h) - h).
    """
    states: Tensor = _Recurrence.apply(came_in, over)  # type: ignore[no-untyped-call]
    return states


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, came_in: Tensor, over: Tensor) -> Tensor:
        nets, steps, trials, units = *came_in.shape[:3], over.shape[-1]
        states = came_in.new_zeros(nets, steps + 1, trials, units)
        gates = came_in.new_empty(nets, steps, trials, 2 * units)
        recalled, new = (came_in.new_empty(nets, steps, trials, units) for _ in range(2))
        turned = over.transpose(1, 2)
        for t in range(steps):
            x, state = came_in[:, t], states[:, t]
            product = state @ turned
            torch.add(x[..., : 2 * units], product[..., : 2 * units], out=gates[:, t]).sigmoid_()
            update, reset = gates[:, t].chunk(2, dim=-1)
            recalled[:, t] = product[..., 2 * units :]
            torch.addcmul(x[..., 2 * units :], reset, recalled[:, t], out=new[:, t]).relu_()
            torch.lerp(state, new[:, t], update, out=states[:, t + 1])
        ctx.save_for_backward(over, states, gates, recalled, new)
        return states[:, 1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        over, states, gates, recalled, new = ctx.saved_tensors
        [of_states] = gradients
        units = over.shape[-1]
        of_came_in = of_states.new_empty(*of_states.shape[:-1], 3 * units)
        of_product = torch.empty_like(of_came_in)
        later = torch.zeros_like(of_states[:, 0])
        for t in range(of_states.shape[1] - 1, -1, -1):
            update, reset = gates[:, t].chunk(2, dim=-1)
            of_state = of_states[:, t] + later
            of_new = of_state * update
            later = of_state - of_new
            of_new = torch.ops.aten.threshold_backward(of_new, new[:, t], 0)
            of_gates = of_came_in[:, t, :, : 2 * units]
            torch.mul(of_state, new[:, t] - states[:, t], out=of_gates[..., :units])
            torch.mul(of_new, recalled[:, t], out=of_gates[..., units:])
            of_gates *= gates[:, t] * (1 - gates[:, t])
            of_came_in[:, t, :, 2 * units :] = of_new
            of_product[:, t, :, : 2 * units] = of_gates
            torch.mul(of_new, reset, out=of_product[:, t, :, 2 * units :])
            later = torch.baddbmm(later, of_product[:, t], over)
        before = states[:, :-1].flatten(1, 2)
        return of_came_in, of_product.flatten(1, 2).transpose(1, 2) @ before
