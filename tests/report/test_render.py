import csv
import io
import json
import math
import re
from dataclasses import fields, replace

import pytest

from harness.compare.paired import PairedRow, paired_rows
from harness.compare.row import Row
from harness.compare.rows import collect
from harness.report.latex import escape
from harness.report.render import FORMATS, render_paired, render_rows
from tests.toy_paper import ToyPaper, draws

COLUMNS = """
    paper cell variant metric verdict reason published published_interval interval_kind
    published_episodes published_seeds source table confidence note method
    measured task_interval seed_interval seeds trained_seeds seed_spread seed_spread_of median tasks
    margin difference difference_interval budget device protocol_differences commits records
    kind dataset ways shots inference command
"""


@pytest.fixture
def rows(toy: ToyPaper) -> list[Row]:
    for seed in range(3):
        toy.add({"accuracy": draws(95.1 + 0.1 * seed, 4, seed)}, seed=seed)
    toy.add({"accuracy": draws(98, 4)}, variant="fancy")
    toy.add({"mse@0": draws(4, 1)}, cell="curves", budget="0.1")
    return collect(toy.results, context=True).rows


def test_table_is_aligned_and_narrow(rows: list[Row]) -> None:
    text = render_rows(rows, "table")
    assert max(map(len, text.splitlines())) <= 120
    assert (
        "  plain    accuracy  95.0 ± 0.4  95.20   0.23 (400)     0.25 (3)  cpu  reproduced" in text
    )
    assert "one seed  cpu  ▲ better (1 seed)" in text
    apart = text[text.index("Not comparable with the paper") :]
    assert "budget 0.1, not full" in apart
    assert "reproduced" not in apart
    assert apart.index("mse@0") < apart.index("Quoted for context") < apart.index("90.0")


def test_worse_is_as_loud_as_better(rows: list[Row]) -> None:
    better = [r for r in rows if r.verdict.name == "better"]
    low = [replace(r, verdict=replace(r.verdict, name="worse")) for r in better]
    assert "▼ worse" in render_rows(low, "table")


def test_json_is_strict(rows: list[Row]) -> None:
    odd = replace(
        rows[0],
        measured=replace(rows[0].measured, mean=math.nan),
        verdict=replace(rows[0].verdict, difference_interval=(-math.inf, 1.0)),
    )

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(render_rows([odd, *rows[1:]], "json"), parse_constant=refuse)
    assert len(found) == len(rows)
    assert list(found[0]) == COLUMNS.split()
    assert found[0]["measured"] is None
    assert found[0]["difference_interval"] == [None, 1.0]
    assert found[0]["seeds"] == [0, 1, 2]
    assert [(r["verdict"], r["trained_seeds"]) for r in found[:2]] == [
        ("reproduced", 3),
        ("better", 1),
    ]
    assert found[1]["measured"] == rows[1].measured.mean


def test_csv_keeps_every_digit(rows: list[Row]) -> None:
    found = list(csv.DictReader(io.StringIO(render_rows(rows, "csv"))))
    assert [r["verdict"] for r in found] == [r.verdict_words for r in rows]
    assert [r["verdict"] for r in found[:2]] == ["reproduced", "better (1 seed)"]
    assert float(found[0]["measured"]) == rows[0].measured.mean
    assert found[0]["seeds"] == "0; 1; 2"
    assert found[1]["seed_interval"] == ""


def test_markdown_has_as_many_columns_everywhere(rows: list[Row]) -> None:
    verdict = replace(rows[0].verdict, reason="a|b <c> [d] *e*_f_")
    odd = replace(rows[0], verdict=verdict, variant="x|y")
    tables = [x for x in render_rows([odd, *rows[1:]], "md").splitlines() if x.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {11}
    assert r"a\|b \<c> \[d\] \*e\*\_f\_" in tables[2]


def test_latex_is_escaped_and_balanced(rows: list[Row]) -> None:
    text = render_rows([replace(rows[0], variant="50%_a&b")], "latex")
    assert r"50\%\_a\&b & accuracy & 95.0 $\pm$ 0.4 & 95.20" in text
    for command in (r"\begin{tabular}", r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"):
        assert text.count(command) == 1
    assert text.count("{") == text.count("}")
    assert escape("a\\b~c^d{e}") == (
        r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d\{e\}"
    )
    assert r"\textbf{better} (1 seed)" in render_rows(rows, "latex")
    assert "▲ better (1 seed)" in render_rows(rows, "md")


@pytest.mark.parametrize("form", FORMATS)
def test_pairs_come_in_every_format(toy: ToyPaper, form: str) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(97, 4, 1)}, variant="ours")
    pairs = paired_rows(collect(toy.results))
    text = render_paired(pairs, form)
    assert text.endswith("\n")
    assert "-2.0" in text or "-1.99" in text
    assert "two trainings" in text
    if form in ("table", "md", "latex"):
        assert "nothing is said of the methods" in text
        assert "<0.001" not in text.replace("$<$", "<")
    if form == "json":
        assert list(json.loads(text)[0]) == [f.name for f in fields(PairedRow)]


@pytest.mark.parametrize("form", FORMATS)
def test_no_rows_is_no_crash(form: str) -> None:
    assert render_rows([], form).endswith("\n")
    assert render_paired([], form).endswith("\n")


def test_a_spreadsheet_computes_nothing_of_a_csv(rows: list[Row]) -> None:
    words = {"source": "=cmd|' /C calc'!A0", "table": "@SUM(A1)", "note": "\tx\n=1+1"}
    assert rows[0].line is not None
    one = replace(
        rows[0],
        line=replace(rows[0].line, **words, value=-0.5),
        verdict=replace(rows[0].verdict, reason=" -2+3", difference_interval=(-0.25, 1e-07)),
        runs=replace(rows[0].runs, protocol_differences=("+1", "b")),
    )
    [found] = csv.DictReader(io.StringIO(render_rows([one], "csv")))
    assert found["source"] == "'=cmd|' /C calc'!A0"
    assert found["table"] == "'@SUM(A1)"
    assert (found["note"], found["reason"]) == ("'\tx =1+1", "' -2+3")
    assert found["protocol_differences"] == "'+1; b"
    assert (found["published"], found["difference_interval"]) == ("-0.5", "-0.25; 1e-07")
