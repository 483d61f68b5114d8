"""Methods beside each other: what is ranked with what, what is paired, what it cost."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from harness.catalog import read_paper
from harness.cli.main import main
from harness.compare.across import AcrossRow, across_rows
from harness.compare.across_pairs import across_pairs
from harness.compare.holm import holm
from harness.compare.rows import collect
from harness.compare.setting import Setting, setting
from harness.compare.spent import Spent
from harness.errors import HarnessError
from harness.stated import Stated
from tests.episode_paper import EpisodePaper
from tests.toy_paper import ToyPaper, draws


@pytest.fixture
def episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EpisodePaper:
    made = EpisodePaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made


def rows(paper: ToyPaper) -> list[AcrossRow]:
    return across_rows(collect(paper.results, context=True), paper.results)


def ranks(paper: ToyPaper) -> dict[tuple[str, str], int | None]:
    found = [r for r in rows(paper) if r.row.measured.mean is not None]
    return {(r.row.variant, r.row.runs.budget): r.rank for r in found}


def test_published_lines_stand_in_their_settings(episodes: EpisodePaper) -> None:
    found = [(str(r.setting), r.method, r.row.line.value) for r in rows(episodes)]
    assert found == [
        ("cub 5-way 1-shot, inductive", "Birds", 60.0),
        ("textures 5-way 1-shot, inductive", "toy/fancy", 96.0),
        ("textures 5-way 1-shot, inductive", "toy/plain", 95.0),
        ("textures 5-way 1-shot, inductive", "toy/plain", 94.0),
        ("textures 5-way 1-shot, not stated", "nearest neighbour", 90.0),
        ("textures 5-way 1-shot, transductive", "toy/together", 97.0),
        ("textures 5-way 1-shot, transductive", "Other net", 91.0),
    ]


def test_ranks_are_those_of_the_means_of_full_runs(episodes: EpisodePaper) -> None:
    episodes.add({"accuracy": draws(95, 4)}, variant="plain")
    episodes.add({"accuracy": draws(96, 4)}, variant="ours")
    episodes.add({"accuracy": draws(99, 4)}, variant="fancy", budget="0.5")
    episodes.add({"accuracy": draws(98, 4)}, variant="together")
    assert ranks(episodes) == {
        ("ours", "full"): 1,
        ("plain", "full"): 2,
        ("fancy", "0.5"): None,  # a reduced budget, though the highest
        ("together", "full"): 1,  # transductive: ranked among its like
    }
    [reduced] = [r for r in rows(episodes) if r.row.runs.budget == "0.5"]
    assert reduced.not_ranked == "budget 0.5, not full"
    # Two published numbers for the same run: two rows, one place.
    assert [r.row.line.value for r in rows(episodes) if r.rank == 2] == [95.0, 94.0]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"overrides": {"method.rate": 0.9}}, "switches differ"),
        ({"synthetic": True}, "synthetic data"),
        ({"budget": "smoke"}, "budget smoke"),
    ],
)
def test_what_is_not_the_papers_setting_is_not_ranked(
    episodes: EpisodePaper, other: dict[str, object], why: str
) -> None:
    episodes.add({"accuracy": draws(95, 4)}, variant="fancy", **other)  # type: ignore[arg-type]
    [row] = [r for r in rows(episodes) if r.row.measured.mean is not None]
    assert row.rank is None
    assert why in row.not_ranked


def test_the_best_step_chosen_on_test_tasks_is_not_ranked(episodes: EpisodePaper) -> None:
    path = episodes.replications / "toy" / "published.csv"
    path.write_text(path.read_text().replace("fancy,accuracy,", "fancy,accuracy@best,"))
    x, y = draws(95, 4), draws(94, 4, 1)
    episodes.add({"accuracy": y, "accuracy@best": x}, variant="fancy")
    episodes.add({"accuracy": y + 1}, variant="plain")
    [best] = [r for r in rows(episodes) if r.row.metric == "accuracy@best"]
    assert best.rank is None
    assert "chosen on the test tasks" in best.not_ranked
    # Nor is it what differences are taken of.
    [pair] = across_pairs(collect(episodes.results))
    assert (pair.metric_a, pair.metric_b) == ("accuracy", "accuracy")
    assert abs(pair.difference) == pytest.approx(1)


def test_weights_tested_on_more_tasks_as_well_are_ranked_by_these(
    episodes: EpisodePaper,
) -> None:
    same = {"training_digest": "d" * 64}
    episodes.add({"accuracy": draws(97, 4)}, variant="plain", **same)
    episodes.add({"accuracy": draws(96, 4, 1, 500)}, variant="more", **same)
    # Another rate is no test of the same weights, whatever the digest says.
    episodes.add({"accuracy": draws(95, 4)}, variant="fancy", **same)
    ranked = {r.row.variant: (r.rank, r.not_ranked) for r in rows(episodes) if r.row.runs.budget}
    why = "the same weights are ranked by more test tasks, as more"
    assert ranked == {"plain": (None, why), "more": (1, ""), "fancy": (2, "")}


def test_costs_are_medians_over_seeds(episodes: EpisodePaper) -> None:
    for seed, seconds in enumerate((10.0, 30.0, 20.0)):
        measurement = {
            "train_seconds": seconds,
            "test_seconds": 4 * seconds,
            "peak_host_bytes": 2**20,
            "peak_device_bytes": 0,
            "operations_per_step": 500,
        }
        here = {"processor": "Some CPU", "torch_threads": 2, "cuda_device": None}
        folder = {"measurement": measurement, "environment": here}
        episodes.add({"accuracy": draws(95, 4, seed)}, variant="ours", seed=seed, **folder)
    [row] = [r for r in rows(episodes) if r.row.variant == "ours"]
    # The made-up sessions say nothing of iterations, so operations are not known.
    assert row.spent == Spent(20.0, 0.2, 2**20, None, None, "Some CPU, 2 threads")
    assert row.row.runs.seeds == (0, 1, 2)


def test_holm_by_hand() -> None:
    # 0.01 * 4, then max(0.04, 0.02 * 3), then 0.03 * 2, then max(0.06, 0.04 * 1).
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_pairs_are_corrected_together(episodes: EpisodePaper) -> None:
    x = {"plain": draws(95, 4, 0), "fancy": draws(96, 4, 1), "ours": draws(95.2, 4, 2)}
    for variant, scores in x.items():
        episodes.add({"accuracy": scores}, variant=variant, weights={})
    episodes.add({"accuracy": draws(97, 4, 3)}, variant="together")  # alone in its setting
    found = across_pairs(collect(episodes.results))
    assert {frozenset((p.a, p.b)) for p in found} == {
        frozenset(("toy/plain", "toy/fancy")),
        frozenset(("toy/plain", "toy/ours")),
        frozenset(("toy/fancy", "toy/ours")),
    }
    plain = []
    for pair in found:
        a, b = (x[name.removeprefix("toy/")] for name in (pair.a, pair.b))
        wanted = scipy.stats.ttest_rel(a, b)
        low, high = wanted.confidence_interval(1 - 0.05 / 3)
        assert pair.difference == pytest.approx(a.mean() - b.mean())
        assert pair.interval == pytest.approx((high - low) / 2)
        assert pair.p == pytest.approx(wanted.pvalue)
        assert (pair.comparisons, pair.compares) == (3, "methods")
        plain.append(wanted.pvalue)
    assert [p.p_holm for p in found] == pytest.approx(holm(plain))


def test_a_pair_of_trainings_has_no_p_and_is_in_no_family(episodes: EpisodePaper) -> None:
    """Two untrained methods and one trained once: one pair is of methods, two are not."""
    for i, (variant, weights) in enumerate(
        [("plain", {}), ("fancy", {}), ("ours", {"w": np.zeros(2)})]
    ):
        episodes.add({"accuracy": draws(95 + i, 4, i)}, variant=variant, weights=weights)
    found = {frozenset((p.a, p.b)): p for p in across_pairs(collect(episodes.results))}
    methods = found.pop(frozenset(("toy/plain", "toy/fancy")))
    assert methods.comparisons == 1
    assert methods.p_holm == methods.p is not None
    assert len(found) == 2
    for pair in found.values():
        assert (pair.p, pair.p_holm, pair.interval, pair.comparisons) == (None, None, None, 0)
        assert pair.task_interval == pytest.approx(1.966 * 4 * math.sqrt(2) / 20, rel=0.15)
        assert pair.compares == "one training, one untrained"


@pytest.mark.parametrize(
    "other",
    [
        {"tasks_digest": "u"},
        {"data_digest": "d"},
        {"budget": "0.5"},
        {"overrides": {"method.rate": 0.9}},
        {"variant": "together"},
    ],
)
def test_only_like_is_paired_with_like(episodes: EpisodePaper, other: dict[str, object]) -> None:
    episodes.add({"accuracy": draws(95, 4)}, variant="plain")
    episodes.add({"accuracy": draws(95, 4)}, **({"variant": "ours"} | other))  # type: ignore[arg-type]
    assert across_pairs(collect(episodes.results)) == []


def test_broken_scores_are_not_paired(episodes: EpisodePaper) -> None:
    x = draws(95, 4)
    x[3] = np.nan
    episodes.add({"accuracy": x}, variant="plain")
    episodes.add({"accuracy": draws(95, 4)}, variant="ours")
    episodes.add({}, variant="fancy", status="diverged")
    assert across_pairs(collect(episodes.results)) == []
    assert [r.not_ranked for r in rows(episodes) if r.row.variant == "plain"] == [
        "1 of 400 test tasks have no finite score"
    ] * 2


def test_a_regression_has_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    toy.add({"accuracy": draws(95, 4)})
    assert rows(toy) == []


def test_a_method_that_does_not_say_is_not_ranked(episodes: EpisodePaper) -> None:
    path = episodes.replications / "toy" / "paper.toml"
    says, silent_too = 'inference_switch = "test_batch_norm"', 'counted = "steps at test"'
    path.write_text(path.read_text().replace(says, silent_too))
    for i, variant in enumerate(("plain", "together")):
        episodes.add({"accuracy": draws(95 + i, 4, i)}, variant=variant)
    silent = [r for r in rows(episodes) if r.row.measured.mean is not None]
    assert {r.setting.inference for r in silent} == {"not stated"}
    assert {r.rank for r in silent} == {None}
    assert all("does not say" in r.not_ranked for r in silent)
    assert across_pairs(collect(episodes.results)) == []
    path.write_text(path.read_text().replace(silent_too, 'inference = "transductive"'))
    assert {r.setting.inference for r in rows(episodes) if r.rank} == {"transductive"}
    assert len(across_pairs(collect(episodes.results))) == 1


def test_inference_is_read_from_the_switch() -> None:
    tasks = {"dataset": "omniglot", "test_ways": 5, "test_shots": 1}
    stated = Stated(inference_switch="batch_norm_test")
    for value, wanted in (("transductive", "transductive"), ("running", "inductive")):
        found = setting({"tasks": tasks, "method": {"batch_norm_test": value}}, stated)
        assert found == Setting("omniglot", 5, 1, wanted)
    told = setting({"tasks": tasks}, Stated(inference="inductive"))
    assert told == Setting("omniglot", 5, 1, "inductive")
    assert setting({"tasks": tasks}) == Setting("omniglot", 5, 1, "not stated")
    assert setting({"tasks": tasks}, inference="") == Setting("omniglot", 5, 1, "not stated")
    assert setting({"tasks": {"dataset": "omniglot"}}) is None


def test_other_test_classes_are_another_setting() -> None:
    tasks = {"dataset": "omniglot", "test_ways": 5, "test_shots": 1, "class_split": "vinyals"}
    found = [
        setting({"tasks": tasks | {"rotations": rotations}}, Stated(inference="inductive"))
        for rotations in ("none", "train-as-classes", "as-classes", "per-class-in-task")
    ]
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert [str(s) for s in found[1:3]] == [
        "omniglot 5-way 1-shot, inductive, vinyals",
        "omniglot 5-way 1-shot, inductive, vinyals turned",
    ]


BESIDE = 'beside = { setting = "toy tasks", metric = "mse@1" }'


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyPaper:
    """Return the toy paper, its two cells in one setting of their own; `bound` is a bound."""
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    path = made.replications / "toy" / "paper.toml"
    text = path.read_text()
    for title in ('title = "Toy images"', 'title = "Toy curves"'):
        assert title in text
        text = text.replace(title, f"{title}\n{BESIDE}")
    bound = 'variants.bound = { bound = "knows it all", method = { rate = 0.4 } }\n'
    path.write_text(text.replace("variants.ours", f"{bound}variants.ours"))
    return made


def test_tasks_with_a_setting_of_their_own_are_ranked_in_their_metric(toy: ToyPaper) -> None:
    toy.add({"mse@1": draws(2, 1)}, variant="ours")
    toy.add({"mse@1": draws(1, 1)}, cell="curves", variant="plain")
    toy.add({"mse@1": draws(0, 1)}, variant="bound")
    found = [r for r in rows(toy) if r.row.measured.mean is not None]
    told = [(str(r.setting), r.row.cell, r.row.metric, r.rank, r.not_ranked) for r in found]
    assert told == [
        ("toy tasks", "curves", "mse@1", 1, ""),  # the lower error
        ("toy tasks", "images", "mse@1", 2, ""),
        ("toy tasks", "images", "mse@1", None, "a bound: knows it all"),
    ]


def test_other_tasks_have_a_table_of_their_own(
    toy: ToyPaper, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.add({"mse@1": draws(2, 1)}, variant="ours")
    assert main(["compare", "--across", "--results", str(toy.results)]) == 0
    out = capsys.readouterr().out
    assert "Other tasks by setting" in out
    assert "Accuracy in % by setting" not in out


def test_pairs_of_other_tasks_are_in_the_unit_of_their_metric(toy: ToyPaper) -> None:
    toy.add({"mse@1": draws(2.5, 1)}, variant="ours", training_digest="a")
    toy.add({"mse@1": draws(1.5, 1)}, cell="curves", training_digest="b")
    [pair] = across_pairs(collect(toy.results))
    assert (str(pair.setting), pair.metric_a, pair.metric_b) == ("toy tasks", "mse@1", "mse@1")
    assert abs(pair.difference) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ('{ setting = "x" }', "metric: found none, wanted text."),
        ('{ setting = "x", metric = "speed" }', "found metric 'speed'"),
        ('{ place = "x" }', "unknown key 'place'"),
    ],
)
def test_a_wrong_setting_is_one_sentence(toy: ToyPaper, beside: str, told: str) -> None:
    path = toy.replications / "toy" / "paper.toml"
    path.write_text(path.read_text().replace(BESIDE, f"beside = {beside}", 1))
    with pytest.raises(HarnessError) as e:
        read_paper(path.parent)
    assert told in str(e.value)
