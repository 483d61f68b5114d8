"""A record that cannot be one is refused in one sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.records.schema import OPTIONAL, read_record
from tests.toy_paper import ToyPaper, draws


@pytest.fixture
def record(tmp_path, monkeypatch):
    toy = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    return toy.add({"accuracy": draws(95, 4)}) / "record.json"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda t: [t], "found schema 'list', wanted"),
        (lambda t: t | {"schema": 99}, "found schema 99, wanted"),
        (lambda t: {k: v for k, v in t.items() if k != "seed"}, "field 'seed' is missing or unkno"),
        (lambda t: t | {"colour": 1}, "field 'colour' is missing or unknown"),
        (
            lambda t: t | {"metrics": {"accuracy": {"mean": 1}}},
            "metrics: accuracy: field 'ci95' is",
        ),
        (lambda t: t | {"metrics": [1]}, "metrics: found [1], wanted a table."),
        (lambda t: t | {"seed": 1}, "its result does not match its digest"),
        (lambda t: t | {"result_digest": "0" * 64}, "its result does not match its digest"),
    ],
)
def test_what_is_no_record_is_refused(record, edit, expected):
    assert read_record(record).seed == 0
    record.write_text(json.dumps(edit(json.loads(record.read_text()))))
    with pytest.raises(HarnessError) as caught:
        read_record(record)
    assert str(caught.value).startswith(f"{record}: {expected}")


@pytest.mark.parametrize("text", ["", "{", "[[" * 50_000, "NaN", "9" * 5_000])
def test_a_file_that_is_no_json(record, text):
    record.write_text(text)
    with pytest.raises(HarnessError, match="not a readable record"):
        read_record(record)
    record.unlink()
    with pytest.raises(HarnessError, match=f"found no {record.name}, wanted the folder of a"):
        read_record(record)


EDITS = [
    lambda t: t["measurement"]["sessions"][0].update(commit="f" * 40),
    lambda t: t["measurement"]["sessions"][0].update(device="cuda"),
    lambda t: t["environment"].update(processor="another"),
    lambda t: t.update(measured_digest=""),
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_commit_or_device_is_refused_where_the_record_has_their_digest(record, edit):
    table = json.loads(record.read_text())
    edit(table)
    record.write_text(json.dumps(table))
    with pytest.raises(HarnessError) as caught:
        read_record(record)
    assert str(caught.value) == (
        f"{record}: its measurement or environment does not match measured_digest, so it was "
        "changed after the run; restore the file, or run `harness run toy/images --variant plain "
        "--seeds 0 --budget full --results elsewhere` for another."
    )


def test_older_records_have_no_digest_of_what_was_measured_and_read_as_before(record):
    table = json.loads(record.read_text())
    del table["measured_digest"]
    record.write_text(json.dumps(table, indent=1) + "\n")
    older = read_record(record)
    assert older.to_json() == record.read_text()
    assert older.sealed().result_digest == older.result_digest == table["result_digest"]


def test_fields_that_came_later_leave_older_digests_alone(record):
    stored = read_record(record)
    assert not set(OPTIONAL) & set(json.loads(record.read_text()))
    assert not set(OPTIONAL) & set(stored.result())
    assert stored.to_json() == record.read_text()
    for name in OPTIONAL:
        noted = dataclasses.replace(stored, **{name: "other pixels"})
        assert noted.result_digest != stored.result_digest
        record.write_text(noted.sealed().to_json())
        assert read_record(record) == noted.sealed()


def test_every_record_reads_and_is_written_as_it_stands():
    paths = sorted((Path(__file__).parents[2] / "results").rglob("record.json"))
    assert len(paths) > 100
    for path in paths:
        stored = read_record(path)
        assert stored.to_json() == path.read_text("utf-8")
        missing = [n for n in stored.files if not (path.parent / n).exists()]
        # Which weights the repository leaves out: test_weights_kept.py.
        assert missing in ([], ["weights.safetensors"]), path
        assert "weights.safetensors" in stored.files or stored.status == "diverged", path
