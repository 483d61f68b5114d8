"""Kept weights on record as a variant that tests them otherwise: that run, without its training."""

from __future__ import annotations

import dataclasses

import pytest

from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.records.store import StoredRecord, verify_files
from harness.run.loop import run
from harness.run.record_as import record_as

FEW, MORE = 30, 50


@pytest.fixture
def kept(make_plan, tmp_path):
    """A record of 60 iterations tested on 30 tasks, and a cell with variants beside its own."""
    folder = run(make_plan())
    record = verify_files(folder)
    cell, own = find_cell("maml/sinusoid-5shot"), record.protocol

    def table(**sections):
        return (
            own
            | {k: own[k] | sections.get(k, {}) for k in ("tasks", "method", "training")}
            | {"testing": own["testing"] | sections.get("testing", {})}
        )

    variants = {
        "maml": table(),
        "more": table(testing={"tasks": MORE}),
        "faster": table(testing={"tasks": MORE}, method={"inner_rate": 0.02}),
    }
    return folder, record, dataclasses.replace(cell, variants=variants)


def test_it_is_the_run_of_that_variant_but_for_the_training(kept, make_plan, tmp_path):
    folder, record, cell = kept
    device, work = make_plan().setup.device, tmp_path / "work"
    place = tmp_path / "again"
    recorded = record_as(folder, cell, "more", device, place, work)
    again = verify_files(recorded)
    plan, more = make_plan("trained"), cell.variant("more")
    length = dataclasses.replace(plan.setup.budget, test_tasks=MORE)
    setup = dataclasses.replace(plan.setup, variant=more, budget=length)
    trained = verify_files(run(dataclasses.replace(plan, setup=setup, published=more)))
    assert again.result() == trained.result()
    assert again.metrics["mse@1"].n == MORE
    scores = StoredRecord(recorded, again).scores["mse@1"]
    assert (scores[:FEW] == StoredRecord(folder, record).scores["mse@1"]).all()
    assert again.measurement["sessions"] == record.measurement["sessions"]
    assert again.measurement["train_seconds"] == record.measurement["train_seconds"]
    assert again.measurement["tested"]["weights_of"] == record.result_digest
    assert "weights_of" not in trained.measurement["tested"]
    assert record_as(folder, cell, "more", device, place, work) == recorded


def test_another_cell_of_the_paper_may_test_the_weights(kept, make_plan, tmp_path):
    folder, record, cell = kept
    elsewhere = dataclasses.replace(cell, name="elsewhere")
    device, places = make_plan().setup.device, (tmp_path / "again", tmp_path / "work")
    again = verify_files(record_as(folder, elsewhere, "more", device, *places))
    assert (again.cell, again.variant) == ("elsewhere", "more")
    assert again.metrics["mse@1"].n == MORE
    assert again.measurement["tested"]["weights_of"] == record.result_digest
    other = dataclasses.replace(cell, paper="anil")
    with pytest.raises(HarnessError, match="belongs to maml, not to anil"):
        record_as(folder, other, "more", device, *places)


def test_a_variant_that_is_trained_otherwise_is_refused(kept, make_plan, tmp_path):
    folder, _, cell = kept
    with pytest.raises(HarnessError) as caught:
        record_as(folder, cell, "faster", make_plan().setup.device, tmp_path, tmp_path)
    assert str(caught.value) == (
        f"{folder}: found method.inner_rate 0.01, wanted 0.02 for maml/sinusoid-5shot/faster; "
        "wanted a variant that differs from the record in switches of the test alone, or run "
        "`harness run maml/sinusoid-5shot --variant faster`."
    )
