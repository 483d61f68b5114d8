"""What is said about a tiny checkpoint agrees with separate tests of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.explain.effect import NESTED, NONE, PAIRED, TRAINED
from harness.explain.explain import explain
from harness.explain.kept import Kept, find_kept
from harness.explain.question import Question
from harness.records.store import StoredRecord
from harness.run.scores import evaluate
from harness.tasks.episodes import Episodes
from tests.explain.conftest import trained


@pytest.fixture(scope="module")
def explanation(kept):
    return explain(kept, Question(episodes=(4, 12)))


def row(explanation, switch, instead):
    [one] = [r for r in explanation.rows if (r.switch, r.instead) == (switch, instead)]
    return one


def scores(kept, changed, count=8):
    setting = kept.retest(changed, count)
    return evaluate(setting.method, setting.tasks, "test", count, count)["accuracy@3"]


def test_the_run_as_it_is_has_its_recorded_scores(kept, explanation):
    stored = StoredRecord(kept.folder, kept.record).scores["accuracy@3"]
    assert (explanation.metric, explanation.tasks, explanation.synthetic) == ("accuracy@3", 8, True)
    assert explanation.mean == explanation.recorded == stored.mean()
    assert explanation.record_digest == kept.record.result_digest
    assert explanation.published[0].startswith("accuracy@best 98.4 ± 0.7 (Bronskill et al. 2020")


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("method.test_batch_norm", "support-only"),
        ("method.test_batch_norm", "running"),
        ("tasks.test_queries", 15),
        ("tasks.rotations", "none"),
        ("tasks.ink", "zero"),
    ],
)
def test_an_effect_is_the_difference_of_two_tests(kept, explanation, switch, value):
    here, instead = scores(kept, {}), scores(kept, {switch: value})
    one = row(explanation, switch, str(value))
    assert (one.comparison, one.tasks) == (PAIRED, 8)
    assert one.mean == instead.mean()
    assert one.effect == pytest.approx((instead - here).mean())
    sd = (instead - here).std(ddof=1)
    assert one.interval == pytest.approx(2.364624 * sd / np.sqrt(8))  # t, 7 degrees of freedom


def test_largest_effects_come_first_and_what_was_not_measured_last(explanation):
    sizes = [-1.0 if r.effect is None else abs(r.effect) for r in explanation.rows]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == -1


def test_steps_are_compared_with_each_other_and_with_the_best(kept, explanation):
    stored = StoredRecord(kept.folder, kept.record).scores
    steps = {r.instead: r for r in explanation.rows if r.switch == "method.test_steps"}
    assert set(steps) == {"1", "2", "4", "best"}
    assert {r.here for r in steps.values()} == {"3"}
    for k, r in steps.items():
        assert r.effect == pytest.approx((stored[f"accuracy@{k}"] - stored["accuracy@3"]).mean())
    assert steps["best"].effect == max(0, *(r.effect for r in steps.values()))
    assert steps["best"].differs_from == ("Bronskill et al. 2020",)
    assert "chosen on the test tasks themselves" in steps["best"].note


def test_numbers_of_test_tasks_are_nested(kept, explanation):
    more = scores(kept, {}, 12)
    for n, r in (
        (4, row(explanation, "testing.tasks", "4")),
        (12, row(explanation, "testing.tasks", "12")),
    ):
        assert (r.comparison, r.tasks, r.here) == (NESTED, n, "8")
        assert r.effect == pytest.approx(more[:n].mean() - more[:8].mean())
    unasked = row(explanation, "testing.tasks", "10000")
    assert unasked.comparison == NONE
    half = explanation.interval * np.sqrt(8 / 10_000)
    assert (
        unasked.note == f"the mean's interval would be ± {half:.2f}; --episodes 10000 measures it"
    )


def test_a_switch_that_leaves_the_test_as_it_is_is_said_to(explanation):
    same = row(explanation, "tasks.rotations", "train-as-classes")
    assert same.effect is None
    assert same.note == "at test the same as with tasks.rotations = none"


def test_what_sequences_show_counts_and_instances_are_no_test_steps(tmp_path):
    """In MANN's cell k of accuracy@k is the presentation of a class, and a batch is no episode."""
    changed = {"tasks.dataset": "glyphs", "testing.tasks": 8, "training.meta_batch": 2}
    lstm = trained(tmp_path, "mann/one-hot-5class", "lstm", changed, "0.00001")
    here = lstm.retest({}, 8).signature
    assert lstm.retest({}, 8).signature == here
    assert lstm.retest({"tasks.ink": "zero"}, 8).signature != here
    rows = explain(lstm, Question(switches=("tasks.ink", "method.test_steps"))).rows
    assert {(r.switch, r.instead) for r in rows} == {("tasks.ink", "zero")}
    assert rows[0].effect is not None


