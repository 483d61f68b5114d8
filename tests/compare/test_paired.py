import numpy as np
import pytest
import scipy.stats

from harness.compare.paired import paired_rows
from harness.compare.rows import collect
from tests.toy_paper import ToyPaper, draws


def test_variants_are_paired_task_by_task(toy: ToyPaper) -> None:
    a, b = draws(95, 4, 0), draws(94, 4, 1)
    # Two tests of the same weights: one training, and no other seed is spoken of.
    toy.add({"accuracy": a, "loss": a}, variant="plain", training_digest="t")
    toy.add({"accuracy": b, "loss": b}, variant="ours", training_digest="t")
    [row] = paired_rows(collect(toy.results))
    assert row.compares == "tests of the same weights"
    assert (row.a, row.b, row.metric, row.tasks) == ("plain", "ours", "accuracy", 400)
    wanted = scipy.stats.ttest_rel(a, b)
    low, high = wanted.confidence_interval(0.95)
    assert row.p == pytest.approx(wanted.pvalue)
    assert row.interval == row.task_interval == pytest.approx((high - low) / 2)
    assert row.difference == pytest.approx(1)


@pytest.mark.parametrize(
    "other",
    [
        {"tasks_digest": "u"},
        {"device": "cuda"},
        {"budget": "0.5"},
        {"overrides": {"method.rate": 0.9}},
        {"data_note": "other pixels"},
    ],
)
def test_only_like_is_paired_with_like(toy: ToyPaper, other: dict[str, object]) -> None:
    toy.add({"accuracy": draws(95, 4)}, variant="plain")
    toy.add({"accuracy": draws(95, 4)}, variant="ours", **other)  # type: ignore[arg-type]
    assert paired_rows(collect(toy.results)) == []


def test_diverged_and_infinite_runs_are_left_out(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)}, variant="plain")
    toy.add({}, variant="fancy", status="diverged")
    x = draws(95, 4)
    x[0] = np.inf
    with np.errstate(invalid="ignore"):
        toy.add({"accuracy": x}, variant="ours")
    assert paired_rows(collect(toy.results)) == []


def test_reduced_runs_are_paired_with_their_budget_stated(toy: ToyPaper) -> None:
    for variant in ("plain", "fancy", "ours"):
        toy.add({"accuracy": draws(95, 4)}, variant=variant, budget="0.1")
    found = paired_rows(collect(toy.results))
    assert [(r.a, r.b) for r in found] == [("plain", "fancy"), ("plain", "ours"), ("fancy", "ours")]
    assert {r.budget for r in found} == {"0.1"}


def test_two_tests_of_the_same_trainings_share_their_seeds(toy: ToyPaper) -> None:
    for seed, mean in enumerate((80.0, 85.0, 90.0)):
        for variant, more in (("plain", 0.0), ("ours", 1.0)):
            x = {"accuracy": draws(mean + more, 4, 0)}
            toy.add(x, variant=variant, seed=seed, training_digest=str(seed))
    [row] = paired_rows(collect(toy.results))
    assert row.difference == pytest.approx(-1)
    assert row.interval is not None
    assert row.interval < 1e-6


def test_one_run_of_a_seed_counts(toy: ToyPaper) -> None:
    for at_once in (50, 25):
        x = {"accuracy": draws(95, 4)}
        toy.add(x, overrides={"testing.tasks_at_once": at_once})
    [group] = collect(toy.results).groups
    assert [r.seed for r in group.records] == [0]


@pytest.mark.parametrize(
    ("seeds", "more", "compares"),
    [
        ((1, 1), {}, "two trainings"),
        ((2, 3), {}, "five trainings"),
        ((3, 3), {}, "methods"),
        ((1, 1), {"weights": {}}, "one training, one untrained"),
        ((3, 1), {"weights": {}}, "methods"),
    ],
)
def test_few_trainings_say_nothing_of_methods(
    toy: ToyPaper, seeds: tuple[int, int], more: dict[str, object], compares: str
) -> None:
    """The second variant is untrained where `more` has empty weights."""
    for variant, n, fields in (("plain", seeds[0], {}), ("ours", seeds[1], more)):
        for seed in range(n):
            x = draws(95 + 0.1 * seed, 4, seed + (variant == "ours"))
            toy.add({"accuracy": x}, variant=variant, seed=seed, **fields)  # type: ignore[arg-type]
    [row] = paired_rows(collect(toy.results))
    assert row.compares == compares
    assert row.task_interval > 0
    tested = compares == "methods"
    assert ((row.p is None), (row.interval is None)) == (not tested, not tested)


def test_two_untrained_methods_are_compared_as_methods(toy: ToyPaper) -> None:
    for i, variant in enumerate(("plain", "ours")):
        toy.add({"accuracy": draws(95 + i, 4, i)}, variant=variant, weights={})
    [row] = paired_rows(collect(toy.results))
    assert row.compares == "methods"
    assert row.p is not None


def test_a_mean_that_one_task_carries_is_named(toy: ToyPaper) -> None:
    x = draws(4, 0.1)
    x[7] = 900.0
    toy.add({"loss": x}, variant="plain")
    toy.add({"loss": draws(4, 0.1)}, variant="ours")
    [row] = paired_rows(collect(toy.results))
    assert row.note.startswith("plain: one of 400 test tasks holds 36% of the mean")
    assert "ours" not in row.note
