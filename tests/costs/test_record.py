"""Records of costs come back as they were, and what is no such record is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from harness.costs.record import parse_record
from harness.costs.store import empty_record, find_costs, read_costs, record_path, write_costs
from harness.errors import HarnessError
from tests.costs.made_up import cost_point, cost_record


@pytest.fixture
def record(cell):
    points = [
        cost_point(cell, "first", 1),
        cost_point(cell, steps=50, seconds=(), mebibytes=None),
        cost_point(cell, None, None, None, family="no-loop"),
    ]
    return cost_record(*points)


def test_a_record_comes_back_as_it_was(record, tmp_path):
    path = write_costs(tmp_path, record)
    assert path == tmp_path / "costs" / "toy-cpu-2-threads" / "toy-loops.json"
    assert read_costs(path) == record
    assert [p.name for p in path.parent.iterdir()] == ["toy-loops.json"], "nothing is left over"


def test_a_new_point_takes_the_place_of_the_old_one(record, cell):
    new = cost_point(cell, "first", 1, seconds=(0.1, 0.1, 0.1))
    found = record.with_point(new)
    assert len(found.points) == len(record.points)
    assert [p for p in found.points if p.point == new.point] == [new]


def test_a_session_without_points_is_forgotten(record):
    other = dataclasses.replace(record.sessions[0], commit="f" * 40)
    moved = tuple(dataclasses.replace(p, session=1) for p in record.points)
    found = dataclasses.replace(record, sessions=(*record.sessions, other), points=moved)
    kept = found.without_idle_sessions()
    assert kept.sessions == (other,)
    assert {p.session for p in kept.points} == {0}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(schema=2), "found schema 2, wanted 1."),
        (lambda r: r.pop("hardware"), "field 'hardware' is missing or unknown."),
        (lambda r: r.update(more=1), "field 'more' is missing or unknown."),
        (lambda r: r.update(threads="2"), "threads: found '2', wanted an integer."),
        (lambda r: r.update(threads=True), "threads: found True, wanted an integer."),
        (lambda r: r.update(points={}), "points: found {}, wanted a list."),
        (lambda r: r["points"][0].update(session=1), "points[0].session: found 1, not there."),
        (lambda r: r["points"][0]["point"].pop("order"), "points[0]: point: field 'order' is"),
        (
            lambda r: r["points"][0]["rounds"][1].update(steps=1.5),
            "points[0]: rounds[1]: steps: found 1.5, wanted an integer.",
        ),
        (lambda r: r["points"][0].update(rounds=[]), "its status and its rounds do not fit."),
        (lambda r: r["points"][0].update(memory=[]), "memory: found [], wanted a table."),
    ],
)
def test_what_is_no_record_is_refused(record, change, sentence):
    raw = json.loads(record.to_json())
    change(raw)
    with pytest.raises(HarnessError) as caught:
        parse_record(json.dumps(raw), "x.json")
    assert str(caught.value).startswith("x.json: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"schema"'])
def test_text_that_is_no_record_is_refused(text):
    with pytest.raises(HarnessError, match=r"x.json: (not a readable record|found schema)"):
        parse_record(text, "x.json")


def test_a_whole_number_may_stand_for_seconds(record):
    raw = json.loads(record.to_json())
    raw["points"][0]["rounds"][0]["seconds_median"] = 1
    assert parse_record(json.dumps(raw), "x.json").points[0].rounds[0].seconds_median == 1.0


def test_a_record_in_a_wrong_place_is_refused(record, tmp_path):
    path = write_costs(tmp_path, record)
    other = path.parent.parent / "another-cpu-1-threads" / path.name
    other.parent.mkdir()
    path.rename(other)
    with pytest.raises(HarnessError, match="found costs of toy/loops on toy-cpu-2-threads, wanted"):
        find_costs(tmp_path, ["toy/loops"])


def test_records_are_found_by_cell_on_every_machine(record, tmp_path):
    write_costs(tmp_path, record)
    write_costs(tmp_path, dataclasses.replace(record, machine="b-1-threads"))
    write_costs(tmp_path, dataclasses.replace(record, cell="curves"))
    found = find_costs(tmp_path, ["toy/loops"])
    assert [r.machine for r in found] == ["b-1-threads", "toy-cpu-2-threads"]
    assert find_costs(tmp_path / "none", ["toy/loops"]) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(record, tmp_path):
    (tmp_path / "costs").write_text("in the way")
    with pytest.raises(HarnessError, match=r"could not write .*; what stood there is untouched"):
        write_costs(tmp_path, record)


def test_a_machine_is_its_hardware_and_threads(monkeypatch, tmp_path):
    from harness.costs import store

    monkeypatch.setattr(store, "processor_name", lambda: "Intel(R) Xeon(R) CPU @ 2.90GHz")
    found = empty_record("toy", "loops", torch.device("cpu"), 2)
    assert found.machine == "intel-xeon-cpu-2-90ghz-2-threads"
    assert found.hardware == "Intel(R) Xeon(R) CPU @ 2.90GHz"
    assert record_path(tmp_path, found).parent.name == found.machine
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    assert empty_record("toy", "loops", torch.device("cuda"), 16).machine == (
        "nvidia-h200-16-threads"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r["points"][0]["rounds"][0].update(seconds_median=0), "wanted more than 0."),
        (lambda r: r["points"][0]["rounds"][0].update(steps=-1), "found -1, wanted at least 0."),
        (lambda r: r["points"][0]["rounds"][0].update(peak_rate=float("nan")), "found NaN, which"),
        (lambda r: r["sessions"][0].update(environment={"libraries": 3}), "libraries: found 3, wa"),
        (lambda r: r["points"].append(["["] * 3), "found ['[', '[', '['], wanted a table."),
    ],
)
def test_numbers_that_nothing_measures_are_refused(record, change, sentence):
    raw = json.loads(record.to_json())
    change(raw)
    with pytest.raises(HarnessError) as caught:
        parse_record(json.dumps(raw), "x.json")
    assert sentence in str(caught.value)
