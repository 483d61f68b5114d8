"""Section: records, weights and tables that are no longer what they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from tests.failures.case import Printed, Section, nothing_written
from tests.failures.small_runs import SMOKE, recorded
from tests.failures.stage import Stage
from tests.toy_paper import ToyPaper

SECTION = Section(
    "Records and tables",
    kept="All files stay as they were found: nothing is mended, overwritten or thrown away, and no "
    "table is made of what is left.",
    holds=nothing_written,
)
case = SECTION.case
STORE, EVALUATE = "tests/records/test_store.py", "tests/cli/test_evaluate.py"
TEST_AGAIN = "harness evaluate maml/sinusoid-5shot"


@case("edited record", test=f"{STORE}::test_an_edited_record_is_refused")
def edited(stage: Stage) -> Printed:
    stage.edit(recorded(stage) / "record.json", '"seed": 0', '"seed": 1')
    return stage.say("harness compare maml/sinusoid-5shot")


@case(
    "record of costs of another schema",
    test="tests/costs/test_record.py::test_what_is_no_record_is_refused",
)
def costs_of_another_schema(stage: Stage) -> Printed:
    stage.put("results/costs/a-machine-1-threads/maml-sinusoid-5shot.json", '{"schema": 2}')
    return stage.say("harness cost maml/sinusoid-5shot --stored")


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


@case(
    "stale table in a page (`harness compare --check-readmes`)",
    test="tests/report/test_markers.py::test_a_stale_table_is_found_and_mended",
)
def stale_table(stage: Stage) -> Printed:
    toy = ToyPaper(stage.folder)
    stage.patch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    toy.add({"accuracy": np.full(400, 95.0)})
    stage.put("README.md", "<!-- results:begin all -->\nold\n<!-- results:end all -->\n")
    return stage.say("harness compare --check-readmes", status=1).only("README")


def damage(folder: Path) -> None:
    """Change a weight of a record."""
    weights = load_file(folder / "weights.safetensors")
    next(iter(weights.values())).add_(1e-3)
    save_file(weights, folder / "weights.safetensors")
