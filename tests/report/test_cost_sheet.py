"""Costs in every format: machines apart, claims below, everything in the data."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from dataclasses import fields

import pytest

from harness.costs.claim_rows import ClaimRow, claim_rows
from harness.costs.rows import CostRow, cost_rows
from harness.report.cost_sheet import digits
from harness.report.render import FORMATS, render_claims, render_costs
from harness.report.row_data import claim_columns
from tests.costs.made_up import cost_point, cost_record, make_cell
from tests.costs.test_claim_rows import CLAIM


@pytest.fixture
def both(tmp_path, monkeypatch) -> tuple[list[CostRow], list[ClaimRow]]:
    cell = make_cell(tmp_path, monkeypatch)
    points = [
        cost_point(cell, "first", 5, seconds=(0.335, 0.34, 0.33)),
        cost_point(cell, "second", 5),
        cost_point(cell, "second", 50, "loop", seconds=(), mebibytes=None),
        cost_point(cell, None, None, None, family="no-loop", operations_per_step=None),
    ]
    gpu = [cost_point(cell, o, device="cuda") for o in ("first", "second")]
    other = dataclasses.replace(
        cost_record(*gpu), machine="toy-gpu-1-threads", hardware="Toy GPU", threads=1
    )
    records = [cost_record(*points), other]
    context = dataclasses.replace(CLAIM, point={}, against={}, margin=None, note="no such method")
    elsewhere = dataclasses.replace(CLAIM, obstacle="another network", margin=None)
    rows = [row for record in records for row in cost_rows(cell, record)]
    return rows, claim_rows(cell, [CLAIM, elsewhere, context], records)


def sections(text: str) -> dict[str, str]:
    """Return the body of each section of the terminal's table by its title."""
    blocks = (tuple(block.split("\n", 1)) for block in text.split("\n\n"))
    return dict(blocks)


def test_machines_stand_apart(both):
    text = render_costs(*both, "table")
    assert max(map(len, text.splitlines())) <= 120
    found = sections(text)
    assert list(found) == [
        "A meta-step on Toy CPU, 2 threads, torch 2.9.0, commit 0123456789ab "
        "(MiB; * as in the paper)",
        "A meta-step on Toy GPU, 1 thread, torch 2.9.0, commit 0123456789ab "
        "(MiB; * as in the paper)",
        "Published costs beside ours on Toy CPU, 2 threads",
        "Published costs, not comparable with ours on Toy CPU, 2 threads",
        "Published costs beside ours on Toy GPU, 1 thread",
        "Published costs, not comparable with ours on Toy GPU, 1 thread",
        "Published costs that nothing here answers to yet",
    ]
    cpu, gpu, beside, apart, *_, rest = found.values()
    assert "cuda" not in cpu
    assert "tensors" in cpu
    assert "allocated" in gpu
    assert re.search(r"first +first +func +\* 5 +335 +30% +3% +11.9 +5% +1.00 +3.0% +3.00", cpu)
    assert "time not run (over limit: the first meta-step took 99 s)" in cpu
    assert re.search(r"no-loop +- +- +\* - +500 ", cpu)
    assert re.search(r"33 % less +33 % less +0.845 \(3\) +reproduced", beside)
    assert "another network" in apart
    assert "no such method" in rest


def test_json_and_csv_have_every_field_of_the_points(both):
    rows, claims = both
    found = json.loads(render_costs(rows, claims, "json"))
    assert list(found[0]) == [f.name for f in fields(CostRow)]
    assert [r["seconds"] for r in found] == [r.seconds for r in rows]
    assert found[0]["round_seconds"] == [0.335, 0.34, 0.33]
    table = list(csv.DictReader(io.StringIO(render_costs(rows, claims, "csv"))))
    assert [r["engine"] for r in table] == [r.engine or "" for r in rows]
    assert table[0]["seconds"] == "0.335"


def test_json_and_csv_of_claims(both):
    _, claims = both
    found = json.loads(render_claims(claims, "json"))
    assert list(found[0]) == claim_columns()
    assert list(found[0])[:5] == ["machine", "hardware", "threads", "paper", "cell"]
    assert [r["verdict"] for r in found] == [r.verdict for r in claims]
    assert {r["source"] for r in found} == {"Doe and Roe 2020"}
    table = list(csv.DictReader(io.StringIO(render_claims(claims, "csv"))))
    assert table[-1]["measured"] == ""


def test_markdown_has_as_many_columns_everywhere(both):
    text = render_costs(*both, "md")
    for table in text.split("**A meta-step")[1:]:
        lines = [x for x in table.split("\n**")[0].splitlines() if x.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_latex_is_balanced(both):
    text = render_costs(*both, "latex")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 7
    assert text.count("{") == text.count("}")
    assert r"33 \% less" in text


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_on_record_is_no_crash(form):
    assert render_costs([], [], form).endswith("\n")
    assert render_claims([], form).endswith("\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0.0000"),
        (0.01234, "0.0123"),
        (0.1234, "0.123"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (1234.5, "1234"),
    ],
)
def test_digits(value, text):
    assert digits(value) == text