def test_without_batch_norm_its_statistics_have_exactly_no_effect(sine):
    explanation = explain(sine, Question(switches=("method.test_batch_norm",)))
    assert len(explanation.rows) == 5
    for r in explanation.rows:
        assert (r.effect, r.interval, r.p) == (0, 0, 1)


def test_what_separates_the_run_from_others_is_marked(explanation):
    assert row(explanation, "budget", "full").differs_from == ("the paper",)
    assert row(explanation, "budget", "full").here == "0.0001"
    assert row(explanation, "tasks.test_queries", "15").differs_from == ("dragen1860",)
    assert row(explanation, "tasks.test_queries", "5").differs_from == ()
    loss = row(explanation, "method.inner_loss", "mean")
    assert loss.differs_from == ("dragen1860", "learn2learn", "oscarknagg")
    assert "kept weights cannot say" in loss.note


def test_a_pair_that_differs_in_nothing_has_exactly_no_effect(kept, tmp_path):
    pairs = (("method.order", "first"), ("method.inner_loss", "mean"))
    asked = Question(switches=("method.order",), train="smoke", pairs=pairs, work=tmp_path)
    explanation = explain(kept, asked)
    same, other = (
        row(explanation, "method.order", "first"),
        row(explanation, "method.inner_loss", "mean"),
    )
    assert (same.comparison, same.budget, same.tasks) == (TRAINED, "smoke", 2)
    assert (same.effect, same.interval, same.p) == (0, 0, None)
    assert other.note == "both trained at budget smoke from seed 0"
    assert len(list(tmp_path.glob("explain/*/*/*/*/record.json"))) == 2, "the same training once"


def test_trainings_are_those_that_others_did_otherwise(kept, tmp_path):
    asked = Question(switches=("tasks.train_queries",), train="smoke", work=tmp_path)
    [one] = explain(kept, asked).rows
    assert (one.switch, one.instead, one.comparison) == ("tasks.train_queries", "15", TRAINED)
    assert one.differs_from == ("dragen1860",)


def test_a_refused_alternative_is_a_row_that_says_why(kept, tmp_path):
    pairs = (("tasks.train_queries", 25),)
    asked = Question(switches=("method.order",), train="smoke", pairs=pairs, work=tmp_path)
    refused = row(explain(kept, asked), "tasks.train_queries", "25")
    assert (refused.effect, refused.comparison) == (None, NONE)
    assert "26 images of a class, which has 20" in refused.note


def test_weights_are_needed(kept, tmp_path):
    with pytest.raises(HarnessError, match="found no trained weights of maml/omniglot-5way-1shot"):
        find_kept(kept.cell, None, tmp_path)
    bare = dataclasses.replace(kept.record, files={})
    with pytest.raises(HarnessError, match=r"found no weights.safetensors in it"):
        Kept(kept.cell, kept.folder, bare, kept.device)
    results = kept.folder.parents[3]
    assert find_kept(kept.cell, None, results)[0] == kept.folder


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"metric": "accuracy@9"}, "--metric: found 'accuracy@9'"),
        ({"switches": ("tasks.inc",)}, "--switch: found 'tasks.inc'"),
    ],
)
def test_a_mistake_is_one_sentence(kept, asked, sentence):
    with pytest.raises(HarnessError, match=sentence):
        explain(kept, Question(**asked))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"train": "2"}, "found budget '2'; wanted full, smoke"),
        ({"train": "smoke", "pairs": (("method.nope", 1),)}, "--pair: found 'method.nope'"),
    ],
)
def test_wrong_trainings_are_refused_before_anything_is_tested(
    kept, asked, sentence, monkeypatch, tmp_path
):
    monkeypatch.setattr(type(kept), "scores", lambda *_: pytest.fail("tested"))
    with pytest.raises(HarnessError, match=sentence):
        explain(kept, Question(**asked, work=tmp_path))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"pairs": (("method.order", "first"),)}, "--pair: found no --train"),
    ],
)
def test_a_question_that_cannot_be_asked(asked, sentence):
    with pytest.raises(HarnessError, match=sentence):
        Question(**asked)


def test_weights_tested_on_other_images_are_not_explained_on_these(kept, monkeypatch):
    monkeypatch.setattr(Episodes, "data_digest", lambda self: "f" * 64)
    with pytest.raises(HarnessError, match=r"was tested on other images than those at hand \(dig"):
        kept.retest({}, 2)
    assert kept.retest({"tasks.test_queries": 2}, 2).tasks.queries("test") == 2
