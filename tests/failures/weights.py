"""Section: kept weights that are not those of a record."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.failures.case import Printed, Section, nothing_written
from tests.failures.small_runs import SMOKE, recorded
from tests.failures.stage import Stage

SECTION = Section("Kept weights", kept="All files stay as they were found.", holds=nothing_written)
case = SECTION.case
STORE, EVALUATE = "tests/records/test_store.py", "tests/cli/test_evaluate.py"
TEST_AGAIN = "harness evaluate maml/sinusoid-5shot"


@case(
    "damaged weights, `harness run` again",
    test=f"{STORE}::test_edited_and_missing_files_are_refused",
)
def damaged_and_run(stage: Stage) -> Printed:
    damage(recorded(stage))
    return stage.say(SMOKE)


@case("damaged weights, `harness evaluate`", test=f"{EVALUATE}::test_a_changed_weight_is_told")
def damaged_and_tested(stage: Stage) -> Printed:
    folder = recorded(stage)
    damage(folder)
    said = stage.say(f"{TEST_AGAIN} --weights {folder}/weights.safetensors", status=1)
    return ["the measured numbers beside the recorded ones, and then", said.only("NOT as")]


@case(
    "truncated weights",
    test=f"{EVALUATE}::test_a_truncated_file_is_one_sentence",
    foreign=r"(?<=safetensors file: )[^`]*",
)
def truncated(stage: Stage) -> Printed:
    path = recorded(stage) / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:5])
    return stage.say(f"{TEST_AGAIN} --weights {path}")


@case(
    "weights of another method",
    test=f"{EVALUATE}::test_weights_of_another_method_are_one_sentence",
)
def of_another_method(stage: Stage) -> Printed:
    shutil.copy(recorded(stage) / "weights.safetensors", stage.folder / "w.safetensors")
    return stage.say(f"{TEST_AGAIN} --variant oracle --weights w.safetensors")


@case("weights of another type", test=f"{EVALUATE}::test_weights_of_another_type")
def of_another_type(stage: Stage) -> Printed:
    path = recorded(stage) / "weights.safetensors"
    save_file({k: v.to(torch.int64) for k, v in load_file(path).items()}, path)
    return stage.say(f"{TEST_AGAIN} --weights {path}")


@case("weights that are no numbers", test=f"{EVALUATE}::test_weights_that_are_no_numbers")
def not_finite(stage: Stage) -> Printed:
    path = recorded(stage) / "weights.safetensors"
    save_file({k: v * torch.nan for k, v in load_file(path).items()}, path)
    return stage.say(f"{TEST_AGAIN} --weights {path}")


@case("a pipe, or a folder, for weights", test=f"{EVALUATE}::test_weights_are_a_plain_file")
def no_file(stage: Stage) -> Printed:
    os.mkfifo(stage.folder / "pipe")
    pipe = stage.say(f"{TEST_AGAIN} --weights pipe")
    return [pipe, "or", stage.say(f"{TEST_AGAIN} --weights .")]


@case(
    "weights that the repository leaves out",
    test="tests/records/test_again.py::test_weights_left_out_are_one_sentence",
)
def left_out(stage: Stage) -> Printed:
    path = recorded(stage) / "weights.safetensors"
    path.unlink()
    return stage.say(f"{TEST_AGAIN} --weights {path}")


def damage(folder: Path) -> None:
    """Change a weight of a record."""
    weights = load_file(folder / "weights.safetensors")
    next(iter(weights.values())).add_(1e-3)
    save_file(weights, folder / "weights.safetensors")
