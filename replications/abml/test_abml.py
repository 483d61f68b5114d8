"""Wheel, regret and the agents that look at nothing, against closed forms and plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import HarnessError
from harness.paper_tests.protocol_tables import published_variant
from harness.run.setup import Setup
from harness.tasks.source import BLOCK
from replications.abml.tasks import WheelBatch, regret, uniform_regret

DELTAS = (0.5, 0.7, 0.9, 0.95, 0.99)
PAYS = {"safe": 1.2, "low": 1.0, "high": 50.0}
# What a uniform agent loses in 2,000 contexts, and what of it the safe arm costs, in percent.
UNIFORM = (58_820, 40_100, 15_140, 7_925, 1_872)
SAFE = (124.4, 124.1, 122.5, 120.1, 103.7)


def cell(delta: float, contexts: int = 2000) -> str:
    return f"delta-{round(100 * delta):03d}-{contexts}"


def setup(delta: float, variant: str, **switches: Any) -> Setup:
    return Setup.at("full", published_variant("abml", cell(delta), variant, **switches))


def trials(made: Setup, count: int) -> WheelBatch:
    tasks = made.tasks()
    tasks.end_training()
    batch: WheelBatch = tasks.batch("test", 0, count)
    return batch


def averages_of(x: float, y: float, delta: float) -> list[float]:
    """Return what each arm pays on average at one context, as the text says."""
    paid = [1.2, 1.0, 1.0, 1.0, 1.0]
    if math.hypot(x, y) >= delta:
        if x > 0:
            paid[1 if y > 0 else 2] = 50.0
        else:
            paid[3 if y > 0 else 4] = 50.0
    return paid


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_payments_are_those_of_a_plain_loop(split: str) -> None:
    source = setup(0.7, "uniform").tasks()
    if split == "test":
        source.end_training()
    batch = source.batch(split, 3, 4)
    averages = batch.averages()
    for t in range(4):
        delta = float(batch.deltas[t])
        told = [averages_of(float(x), float(y), delta) for x, y in batch.contexts[t]]
        assert torch.equal(averages[t], torch.tensor(told))
        paid = batch.paid(averages, batch.arms)[t]
        chosen = [pays[int(arm)] for pays, arm in zip(told, batch.arms[t], strict=True)]
        assert torch.allclose(paid, torch.tensor(chosen) + batch.noise[t])


def test_contexts_are_uniform_in_the_disk_and_noise_and_arms_as_stated() -> None:
    batch = trials(setup(0.5, "uniform"), 64)
    x, y = batch.contexts.double().unbind(-1)
    areas = (x.square() + y.square()).flatten()
    assert float(areas.max()) <= 1 + 1e-6
    n = areas.numel()
    for share in (0.1, 0.25, 0.5, 0.9):
        told = float((areas < share).double().mean())
        assert abs(told - share) < 5 * math.sqrt(share * (1 - share) / n)
    quadrants = torch.bincount((2 * (x > 0) + (y > 0)).flatten().long(), minlength=4)
    assert (quadrants / n - 0.25).abs().max() < 5 * math.sqrt(0.1875 / n)
    assert float(batch.noise.std()) == pytest.approx(0.01, rel=0.01)
    assert abs(float(batch.noise.mean())) < 5 * 0.01 / math.sqrt(n)
    arms = torch.bincount(batch.arms.flatten(), minlength=5) / n
    assert (arms - 0.2).abs().max() < 5 * math.sqrt(0.16 / n)


def test_training_wheels_have_any_delta_and_test_wheels_one() -> None:
    source = setup(0.7, "uniform").tasks()
    for split in ("train", "val"):
        batch = source.batch(split, 0, 2 * BLOCK)
        assert batch.contexts.shape == (2 * BLOCK, 562, 2)
        assert abs(float(batch.deltas.mean()) - 0.5) < 5 * math.sqrt(1 / 12 / (2 * BLOCK))
        assert 0 < float(batch.deltas.min()) < 0.02 < 0.98 < float(batch.deltas.max()) < 1
    source.end_training()
    batch = source.batch("test", 0, 3)
    assert batch.contexts.shape == (3, 2000, 2)
    assert batch.deltas.tolist() == pytest.approx([0.7] * 3)
    assert len(set(batch.seeds.tolist())) == 3


def test_first_contexts_do_not_hang_on_how_many_there_are() -> None:
    long = trials(setup(0.7, "uniform"), 3)
    short = trials(setup(0.7, "uniform", tasks__contexts=100), 3)
    for name in ("contexts", "noise", "arms"):
        assert torch.equal(getattr(short, name), getattr(long, name)[:, :100])


@pytest.mark.parametrize(("delta", "total"), [*zip(DELTAS, UNIFORM, strict=True)])
def test_the_uniform_agents_regret_is_its_closed_form(delta: float, total: float) -> None:
    """0.16 inside, where the safe arm is best; 39.16 outside."""
    pays = torch.tensor([list(PAYS.values())], dtype=torch.float64)
    told = uniform_regret(torch.tensor([delta], dtype=torch.float64), pays)
    assert float(told) == pytest.approx(0.16 * delta**2 + 39.16 * (1 - delta**2))
    assert 2000 * float(told) == pytest.approx(total, abs=0.5)


@pytest.mark.parametrize("delta", DELTAS)
def test_the_uniform_agent_has_100_percent(delta: float) -> None:
    made = setup(delta, "uniform")
    scores = made.method(made.tasks()).evaluate(trials(made, BLOCK))["regret"]
    standard_error = float(scores.std()) / math.sqrt(len(scores))
    assert abs(float(scores.mean()) - 100) < 4 * standard_error
    # Table 1 prints the standard error over 50 trials: 0.25 (δ = 0.5) to 1.88 (0.99).
    printed = {0.5: 0.25, 0.7: 0.42, 0.9: 0.79, 0.95: 1.15, 0.99: 1.88}[delta]
    assert printed / 2 < float(scores.std()) / math.sqrt(50) < 2 * printed


@pytest.mark.parametrize(("delta", "percent"), [*zip(DELTAS, SAFE, strict=True)])
def test_the_safe_arm_costs_what_lies_outside(delta: float, percent: float) -> None:
    made = setup(delta, "always-safe")
    batch = trials(made, BLOCK)
    scores = made.method(made.tasks()).evaluate(batch)["regret"]
    outside = (torch.hypot(*batch.contexts.unbind(-1)) > delta).double().mean(1)
    per_context = 0.16 * delta**2 + 39.16 * (1 - delta**2)
    assert torch.allclose(scores, 100 * 48.8 * outside / per_context, rtol=1e-5)
    wanted = 100 * 48.8 * (1 - delta**2) / per_context
    assert wanted == pytest.approx(percent, abs=0.05)
    standard_error = float(scores.std()) / math.sqrt(len(scores))
    assert abs(float(scores.mean()) - wanted) < 4 * standard_error


def test_the_best_arms_have_no_regret() -> None:
    batch = trials(setup(0.9, "uniform"), 3)
    averages = batch.averages()
    assert (regret(batch, averages, averages.argmax(-1)) == 0).all()


def test_a_delta_range_upside_down_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"delta_min: found 0\.6, wanted at most"):
        setup(0.5, "uniform", tasks__delta_min=0.6, tasks__delta_max=0.4).tasks()


def test_a_delta_can_be_anything_between_0_and_1() -> None:
    for delta in (0.0, 1.0):
        batch = trials(setup(0.5, "uniform", tasks__delta=delta), 2)
        best = batch.averages().amax(-1)
        assert np.isclose(best.numpy(), 50.0 if delta == 0 else 1.2).all()
