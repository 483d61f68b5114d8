"""Value iteration against enumeration, and the optimistic one against linear programs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from replications.rl2.planning import optimistic_values, values
from replications.rl2.test_mdps import mdps


def test_values_are_the_best_of_all_policies() -> None:
    """Three states, two actions, three steps: all 2⁹ policies are tried."""
    states, horizon = 3, 3
    batch = mdps(1, states=states, actions=2, horizon=horizon)
    rewards, chances = batch.means[0].numpy(), batch.transitions[0].numpy()
    best = np.full((horizon, states, 2), -np.inf)
    for policy in itertools.product(range(2), repeat=states * horizon):
        after = np.zeros(states)
        for step in reversed(range(horizon)):
            value = rewards + chances @ after
            best[step] = np.maximum(best[step], value)
            after = value[np.arange(states), policy[states * step : states * (step + 1)]]
    planned = values(batch.means, batch.transitions, horizon)[0]
    np.testing.assert_allclose(planned.numpy(), best, rtol=1e-12)


def test_a_bonus_is_paid_for_each_step_that_is_left() -> None:
    batch = mdps(4, horizon=3)
    bonus = torch.full_like(batch.means, 0.5)
    plain = values(batch.means, batch.transitions, 3)
    raised = values(batch.means, batch.transitions, 3, bonus)
    # With 2, 1 and 0 steps left, 1 + 0.5 + 0, 0.5 + 0 and 0.
    wanted = torch.tensor([1.5, 0.5, 0.0], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(raised - plain, wanted.expand_as(plain))


@pytest.mark.parametrize("slack", [0.0, 0.1, 0.7, 3.0])
def test_optimism_is_the_best_of_the_transitions_that_are_allowed(slack: float) -> None:
    states, horizon = 4, 3
    batch = mdps(1, states=states, actions=2, horizon=horizon)
    near = torch.full_like(batch.means, slack)
    planned = optimistic_values(batch.means, batch.transitions, near, horizon)[0]
    after = np.zeros(states)
    for step in reversed(range(horizon)):
        wanted = np.empty((states, 2))
        for s, a in np.ndindex(states, 2):
            wanted[s, a] = batch.means[0, s, a] + most(batch.transitions[0, s, a], after, slack)
        np.testing.assert_allclose(planned[step].numpy(), wanted, rtol=1e-7)
        after = wanted.max(1)


def most(chances: torch.Tensor, after: np.ndarray, slack: float) -> float:
    """Return the greatest expectation of `after` under chances no further away than `slack`, by a
    linear program over new chances and the sizes of their differences."""
    n, old = len(after), chances.numpy()
    near = np.eye(n)
    limits = np.block([[near, -near], [-near, -near], [np.zeros(n), np.ones(n)]])
    most = linprog(
        np.concatenate([-after, np.zeros(n)]),
        A_ub=limits,
        b_ub=np.concatenate([old, -old, [slack]]),
        A_eq=np.concatenate([np.ones(n), np.zeros(n)])[None],
        b_eq=[1.0],
    )
    return -float(most.fun)
