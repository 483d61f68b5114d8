import math

import numpy as np
import pytest

from harness.catalog import papers
from harness.compare.row import Row
from harness.compare.rows import collect, select_cells
from harness.errors import HarnessError
from tests.toy_paper import PAPER, ToyPaper, draws


def rows(toy: ToyPaper, *words: str, context: bool = False) -> list[Row]:
    return collect(toy.results, words, context=context).rows


def test_without_records_every_line_is_not_run(toy: ToyPaper) -> None:
    found = [(r.cell, r.variant, r.metric, r.verdict.name) for r in rows(toy)]
    assert found == [
        ("images", "plain", "accuracy", "not run"),
        ("images", "fancy", "accuracy", "not run"),
        ("curves", "plain", "mse@0", "not run"),
        ("curves", "plain", "mse@1", "not run"),
    ]


def test_full_records_are_one_row_over_their_seeds(toy: ToyPaper) -> None:
    for seed in range(3):
        toy.add({"accuracy": draws(95.1 + 0.1 * seed, 4, seed)}, seed=seed)
    r = rows(toy, "toy/images")[0]
    assert (r.verdict.name, r.runs.seeds, r.measured.tasks, r.runs.device) == (
        "reproduced",
        (0, 1, 2),
        400,
        "cpu",
    )
    assert r.measured.mean == pytest.approx(95.2)
    assert (r.line.value, r.line.interval, r.verdict.margin) == (95.0, 0.4, 1.0)
    assert r.measured.seed_interval == pytest.approx(4.302653 * 0.1 / math.sqrt(3))
    assert "one seed" not in r.verdict.reason
    assert all((toy.results / where / "record.json").is_file() for where in r.runs.records)
    assert len(r.runs.records) == 3


def test_one_seed_is_stated(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    r = rows(toy)[0]
    assert r.verdict.reason.endswith("one seed: uncertainty over test tasks only")
    assert r.measured.seed_interval is None
    assert r.measured.task_interval == pytest.approx(1.96 * 4 / 20, rel=0.01)


def test_two_seeds_and_an_unclean_tree_are_stated(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(95, 4)}, seed=1, clean=False)
    reason = rows(toy)[0].verdict.reason
    assert "two seeds" in reason
    assert "changes that are in no commit" in reason


def test_other_data_get_no_verdict_and_another_copy_is_stated(toy: ToyPaper) -> None:
    other = "omniglot with other pixels than the known copy (sha256 abc, known is def)"
    toy.add({"accuracy": draws(95, 4)}, data_note=other)
    toy.add({"accuracy": draws(95, 4)}, variant="fancy", data_caveat="in another copy")
    row, copy = rows(toy, "toy/images")[:2]
    assert (row.verdict.name, row.verdict.reason) == ("not comparable", other)
    assert copy.verdict.name == "reproduced"
    assert copy.verdict.reason.endswith("; in another copy")


def test_what_a_method_says_of_its_training_is_stated_with_the_seed(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)}, training_note="2 of 5 networks did not learn")
    assert rows(toy)[0].verdict.reason.endswith("; 2 of 5 networks did not learn")
    toy.add({"accuracy": draws(95, 4)}, seed=1)
    assert rows(toy)[0].verdict.reason.endswith("; seed 0: 2 of 5 networks did not learn")


def test_seeds_on_other_data_are_a_row_of_their_own(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(95, 4)}, seed=1, data_note="other pixels")
    found = [(r.verdict.name, r.runs.seeds) for r in rows(toy, "toy/images") if r.runs.seeds]
    assert found == [("reproduced", (0,)), ("not comparable", (1,))]


def test_an_unclean_tree_at_the_test_alone_is_stated(toy: ToyPaper) -> None:
    tested = {"commit": "0123456789abcdef", "clean": False}
    toy.add({"accuracy": draws(95, 4)}, measurement={"tested": tested})
    assert (
        "tested from a working tree with changes that are in no commit"
        in rows(toy)[0].verdict.reason
    )
    toy.add({"accuracy": draws(95, 4)}, seed=1, measurement={"tested": tested | {"clean": True}})
    assert "tested from a working tree" in rows(toy)[0].verdict.reason


@pytest.mark.parametrize(("mean", "verdict"), [(98.0, "better"), (90.0, "worse")])
def test_better_and_worse(toy: ToyPaper, mean: float, verdict: str) -> None:
    toy.add({"accuracy": draws(mean, 4)})
    assert rows(toy)[0].verdict.name == verdict


def test_reduced_runs_stand_apart_from_the_full_row(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(91, 4)}, budget="0.1")
    toy.add({"accuracy": draws(95, 4)})
    full, reduced = (r for r in rows(toy) if r.variant == "plain" and r.cell == "images")
    assert (full.runs.budget, full.verdict.name) == ("full", "reproduced")
    assert (reduced.runs.budget, reduced.verdict.name) == ("0.1", "not comparable")
    assert reduced.verdict.reason == "budget 0.1, not full"
    assert reduced.measured.mean == pytest.approx(91)
    assert reduced.verdict.margin is None


