"""Section: records and tables that are no longer what they were."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.protocol import digest
from tests.failures.case import Printed, Section, nothing_written
from tests.failures.small_runs import recorded
from tests.failures.stage import Stage
from tests.toy_paper import ToyPaper

SECTION = Section(
    "Records and tables",
    kept="All files stay as they were found: nothing is mended, overwritten or thrown away, and no "
    "table is made of what is left.",
    holds=nothing_written,
)
case = SECTION.case
STORE, SCHEMA = "tests/records/test_store.py", "tests/records/test_schema.py"


@case("edited record", test=f"{STORE}::test_an_edited_record_is_refused")
def edited(stage: Stage) -> Printed:
    stage.edit(recorded(stage) / "record.json", '"seed": 0', '"seed": 1')
    return stage.say("harness compare maml/sinusoid-5shot")


@case(
    "a commit, device or cost that was edited in a record",
    test=f"{SCHEMA}::test_an_edited_commit_or_device_is_refused_where_the_record_has_their_digest",
)
def measured_otherwise(stage: Stage) -> Printed:
    stage.edit(recorded(stage) / "record.json", '"device": "cpu"', '"device": "cuda"')
    return stage.say("harness compare maml/sinusoid-5shot")


@case(
    "record of costs of another schema",
    test="tests/costs/test_record.py::test_what_is_no_record_is_refused",
)
def costs_of_another_schema(stage: Stage) -> Printed:
    stage.put("results/costs/a-machine-1-threads/maml-sinusoid-5shot.json", '{"schema": 2}')
    return stage.say("harness cost maml/sinusoid-5shot --stored")


@case(
    "a record that was labelled anew, with digests that fit",
    test="tests/records/test_consistency.py::test_a_relabelled_record_is_refused",
)
def relabelled(stage: Stage) -> Printed:
    path = recorded(stage) / "record.json"
    raw = json.loads(path.read_text())
    raw["budget"] = "full"
    raw["config_digest"] = digest(
        [raw[k] for k in ("paper", "cell", "variant", "protocol", "seed", "budget")]
    )
    raw.pop("measured_digest", None)  # as an older record, which has none
    apart = ("measurement", "environment", "result_digest")
    raw["result_digest"] = digest({k: v for k, v in raw.items() if k not in apart})
    path.write_text(json.dumps(raw))
    return stage.say("harness compare maml/sinusoid-5shot")


@case(
    "a value of another type in a record",
    test="tests/records/test_consistency.py::test_a_value_of_another_type_is_one_sentence",
)
def wrong_type(stage: Stage) -> Printed:
    path = recorded(stage) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"measurement": None}))
    return stage.say("harness list maml")


@case(
    "a pipe in the place of a record",
    test="tests/cli/test_folders.py::test_a_pipe_in_place_of_a_record_keeps_nobody_waiting",
)
def pipe(stage: Stage) -> Printed:
    path = recorded(stage) / "record.json"
    path.unlink()
    os.mkfifo(path)
    return stage.say("harness list maml")


@case(
    "a folder of records that may not be read",
    pretended="reading fails with EACCES",
    test="tests/records/test_store.py::test_a_folder_that_cannot_be_read_is_said",
)
def closed(stage: Stage) -> Printed:
    folder, listed = recorded(stage).parent, Path.iterdir

    def denied(self: Path) -> Iterator[Path]:
        if self == folder:
            raise PermissionError(13, "Permission denied")
        return listed(self)

    stage.patch.setattr(Path, "iterdir", denied)
    return stage.say("harness list maml")


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


@case(
    "no records for the tables of the pages",
    test="tests/report/test_markers.py::test_without_records_no_page_is_rewritten",
)
def no_records(stage: Stage) -> Printed:
    toy = ToyPaper(stage.folder)
    stage.patch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    stage.put("README.md", "<!-- results:begin all -->\nold\n<!-- results:end all -->\n")
    return stage.say("harness compare --update-readmes")
