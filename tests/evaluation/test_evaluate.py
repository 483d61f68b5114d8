"""`harness.evaluate`: any model, the records' tasks and statistics, one sentence for a mistake."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import harness
from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.evaluation.paired import recorded
from harness.records.schema import read_record
from harness.records.scores_file import SCORES, scores_bytes
from harness.records.store import find_records, write_record
from harness.run.budget import Budget
from harness.run.loop import run
from harness.run.plan import Plan
from harness.run.setup import Setup

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
    result = harness.evaluate(CELL, nearest_image, overrides=FEW)
    v = find_cell(CELL).variant("euclidean", FEW)
    tasks = Setup(v, 0, Budget("full", 1, 4, 1, 6)).tasks()
    tasks.end_training()
    batch = tasks.batch("test", 0, 6)
    right = all_nearest(batch.support_x, batch.support_y, batch.query_x) == batch.query_y
    expected = 100 * right.double().mean(1).numpy()
    assert np.array_equal(result.scores, expected)
    assert 20 < result.mean < 100
    assert result.mean == pytest.approx(expected.mean())
    # Student's t with 5 degrees of freedom, as in tables, not 1.96.
    assert result.ci95 == pytest.approx(2.570582 * expected.std(ddof=1) / 6**0.5)
    assert (result.metric, result.n, result.synthetic) == ("accuracy", 6, True)
    assert result.tasks_digest == tasks.task_digest("test", 6)
    assert result.cell == f"{CELL}/euclidean"
    assert str(result).startswith(
        f"{CELL}/euclidean (tasks.dataset: omniglot -> glyphs; testing.tasks: 1000 -> 6; "
        f"testing.tasks_at_once: 20 -> 4): accuracy {result.mean:.4g} ± "
    )


def test_progress_is_a_line_that_is_rewritten_on_a_terminal_only(monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("harness.progress.time.monotonic", itertools.count().__next__)
    harness.evaluate(CELL, nearest_image, overrides=FEW)
    lines = stream.getvalue().split("\x1b[K\r")
    assert [line.split(",")[0] for line in lines[:-1]] == [
        f"{CELL}/euclidean, test tasks: {n}/6".split(",")[0] for n in range(1, 7)
    ]
    assert lines[-1] == "\n"
    assert lines[2].startswith(f"{CELL}/euclidean, test tasks: 3/6, ")


def test_one_at_a_time_and_batched_agree_and_so_do_scores_and_classes():
    one = harness.evaluate(CELL, nearest_image, overrides=FEW)
    many = harness.evaluate(CELL, all_nearest, overrides=FEW, batched=True)

    def distances(support_x, support_y, query_x):
        distance = torch.cdist(query_x.flatten(1), support_x.flatten(1))
        return (-distance[:, support_y.argsort()]).numpy()

    as_scores = harness.evaluate(CELL, distances, overrides=FEW)
    assert np.array_equal(one.scores, many.scores)
    assert np.array_equal(one.scores, as_scores.scores)


def test_an_answer_by_position_is_at_chance():
    def by_position(support_x, support_y, query_x):
        return torch.arange(5).repeat_interleave(len(query_x) // 5)

    result = harness.evaluate(CELL, by_position, overrides=FEW | {"testing.tasks": 40})
    assert abs(result.mean - 20) < 5


def test_regression_is_scored_by_squared_error():
    def zero(support_x, support_y, query_x):
        return torch.zeros(len(query_x), 1)

    result = harness.evaluate("maml/sinusoid-5shot", zero, overrides=SINE)
    assert result.metric == "mse"
    assert result.mean > 0
    flat = harness.evaluate(
        "maml/sinusoid-5shot", lambda s, y, q: zero(s, y, q)[:, 0], overrides=SINE
    )
    assert np.array_equal(result.scores, flat.scores)


@pytest.fixture
def record(tmp_path):
    """A record of a smoke run of MAML on four sinusoid tasks."""
    v = find_cell("maml/sinusoid-5shot").variant("maml", SINE | {"training.meta_batch": 2})
    length = Budget("smoke", 2, 4, 2, 6)
    folders = (tmp_path / "results", tmp_path / "work")
    run(Plan(Setup(v, 0, length), v, *folders))
    [stored] = find_records(tmp_path / "results")
    return stored


def with_a_loss(record):
    """The folder of a copy of the record that also measured a loss."""
    folder = record.folder.parents[4] / "with-a-loss"
    metrics = record.record.metrics | {"loss": record.record.metrics["mse@1"]}
    scores = dict.fromkeys(metrics, record.scores["mse@1"])
    return write_record(
        folder, dataclasses.replace(record.record, metrics=metrics), {SCORES: scores_bytes(scores)}
    )


def test_a_record_of_the_same_tasks_is_paired(record):
    def zero(support_x, support_y, query_x):
        return torch.zeros(len(query_x), 1)

    result = harness.evaluate("maml/sinusoid-5shot", zero, overrides=SINE, record=record.folder)
    theirs = record.scores["mse@1"]
    assert result.tasks_digest == record.record.tasks_digest
    assert result.paired.metric == "mse@1"
    assert result.paired.difference == pytest.approx((result.scores - theirs).mean())
    sd = (result.scores - theirs).std(ddof=1)
    assert result.paired.interval == pytest.approx(2.5706 * sd / 6**0.5, rel=1e-4)  # t, 5 d.f.
    assert " against mse@1 of " in str(result)
    other = harness.evaluate(
        "maml/sinusoid-5shot", zero, overrides=SINE, record=record.folder, record_metric="mse@0"
    )
    assert other.paired.difference == pytest.approx((result.scores - record.scores["mse@0"]).mean())
    with pytest.raises(HarnessError, match=r"found no metric 'mse@11' .* wanted one of mse@0, "):
        harness.evaluate(
            "maml/sinusoid-5shot",
            zero,
            overrides=SINE,
            record=record.folder,
            record_metric="mse@11",
        )
    with pytest.raises(HarnessError, match=r"found another metric 'loss'; .* scored by mse"):
        recorded(with_a_loss(record), "loss", "mse", result.tasks_digest)
    named = harness.evaluate(
        "maml/sinusoid-5shot", zero, overrides=SINE, record=record.folder / "record.json"
    )
    assert named.paired == result.paired
    fewer = SINE | {"testing.tasks": 5}
    with pytest.raises(HarnessError, match="its test tasks differ from these"):
        harness.evaluate("maml/sinusoid-5shot", zero, overrides=fewer, record=record.folder)


def test_no_record_and_a_diverged_one(record, tmp_path):
    def zero(support_x, support_y, query_x):
        return torch.zeros(len(query_x), 1)

    with pytest.raises(HarnessError, match="wanted a record's folder"):
        harness.evaluate("maml/sinusoid-5shot", zero, overrides=SINE, record=tmp_path)
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
    "-inf": (
        lambda q: torch.full([len(q), 5], -torch.inf),
        "largest score is -inf .float32., want",
    ),
    "inf": (lambda q: torch.full([len(q), 5], torch.inf), "largest score is inf .float32., wanted"),
    "overflow": (
        lambda q: (torch.rand(len(q), 5) + 7e4).half(),
        "largest score is inf .float16., wanted a finite one",
    ),
    "one row of -inf": (
        lambda q: torch.eye(len(q))[:, :5].log()[: len(q)],
        "largest score is -inf .float32., wanted",
    ),
    "2**64 - 1": (
        lambda q: np.full(len(q), 2**64 - 1, np.uint64),
        "found classes 18446744073709551615 to 18446744073709551615, wanted 0 to 4",
    ),
    "masked": (lambda q: np.ma.zeros(len(q), int), "found a masked array of int64, wanted one"),
    "sparse": (lambda q: torch.eye(len(q), 5).to_sparse(), "found a sparse_coo tensor, wanted"),
    "no numbers": (lambda q: torch.zeros(len(q), 5, device="meta"), "on the device 'meta', which"),
    "a tuple": (lambda q: (torch.zeros(len(q), 5), 0), "found tuple, wanted one torch tensor"),
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


def test_regression_by_more_than_a_number_can_hold():
    with pytest.raises(HarnessError, match="found a mse that is not finite"):
        harness.evaluate(
            "maml/sinusoid-5shot",
            lambda s, y, q: torch.full([5, 1], 1e300, dtype=torch.float64),
            overrides=SINE,
        )


NUMBERS = ["u1", "u2", "u4", "u8", "i1", "i2", ">i4", torch.uint16, torch.uint32, torch.uint64]


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
def test_class_numbers_of_every_integer_type(kind):
    def model(support_x, support_y, query_x):
        classes = nearest_image(support_x, support_y, query_x)
        return classes.numpy().astype(kind) if isinstance(kind, str) else classes.to(kind)

    expected = harness.evaluate(CELL, nearest_image, overrides=FEW).scores
    assert np.array_equal(harness.evaluate(CELL, model, overrides=FEW).scores, expected)


FLOATS = ["f2", "f4", ">f8", np.longdouble, torch.bfloat16, torch.float8_e5m2]


@pytest.mark.parametrize("kind", FLOATS, ids=str)
def test_scores_of_every_floating_type(kind):
    def model(support_x, support_y, query_x):
        classes = nearest_image(support_x, support_y, query_x)
        ruled_out = torch.nn.functional.one_hot(classes, 5).float().log()  # 0 and -inf
        if isinstance(kind, torch.dtype):
            return ruled_out.to(kind).requires_grad_(kind.itemsize > 1)
        scores = ruled_out.numpy().astype(kind)
        scores.flags.writeable = False
        return scores

    expected = harness.evaluate(CELL, nearest_image, overrides=FEW).scores
    assert np.array_equal(harness.evaluate(CELL, model, overrides=FEW).scores, expected)


@pytest.mark.parametrize("batched", [False, True])
def test_a_model_that_writes_into_what_it_is_given(batched):
    model = all_nearest if batched else nearest_image

    def writes(support_x, support_y, query_x):
        answer = model(support_x, support_y, query_x).clone()
        for x in (support_x, support_y, query_x):
            x.zero_()
        return answer

    plain = harness.evaluate(CELL, model, overrides=FEW, batched=batched)
    result = harness.evaluate(CELL, writes, overrides=FEW, batched=batched)
    assert np.array_equal(result.scores, plain.scores)
    assert result.tasks_digest == plain.tasks_digest


def test_what_a_model_raises_comes_through_and_says_where():
    def fails(support_x, support_y, query_x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as one:
        harness.evaluate(CELL, fails, overrides=FEW)
    key = f"{CELL}/euclidean"
    assert one.value.__notes__ == [
        f"The model raised this in harness.evaluate, on test task 0 of {key}."
    ]
    with pytest.raises(ZeroDivisionError) as many:
        harness.evaluate(CELL, fails, overrides=FEW, batched=True)
    assert many.value.__notes__[0].endswith(f"on test tasks 0 to 3 of {key}.")


def test_an_evaluation_says_what_it_was_on_and_can_be_compared():
    one = harness.evaluate(CELL, nearest_image, overrides=FEW)
    two = harness.evaluate(CELL, nearest_image, overrides=FEW)
    assert str(one).endswith(" % (6 tasks of stand-in data)")
    assert one != two, "scores are compared by hand, not by =="
    assert len({one, two}) == 2
    sine = harness.evaluate(
        "maml/sinusoid-5shot", lambda s, y, q: torch.zeros(5, 1), overrides=SINE
    )
    assert str(sine).endswith(" (6 tasks)")


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
    with pytest.raises(AttributeError, match="no attribute 'evaluator'"):
        _ = harness.evaluator


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_refused_in_one_sentence():
    def nested(support_x, support_y, query_x):
        return torch.nested.nested_tensor([torch.zeros(5) for _ in query_x])

    with pytest.raises(HarnessError, match="predictions: found a nested tensor, wanted one torch"):
        harness.evaluate(CELL, nested, overrides=FEW)