def test_departures_are_listed_even_if_the_record_states_none(toy: ToyPaper) -> None:
    changed = {"testing.tasks": 200, "method.rate": 0.4}
    toy.add({"accuracy": draws(95, 4, tasks=200)}, overrides=changed)
    r = rows(toy)[0]
    assert r.verdict.name == "not comparable"
    assert r.runs.protocol_differences == (
        "method.rate: 0.1 -> 0.4",
        "testing.tasks: 400 -> 200",
    )
    assert r.verdict.reason.startswith("switches differ: method.rate: 0.1 -> 0.4; ")


def test_stated_departures_count_too(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)}, protocol_differences=["tasks.x: 1 -> 2"])
    assert rows(toy)[0].runs.protocol_differences == ("tasks.x: 1 -> 2",)


def test_a_record_of_an_older_paper_toml_gets_no_verdict(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    corrected = PAPER.replace("variants.plain = { method = { rate = 0.1 } }", "X", 1)
    corrected = corrected.replace("X", "variants.plain = { method = { rate = 0.15 } }")
    (toy.replications / "toy" / "paper.toml").write_text(corrected)
    assert rows(toy)[0].verdict.reason == "switches differ: method.rate: 0.15 -> 0.1"


def test_memory_switches_are_no_departure(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(95, 4)}, seed=1, overrides={"testing.tasks_at_once": 10})
    found = [r for r in rows(toy) if r.runs.records]
    assert [(r.verdict.name, r.runs.seeds) for r in found] == [("reproduced", (0, 1))]


@pytest.mark.parametrize(
    "other", [{"device": "cuda:0"}, {"tasks_digest": "u"}, {"data_digest": "d"}]
)
def test_devices_tasks_and_data_are_never_merged(toy: ToyPaper, other: dict[str, str]) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(95, 4)}, seed=1, **other)
    found = [r for r in rows(toy) if r.runs.records]
    assert sorted(r.runs.seeds for r in found) == [(0,), (1,)]
    assert {r.verdict.name for r in found} == {"reproduced"}
    assert {r.runs.device for r in found} == {"cpu", other.get("device", "cpu").split(":")[0]}


def test_synthetic_data_get_no_verdict(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)}, synthetic=True)
    assert (rows(toy)[0].verdict.name, rows(toy)[0].verdict.reason) == (
        "not comparable",
        "synthetic data",
    )


def test_a_diverged_seed_spoils_its_group(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({}, seed=1, status="diverged", status_note="loss was nan at iteration 512")
    r = rows(toy)[0]
    assert r.verdict.name == "not comparable"
    assert r.verdict.reason == "1 of 2 seeds diverged (seed 1: loss was nan at iteration 512)"
    assert (r.runs.seeds, len(r.runs.records), r.measured.mean) == ((0,), 2, pytest.approx(95))


def test_only_diverged_seeds(toy: ToyPaper) -> None:
    toy.add({}, status="diverged", status_note="loss was nan at iteration 3")
    toy.add({}, variant="ours", status="diverged", status_note="x")
    r, ours = rows(toy)[0], rows(toy)[2]
    assert (r.verdict.name, r.measured.mean, r.measured.tasks) == ("not comparable", None, None)
    assert "diverged" in ours.verdict.reason


def test_scores_that_are_not_finite_give_no_mean(toy: ToyPaper) -> None:
    x = draws(0.67, 0.1)
    x[[3, 5]] = np.nan, np.inf
    y = draws(4, 0.1)
    with np.errstate(invalid="ignore"):
        toy.add({"mse@0": y, "mse@1": x}, cell="curves")
    first, second = rows(toy, "toy/curves")
    assert first.verdict.name == "reproduced"
    assert (second.verdict.name, second.measured.mean) == ("not comparable", None)
    assert second.verdict.reason == "2 of 400 test tasks have no finite score"


def test_a_metric_that_was_not_measured(toy: ToyPaper) -> None:
    toy.add({"mse@0": draws(4, 1)}, cell="curves")
    r = rows(toy, "toy/curves")[1]
    assert (r.verdict.name, r.verdict.reason) == (
        "not comparable",
        "the runs give no mse@1, but mse@0",
    )


def test_one_test_task_gives_no_interval(toy: ToyPaper) -> None:
    toy.add({"accuracy": np.array([95.0])}, overrides={"testing.tasks": 1})
    assert rows(toy)[0].verdict.reason.endswith("; fewer than two test tasks, so no interval")


def test_variants_without_a_line_have_rows(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(98, 4), "loss": draws(1, 0.1)}, variant="ours")
    toy.add({"loss": draws(1, 0.1)}, variant="ours", seed=1, budget="0.5")
    ours = [r for r in rows(toy) if r.variant == "ours"]
    assert [(r.metric, r.line) for r in ours] == [("accuracy", None), ("loss", None)]
    assert ours[0].verdict.reason == "the paper prints no such number"
    assert ours[1].verdict.reason == "the paper prints no such number; budget 0.5, not full"


