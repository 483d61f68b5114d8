"""A switch that came later: records made before it have the value that `older_records` says."""

from __future__ import annotations

import pytest

from harness.catalog import find_cell, papers, replications_folder
from harness.compare.rows import collect
from harness.records.again import run_again
from harness.records.schema import read_record
from harness.run.kept_weights import record_overrides, setup_of
from harness.run.setup import CPU
from tests.toy_paper import ToyPaper, draws

LATER = "\n[algorithms.toy.older_records.method]\nrate = 0.1\n"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """As if `rate` had come later; variant `plain` has what older records had."""
    toy = ToyPaper(tmp_path)
    path = toy.replications / "toy/paper.toml"
    path.write_text(path.read_text() + LATER)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    return toy


def test_older_records_are_those_of_the_variant_that_has_their_value(toy):
    for name in ("plain", "fancy"):
        toy.add({"accuracy": draws(95, 1)}, variant=name)
    rows = {
        row.variant: row for row in collect(toy.results, ["toy/images"]).rows if row.runs.records
    }
    assert rows["plain"].verdict.name == rows["fancy"].verdict.name == "reproduced"
    records = {
        name: read_record(toy.results / row.runs.records[0] / "record.json")
        for name, row in rows.items()
    }
    assert records["plain"].protocol["method"] == {}
    assert records["fancy"].protocol["method"] == {"rate": 0.2}


def test_weights_are_tested_with_what_older_records_had(toy):
    record = read_record(toy.add({"accuracy": draws(95, 1)}) / "record.json")
    cell = find_cell("toy/images")
    assert record_overrides(record, cell.variant("plain")) == {}
    assert record_overrides(record, cell.variant("fancy")) == {"method.rate": 0.1}
    changed = ["method.rate: 0.2 -> 0.1"]
    record = toy.record(
        "images", "fancy", 0, "full", {"method.rate": 0.1}, protocol_differences=changed
    )
    assert "--set method.rate=0.1 " in run_again(record)


RECORDED = sorted((replications_folder().parent / "results/mann").glob("*/*/seed*/record.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_manns_digests_are_those_of_before_its_optimiser_could_be_chosen(path):
    record = read_record(path)
    setup = setup_of(record, papers()["mann"].cells[record.cell], CPU)
    assert setup.config_digest() == record.config_digest
    assert setup.training_digest() == record.training_digest
