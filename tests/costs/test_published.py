"""Published claims on cost: a number without its source, or without its two points, stays out."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from harness.catalog import papers
from harness.costs.published import COLUMNS, FILE, read_claims
from harness.errors import HarnessError

RIGHT = {
    "cell": "loops",
    "claim": "first order is faster",
    "quantity": "seconds",
    "value": "33",
    "unit": "percent less",
    "margin": "5",
    "point": "order=first",
    "against": "order=second",
    "setting": "toys on a GPU",
    "source": "Doe and Roe 2020",
    "confidence": "high",
    "obstacle": "",
    "note": "",
}


@pytest.fixture
def read(cell):
    def reading(**change):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerow(RIGHT | change)
        (cell.folder / FILE).write_text(text.getvalue())
        return read_claims(cell.folder, papers()["toy"].cells)

    return reading


def test_a_right_line_is_read(read):
    [claim] = read(point="order=first inner_steps=5", against="order=second inner_steps=1")
    assert (claim.paper, claim.cell, claim.value, claim.margin) == ("toy", "loops", 33.0, 5.0)
    assert claim.point == {"order": "first", "inner_steps": 5}
    assert claim.against == {"order": "second", "inner_steps": 1}


def test_context_has_no_points_and_no_margin(read):
    [claim] = read(point="", against="", margin="")
    assert (claim.point, claim.against, claim.margin) == ({}, {}, None)


@pytest.mark.parametrize(
    ("unit", "value"), [("times", 0.75), ("percent less", 25.0), ("percent more", -25.0)]
)
def test_units(read, unit, value):
    [claim] = read(unit=unit)
    assert claim.in_unit(3 / 4) == value


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"source": " "}, "a claim needs its source; found it empty."),
        ({"cell": "lops"}, "cell: found 'lops' (did you mean 'loops'?); wanted one of images,"),
        ({"quantity": "second"}, "quantity: found 'second' (did you mean 'seconds'?)"),
        ({"unit": "percent"}, "unit: found 'percent'"),
        ({"confidence": "sure"}, "confidence: found 'sure'; wanted one of high, medium, low."),
        ({"value": "a third"}, "value: found 'a third', wanted a number"),
        ({"value": "inf"}, "value: found 'inf', wanted a number"),
        ({"point": "order=frst"}, "order: found 'frst' (did you mean 'first'?)"),
        ({"point": "engine=lop"}, "engine: found 'lop' (did you mean 'loop'?)"),
        ({"point": "variant=frist"}, "variant: found 'frist' (did you mean 'first'?)"),
        (
            {"point": "inner_steps=few"},
            "inner_steps: found 'few', wanted a whole number of at least 1.",
        ),
        ({"point": "inner_steps=٥"}, "inner_steps: found '٥', wanted a whole number of at least 1"),
        ({"value": "1_0"}, "value: found '1_0', wanted a number."),
        ({"point": "first"}, "found 'first' in a point"),
        ({"point": "order=first engine=loop"}, "wanted the same keys on both sides"),
        ({"against": ""}, "wanted the same keys on both sides, or nothing on either."),
        ({"margin": ""}, "found margin ''; wanted one where there are points and no obstacle"),
        ({"obstacle": "another network"}, "found margin '5'; wanted one where"),
        ({"point": "", "against": ""}, "found margin '5'; wanted one where"),
    ],
)
def test_a_wrong_line_names_file_and_line(read, cell, change, sentence):
    with pytest.raises(HarnessError) as caught:
        read(**change)
    assert str(caught.value).startswith(f"{cell.folder / FILE}:2: ")
    assert sentence in str(caught.value)


def test_odd_columns_are_refused(cell):
    path = cell.folder / FILE
    path.write_text("cell,claim\nloops,x\n")
    with pytest.raises(HarnessError, match=r"published_costs.csv:1: found columns cell,claim; wan"):
        read_claims(cell.folder, papers()["toy"].cells)
    path.write_text(",".join(COLUMNS) + "\nloops,x\n")
    with pytest.raises(HarnessError, match=r":2: found 2 columns, wanted 13 columns; quote"):
        read_claims(cell.folder, papers()["toy"].cells)


def test_a_paper_may_have_no_claims(cell):
    assert read_claims(cell.folder, papers()["toy"].cells) == []


def test_ours_are_read():
    folder = Path(__file__).resolve().parents[2] / "replications"
    maml = papers(folder)["maml"]
    claims = read_claims(maml.folder, maml.cells)
    assert {c.confidence for c in claims} == {"high"}
    # Claimed on mini-ImageNet, so held against the cell of mini-ImageNet.
    [first_order] = [c for c in claims if c.value == 33]
    assert first_order.cell == "mini-imagenet-5way-1shot"
    assert first_order.margin
    assert not first_order.obstacle