def test_records_of_unknown_variants_are_not_dropped(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(98, 4)}, variant="ours")
    path = toy.replications / "toy" / "paper.toml"
    path.write_text(PAPER.replace("variants.ours", "variants.renamed"))
    assert [r.verdict.reason for r in rows(toy) if r.runs.records] == ["not in today's paper.toml"]


def test_context_lines_on_request(toy: ToyPaper) -> None:
    r = rows(toy, "toy/images", context=True)[-1]
    assert (r.verdict.name, r.variant, r.line.value) == ("context", "", 90.0)
    assert r.line.note == "nearest neighbour"


def test_words_choose_papers_and_cells(toy: ToyPaper) -> None:
    found = papers(toy.replications)
    assert [c.key for c in select_cells(found, ["toy"])] == ["toy/images", "toy/curves"]
    assert [c.key for c in select_cells(found, ["toy/curves", "toy/curves"])] == ["toy/curves"]
    with pytest.raises(HarnessError, match=r"did you mean 'toy/images'\?"):
        select_cells(found, ["toy/image"])


def test_words_limit_the_records_read(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(98, 4)})
    assert all(not r.runs.records for r in rows(toy, "toy/curves"))
    assert rows(toy)[0].verdict.name == "better"


def test_seeds_that_are_copies_of_one_training_get_no_verdict(toy: ToyPaper) -> None:
    for seed in (0, 1):
        toy.add({"accuracy": draws(95, 4)}, seed=seed, training_digest="t" * 64)
    assert rows(toy)[0].verdict.name == "not comparable"
    assert rows(toy)[0].verdict.reason == "seeds 0, 1 are not of as many trainings"


def test_an_integer_in_paper_toml_is_the_float_on_record(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)}, overrides={"method.rate": 1.0})
    path = toy.replications / "toy" / "paper.toml"
    for text, found in (("1", []), ("true", ["method.rate: true -> 1.0"])):
        path.write_text(PAPER.replace("rate = 0.1 } }", f"rate = {text} }} }}", 1))
        assert rows(toy)[0].runs.protocol_differences == tuple(found)


def test_a_verdict_of_one_training_says_so_and_that_of_an_untrained_method_does_not(
    toy: ToyPaper,
) -> None:
    toy.add({"accuracy": draws(95, 4)}, weights={"w": np.zeros(2)})
    toy.add({"accuracy": draws(95, 4)}, variant="fancy", weights={})
    trained, nothing = rows(toy, "toy/images")[:2]
    assert (trained.verdict.name, trained.verdict_words) == ("reproduced", "reproduced (1 seed)")
    assert (nothing.verdict.name, nothing.verdict_words) == ("reproduced", "reproduced")
    assert (trained.runs.trained_seeds, nothing.runs.trained_seeds) == (1, 0)
    assert "one seed" not in nothing.verdict.reason
    assert "nothing is trained" in nothing.verdict.reason


def test_several_seeds_are_said_without_a_count(toy: ToyPaper) -> None:
    for seed in range(3):
        toy.add({"accuracy": draws(95.1 + 0.1 * seed, 4, seed)}, seed=seed)
    assert (rows(toy)[0].verdict_words, rows(toy)[0].runs.trained_seeds) == ("reproduced", 3)


def test_what_another_seed_may_do_stands_beside_one_seed(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(95, 4)}, variant="ours", budget="0.1")
    for seed in range(3):
        toy.add({"accuracy": draws(95 + 0.7 * seed, 4, seed)}, variant="fancy", seed=seed)
    one, several, reduced = rows(toy, "toy/images")
    assert (one.spread.sd, one.spread.variant) == (pytest.approx(0.7), "fancy")
    said = "what another seed may do: the 3 seed means of fancy have a standard deviation of 0.70"
    assert said in one.verdict.reason
    assert (several.spread, reduced.spread) == (None, None)


def test_a_mean_that_one_task_carries_is_named_judged_or_not(toy: ToyPaper) -> None:
    x = draws(4, 0.1, tasks=400)
    x[7] = 900.0
    toy.add({"mse@0": x}, cell="curves")
    toy.add({"mse@0": x}, cell="curves", budget="0.5")
    toy.add({"mse@0": x}, variant="ours")
    wanted = "one of 400 test tasks holds 36% of the mean, so its interval is too narrow; median "
    found = [r for r in rows(toy) if r.metric == "mse@0" and r.runs.records]
    assert [r.verdict.name for r in found] == [
        "no published number",
        "inconclusive",
        "not comparable",
    ]
    for row in found:
        assert f"{wanted}over tasks {np.median(x):.3f}" in row.verdict.reason
        assert row.measured.median == np.median(x)


def test_the_printed_error_is_in_the_reason(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"mse@0": draws(4, 1)}, cell="curves")
    assert (
        "margin ±1.00, with the printed number's own standard error 0.20"
        in rows(toy)[0].verdict.reason
    )
    [row] = [r for r in rows(toy) if r.metric == "mse@0"]
    assert "the printed number's own error is not known (no ± is printed)" in row.verdict.reason
