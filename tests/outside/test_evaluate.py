"""`harness.evaluate`: any model, the records' tasks and statistics, one sentence for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import harness
from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.meta_gradient.engines import DEFAULT
from harness.records.schema import read_record
from harness.records.store import find_records
from harness.run.budget import Budget
from harness.run.loop import run
from harness.run.plan import Plan

CELL = "protonet/omniglot-5way-1shot"
FEW = {"tasks.dataset": "glyphs", "testing.tasks": 6, "testing.tasks_at_once": 4}
SINE = {"testing.tasks": 6, "testing.tasks_at_once": 4}


def nearest_image(support_x, support_y, query_x):
    """The label of the nearest support image, for one task."""
    return support_y[torch.cdist(query_x.flatten(1), support_x.flatten(1)).argmin(1)]


def all_nearest(support_x, support_y, query_x):
    """The same for a batch of tasks."""
    nearest = torch.cdist(query_x.flatten(2), support_x.flatten(2)).argmin(2)
    return support_y.gather(1, nearest)


def test_scores_are_those_worked_out_by_hand():
    found = harness.evaluate(CELL, nearest_image, overrides=FEW)
    v = find_cell(CELL).variant("euclidean", FEW)
    plan = Plan(v, v, 0, Budget("full", 1, 4, 1, 6), DEFAULT, torch.device("cpu"), *[None] * 2)
    tasks = plan.tasks()
    tasks.end_training()
    batch = tasks.batch("test", 0, 6)
    right = all_nearest(batch.support_x, batch.support_y, batch.query_x) == batch.query_y
    expected = 100 * right.double().mean(1).numpy()
    assert np.array_equal(found.scores, expected)
    assert 20 < found.mean < 100
    assert found.mean == pytest.approx(expected.mean())
    assert found.ci95 == pytest.approx(1.96 * expected.std(ddof=1) / 6**0.5)
    assert (found.metric, found.n, found.synthetic) == ("accuracy", 6, True)
    assert found.tasks_digest == tasks.task_digest("test", 6)
    assert str(found).startswith(f"{CELL}/euclidean: accuracy {found.mean:.4g} ± ")


def test_one_at_a_time_and_batched_agree_and_so_do_scores_and_classes():
    one = harness.evaluate(CELL, nearest_image, overrides=FEW)
    many = harness.evaluate(CELL, all_nearest, overrides=FEW, batched=True)

    def distances(support_x, support_y, query_x):
        found = torch.cdist(query_x.flatten(1), support_x.flatten(1))
        return (-found[:, support_y.argsort()]).numpy()

    as_scores = harness.evaluate(CELL, distances, overrides=FEW)
    assert np.array_equal(one.scores, many.scores)
    assert np.array_equal(one.scores, as_scores.scores)


def test_an_answer_by_position_is_at_chance():
    def by_position(support_x, support_y, query_x):
        return torch.arange(5).repeat_interleave(len(query_x) // 5)

    found = harness.evaluate(CELL, by_position, overrides=FEW | {"testing.tasks": 40})
    assert abs(found.mean - 20) < 5


def test_regression_is_scored_by_squared_error():
    def zero(support_x, support_y, query_x):
        return torch.zeros(len(query_x), 1)

    found = harness.evaluate("maml/sinusoid-5shot", zero, overrides=SINE)
    assert found.metric == "mse"
    assert found.mean > 0
    flat = harness.evaluate(
        "maml/sinusoid-5shot", lambda s, y, q: zero(s, y, q)[:, 0], overrides=SINE
    )
    assert np.array_equal(found.scores, flat.scores)


@pytest.fixture
def record(tmp_path):
    """A record of a smoke run of MAML on four sinusoid tasks."""
    v = find_cell("maml/sinusoid-5shot").variant("maml", SINE | {"training.meta_batch": 2})
    length = Budget("smoke", 2, 4, 2, 6)
    folders = (tmp_path / "results", tmp_path / "work")
    run(Plan(v, v, 0, length, DEFAULT, torch.device("cpu"), *folders))
    [found] = find_records(tmp_path / "results")
    return found


def test_a_record_of_the_same_tasks_is_paired(record):
    def zero(support_x, support_y, query_x):
        return torch.zeros(len(query_x), 1)

    found = harness.evaluate("maml/sinusoid-5shot", zero, overrides=SINE, record=record.folder)
    theirs = record.scores["mse@1"]
    assert found.tasks_digest == record.record.tasks_digest
    assert found.paired.metric == "mse@1"
    assert found.paired.difference == pytest.approx((found.scores - theirs).mean())
    sd = (found.scores - theirs).std(ddof=1)
    assert found.paired.interval == pytest.approx(2.5706 * sd / 6**0.5, rel=1e-4)  # t, 5 d.f.
    assert " against mse@1 of " in str(found)
    other = harness.evaluate(
        "maml/sinusoid-5shot", zero, overrides=SINE, record=record.folder, record_metric="mse@0"
    )
    assert other.paired.difference == pytest.approx((found.scores - record.scores["mse@0"]).mean())
    with pytest.raises(HarnessError, match=r"found no metric 'mse@11' .* wanted one of mse@0, "):
        harness.evaluate(
            "maml/sinusoid-5shot",
            zero,
            overrides=SINE,
            record=record.folder,
            record_metric="mse@11",
        )
    fewer = SINE | {"testing.tasks": 5}
    with pytest.raises(HarnessError, match="its test tasks are others than these"):
        harness.evaluate("maml/sinusoid-5shot", zero, overrides=fewer, record=record.folder)


def test_no_record_and_a_diverged_one(record, tmp_path):
    def zero(support_x, support_y, query_x):
        return torch.zeros(len(query_x), 1)

    with pytest.raises(HarnessError, match="wanted a record's folder"):
        harness.evaluate("maml/sinusoid-5shot", zero, overrides=SINE, record=tmp_path)
    import dataclasses

    from harness.records.store import write_record

    path = record.folder / "record.json"
    gone = dataclasses.replace(read_record(path), status="diverged", metrics={})
    folder = write_record(tmp_path / "more", gone, {})
    assert json.loads((folder / "record.json").read_text())["status"] == "diverged"
    with pytest.raises(HarnessError, match="found a run that diverged"):
        harness.evaluate("maml/sinusoid-5shot", zero, overrides=SINE, record=folder)


WRONG = {
    "a list": (lambda q: [0] * len(q), "found list, wanted one torch tensor or numpy array"),
    "words": (lambda q: np.array(["a"] * len(q)), "found an array of <U1, wanted one torch tensor"),
    "too few": (
        lambda q: torch.zeros(3).long(),
        r"found int64 of shape \[1, 3\], wanted integer cl",
    ),
    "floating classes": (
        lambda q: torch.zeros(len(q)),
        r"found float32 of shape \[1, 75\], wanted",
    ),
    "truth values": (lambda q: torch.zeros(len(q)).bool(), "found bool of shape"),
    "too many ways": (lambda q: torch.zeros(len(q), 6), r"wanted .* scores of shape \[1, 75, 5\]"),
    "class 5": (lambda q: torch.full([len(q)], 5), "found classes 5 to 5, wanted 0 to 4"),
    "class -1": (lambda q: torch.full([len(q)], -1), "found classes -1 to -1, wanted 0 to 4"),
    "NaN": (lambda q: torch.full([len(q), 5], torch.nan), "found NaN among the scores"),
    "nothing": (lambda q: None, "found NoneType, wanted one torch tensor"),
}


@pytest.mark.parametrize(("answer", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_one_sentence(answer, sentence):
    with pytest.raises(HarnessError, match=sentence):
        harness.evaluate(CELL, lambda s, y, q: answer(q), overrides=FEW)


def test_a_wrong_regression():
    with pytest.raises(
        HarnessError, match=r"found int64 of shape \[1, 5, 1\], wanted floating num"
    ):
        harness.evaluate(
            "maml/sinusoid-5shot", lambda s, y, q: torch.zeros(5, 1).long(), overrides=SINE
        )
    with pytest.raises(HarnessError, match="found a mse that is not finite"):
        harness.evaluate(
            "maml/sinusoid-5shot", lambda s, y, q: torch.full([5, 1], torch.inf), overrides=SINE
        )


def test_wrong_cells_tasks_and_counts():
    with pytest.raises(HarnessError, match="found tasks without support and query sets"):
        harness.evaluate("learned_optimizer/quadratics-uniform", nearest_image)
    with pytest.raises(HarnessError, match="found no cell 'protonet/omniglot'"):
        harness.evaluate("protonet/omniglot", nearest_image)
    with pytest.raises(HarnessError, match="wanted 2 or more for an interval"):
        harness.evaluate(CELL, nearest_image, overrides=FEW | {"testing.tasks": 1})


def test_the_name_is_loaded_when_it_is_used():
    script = (
        "import sys, harness; print('torch' in sys.modules, 'numpy' in sys.modules);"
        "from harness import evaluate; print(callable(evaluate), evaluate is harness.evaluate)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["False", "False", "True", "True"]
    with pytest.raises(AttributeError, match="no attribute 'evaluation'"):
        _ = harness.evaluation
