"""Section: a model of one's own, tested from Python by `harness.evaluate`."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import harness
from harness.errors import HarnessError
from tests.failures.case import Printed, Section, nothing_written
from tests.failures.said import quoted, shown
from tests.failures.stage import Stage

SECTION = Section(
    "From Python: `harness.evaluate`",
    kept="Each is a `HarnessError` of this one sentence, raised before the model is asked, but for "
    "its answers. Nothing is written.",
    holds=nothing_written,
)
case = SECTION.case
CELL = "protonet/omniglot-5way-1shot"
FEW = {"tasks.dataset": "glyphs", "testing.tasks": 3, "testing.tasks_at_once": 2}
ARGUMENTS, ANSWERS = "tests/evaluation/test_arguments.py", "tests/evaluation/test_evaluate.py"


def refused(stage: Stage, model: Any = None, **arguments: Any) -> str:
    """Evaluate a model (one that is not to be asked unless given) and return the sentence."""

    def never(*_: object) -> None:
        raise AssertionError("the model was asked")

    stage.before = stage.files()
    given = {"cell": CELL, "model": model or never, "overrides": FEW} | arguments
    with pytest.raises(HarnessError) as told:
        harness.evaluate(**given)
    return quoted(shown(str(told.value), stage.folder))


def answering(value: Any) -> Any:
    """Return a model that gives `value` for every class of every query."""
    return lambda support_x, support_y, query_x: torch.full([len(query_x), 5], value)


@case(
    "`device=` that means nothing here", test=f"{ARGUMENTS}::test_a_device_that_means_nothing_here"
)
def no_device(stage: Stage) -> Printed:
    return [refused(stage, device="tpu"), "or", refused(stage, device=None)]


@case("`device=` of a GPU that is not there", test=f"{ARGUMENTS}::test_cuda_without_one")
def no_gpu(stage: Stage) -> Printed:
    stage.patch.setattr(torch.cuda, "device_count", lambda: 0)
    return refused(stage, device="cuda:1")


@case(
    "arguments of another kind",
    test=f"{ARGUMENTS}::test_an_argument_of_a_wrong_kind_is_one_sentence",
)
def wrong_kinds(stage: Stage) -> Printed:
    return [
        refused(stage, batched="no"),
        "or",
        refused(stage, overrides=["testing.tasks=3"]),
        "or",
        refused(stage, record_metric="accuracy"),
    ]


@case("scores that are infinite", test=f"{ANSWERS}::test_a_wrong_answer_is_one_sentence")
def infinite(stage: Stage) -> Printed:
    return refused(stage, answering(torch.inf))


@case("scores that are NaN", test=f"{ANSWERS}::test_a_wrong_answer_is_one_sentence")
def not_a_number(stage: Stage) -> Printed:
    return refused(stage, answering(torch.nan))


@case("an answer of another shape", test=f"{ANSWERS}::test_a_wrong_answer_is_one_sentence")
def another_shape(stage: Stage) -> Printed:
    return refused(stage, lambda support_x, support_y, query_x: torch.zeros(3))
