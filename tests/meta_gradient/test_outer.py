"""Reduction and clipping of a meta-gradient, against closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.outer import Outer
from harness.meta_gradient.problem import MetaGradient
from harness.tasks.batch import SupervisedBatch
from tests.meta_gradient.problems import inner_loop, random_rates, sinusoid, start


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def mean_gradient() -> MetaGradient:
    """Norm sqrt(9 + 16 + 144) = 13, of which the rates have 12."""
    return MetaGradient(
        tensor(2.0)[0], {"a": tensor(3.0), "b": tensor(-4.0, 0.0)}, {"a": tensor(12.0)}
    )


def entries(gradient: MetaGradient) -> list[float]:
    groups = (gradient.gradients, gradient.rate_gradients)
    return [x for group in groups for g in group.values() for x in g.tolist()]


def test_the_mean_without_clips_is_what_the_engine_gave():
    outer = Outer("mean", clip_value=0.0, clip_norm=0.0)(mean_gradient(), tasks=5)
    assert entries(outer) == [3.0, -4.0, 0.0, 12.0]
    assert float(outer.loss) == 2.0
    assert outer.gradients.keys() == {"a", "b"}
    assert outer.rate_gradients.keys() == {"a"}


def test_a_sum_is_the_mean_times_the_tasks():
    outer = Outer("sum", clip_value=0.0, clip_norm=0.0)(mean_gradient(), tasks=5)
    assert entries(outer) == [15.0, -20.0, 0.0, 60.0]
    assert float(outer.loss) == 10.0


@pytest.mark.parametrize("which", ENGINES)
def test_a_sum_is_that_over_single_tasks(which):
    problem, batch = sinusoid(tasks=3)
    inner = inner_loop(problem, 2, False)
    rates = random_rates(problem, inner, "step")
    mean = engine(which)(problem, start(problem), batch, inner, rates)
    summed = Outer("sum", 0.0, 0.0)(mean, len(batch))
    fields = (batch.support_x, batch.support_y, batch.query_x, batch.query_y)
    singles = [
        engine(which)(
            problem, start(problem), SupervisedBatch(*(f[i : i + 1] for f in fields)), inner, rates
        )
        for i in range(3)
    ]
    torch.testing.assert_close(summed.loss, sum(s.loss for s in singles))
    for name in mean.gradients:
        torch.testing.assert_close(summed.gradients[name], sum(s.gradients[name] for s in singles))
        of_rates = sum(s.rate_gradients[name] for s in singles)
        torch.testing.assert_close(summed.rate_gradients[name], of_rates)


def test_entries_are_cut_by_value():
    outer = Outer("mean", clip_value=3.5, clip_norm=0.0)(mean_gradient(), tasks=5)
    assert entries(outer) == [3.0, -3.5, 0.0, 3.5]
    assert float(outer.loss) == 2.0


def test_the_reduction_comes_before_the_cut():
    outer = Outer("sum", clip_value=16.0, clip_norm=0.0)(mean_gradient(), tasks=5)
    assert entries(outer) == [15.0, -16.0, 0.0, 16.0]


def test_the_norm_is_that_of_weights_and_rates_together():
    outer = Outer("mean", clip_value=0.0, clip_norm=6.5)(mean_gradient(), tasks=5)
    assert entries(outer) == pytest.approx([1.5, -2.0, 0.0, 6.0], rel=1e-6)


def test_a_gradient_within_the_norm_stays():
    outer = Outer("mean", clip_value=0.0, clip_norm=14.0)(mean_gradient(), tasks=5)
    assert entries(outer) == [3.0, -4.0, 0.0, 12.0]


def test_the_cut_by_value_comes_before_that_by_norm():
    outer = Outer("mean", clip_value=4.0, clip_norm=1.0)(mean_gradient(), tasks=5)
    length = (9 + 16 + 16) ** 0.5
    assert entries(outer) == pytest.approx([x / length for x in (3, -4, 0, 4)], rel=1e-6)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6),
    st.floats(1e-2, 1e2),
    st.floats(1e-2, 1e2),
)
def test_clipped_gradients_keep_both_bounds_and_the_original(values, clip_value, clip_norm):
    given_gradient = MetaGradient(tensor(0.0)[0], {"a": tensor(*values)})
    outer = Outer("mean", clip_value, clip_norm)(given_gradient, tasks=2)
    clipped = outer.gradients["a"]
    assert float(clipped.abs().max()) <= clip_value
    assert float(clipped.norm()) <= clip_norm * (1 + 1e-9)
    assert (clipped * tensor(*values) >= 0).all()  # no sign turns
    assert given_gradient.gradients["a"].tolist() == values
