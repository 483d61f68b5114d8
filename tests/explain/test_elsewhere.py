from __future__ import annotations

import dataclasses

import pytest

from harness.catalog import find_cell
from harness.check import reimplementations
from harness.errors import HarnessError
from harness.explain.elsewhere import FILE, differences, read_reimplementations

HEADER = "implementation,cells,switch,value,source\n"


def write(toy, lines, header=HEADER):
    (toy.replications / "toy" / FILE).write_text(header + lines)
    return find_cell("toy/images")


def test_the_published_setting_at_full_length_differs_in_nothing(toy):
    assert differences(toy.record(), find_cell("toy/images")) == []


def test_a_shorter_budget_and_another_switch_separate_a_run_from_the_paper(toy):
    record = toy.record(budget="0.1", overrides={"method.rate": 0.5})
    apart = differences(record, find_cell("toy/images"))
    assert [(d.where, d.switch, d.value) for d in apart] == [
        ("the paper", "method.rate", 0.1),
        ("the paper", "budget", "full"),
    ]


def test_a_re_implementation_counts_for_its_cells_where_it_differs(toy):
    cell = write(
        toy,
        "port,images curves,method.rate,0.1,theirs.py\n"
        "port,images,tasks.test_queries,15,theirs.py\n"
        "port,curves,tasks.test_shots,7,theirs.py\n",
    )
    [difference] = differences(toy.record(), cell)
    assert dataclasses.astuple(difference) == ("port", "tasks.test_queries", 15, "theirs.py")
    [finding] = reimplementations(cell.folder)
    assert finding.passed
    assert finding.sentence == "4 switches of 1 re-implementations, each with source."


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("port,images,method.rate,0.1,\n", ":2: found no source; wanted"),
        ("port,images,method.rte,1,x\n", ":2: found switch 'method.rte' (did you mean 'method.ra"),
        ("port,images,method.rate,0.1,x,y\n", ":2: found 6 columns, wanted 5 columns; quote"),
        (
            "port,images,method.rate,fast,x\n",
            ":2: toy/images/ours: method.rate: found 'fast' (str",
        ),
        ("port,images,testing.tasks,many,x\n", ":2: toy/images/ours: testing.tasks: found 'many'"),
    ],
)
def test_a_wrong_line_names_file_and_line(toy, lines, sentence):
    cell = write(toy, lines)
    with pytest.raises(HarnessError) as caught:
        list(read_reimplementations(cell.folder, {"images": cell}))
    assert str(caught.value).startswith(f"{cell.folder / FILE}{sentence}")
    [finding] = reimplementations(cell.folder)
    assert (finding.passed, finding.sentence) == (False, str(caught.value))


def test_a_wrong_header_is_shown(toy):
    cell = write(toy, "", header="implementation,switch\n")
    with pytest.raises(HarnessError, match=r":1: found columns implementation,switch; wanted impl"):
        list(read_reimplementations(cell.folder, {"images": cell}))
