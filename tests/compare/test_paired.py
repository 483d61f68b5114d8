import numpy as np
import pytest
import scipy.stats

from harness.compare.paired import paired_rows
from harness.compare.rows import collect
from tests.toy_paper import ToyPaper, draws


def test_variants_are_paired_task_by_task(toy: ToyPaper) -> None:
    a, b = draws(95, 4, 0), draws(94, 4, 1)
    toy.add({"accuracy": a, "loss": a}, variant="plain")
    toy.add({"accuracy": b, "loss": b}, variant="ours")
    [row] = paired_rows(collect(toy.results))
    assert (row.a, row.b, row.metric, row.tasks) == ("plain", "ours", "accuracy", 400)
    wanted = scipy.stats.ttest_rel(a, b)
    low, high = wanted.confidence_interval(0.95)
    assert row.p == pytest.approx(wanted.pvalue)
    assert row.interval == pytest.approx((high - low) / 2)
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
    assert row.interval < 1e-6


def test_one_run_of_a_seed_counts(toy: ToyPaper) -> None:
    for at_once in (50, 25):
        x = {"accuracy": draws(95, 4)}
        toy.add(x, overrides={"testing.tasks_at_once": at_once})
    [group] = collect(toy.results).groups
    assert [r.seed for r in group.records] == [0]
