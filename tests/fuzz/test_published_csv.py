"""published.csv, published_costs.csv and reimplementations.csv with any field and any bytes."""

from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalog import read_paper
from harness.compare.rows import collect
from harness.costs.published import COLUMNS as COST_COLUMNS
from harness.costs.published import read_claims
from harness.explain.elsewhere import COLUMNS as OTHER_COLUMNS
from harness.explain.elsewhere import read_reimplementations
from tests.fuzz.guard import boxed, fuzzed, told
from tests.toy_paper import PUBLISHED, ToyPaper

ODD = (
    *("1_0", "١٢", "-1", "-3", "1.5", "nan", "inf", "1e999", "0x1", "9" * 5_000, "x" * 200_000),
    *("a\nb", "a\rb", '"', '""', "a,b", "=1+1", "\x00", "\x1b[2J", "\ufeff", "../x", " ", ""),
)
fields = st.sampled_from(ODD) | st.text(max_size=12)
CLAIM = ("images", "less", "seconds", "2", "times", "0.2", "variant=plain", "variant=fancy", "x")
COSTS = dict(zip(COST_COLUMNS, (*CLAIM, "Doe", "high", "", ""), strict=True))
OTHERS = dict(zip(OTHER_COLUMNS, ("port", "images", "method.rate", "0.1", "Doe"), strict=True))


@pytest.fixture
def toy(tmp_path, monkeypatch):
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made


def table(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_all(folder):
    paper = read_paper(folder)
    for cell in paper.cells.values():
        for line in cell.published:
            assert math.isfinite(line.value)
            assert line.interval is None or line.interval >= 0
            assert line.episodes is None or line.episodes >= 1
    claims = read_claims(folder, paper.cells)
    return paper, claims, list(read_reimplementations(folder, paper.cells))


def right_lines():
    header, first, *_ = PUBLISHED.splitlines()
    right = dict(zip(header.split(","), next(csv.reader([first])), strict=True))
    return {
        "published.csv": right,
        "published_costs.csv": COSTS,
        "reimplementations.csv": OTHERS,
    }


@pytest.mark.parametrize("name", ["published.csv", "published_costs.csv", "reimplementations.csv"])
def test_a_long_field_is_not_quoted_whole(toy, name):
    folder, right = toy.replications / "toy", right_lines()[name]
    for column in right:
        (folder / name).write_text(table([right.keys(), (right | {column: "9" * 9_000}).values()]))
        said = told(lambda: read_all(folder), toy.root)
        assert not isinstance(said, str) or len(said) < 1_000


def test_fields(toy):
    folder, files = toy.replications / "toy", right_lines()
    for name, row in files.items():
        (folder / name).write_text(table([row.keys(), row.values()]))
    assert not isinstance(told(lambda: read_all(folder), toy.root), str)

    @fuzzed
    @given(st.sampled_from(sorted(files)), st.data())
    def anything(name, data):
        row = files[name]
        column = data.draw(st.sampled_from(sorted(row)))
        changed = row | {column: data.draw(fields)}
        text = table([row.keys(), changed.values(), row.values()])
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        told(lambda: read_all(folder), toy.root)
        (folder / name).write_text(table([row.keys(), row.values()]))

    boxed(2, anything)


def test_bytes(toy):
    folder = toy.replications / "toy"
    right = PUBLISHED.encode()

    @fuzzed
    @given(
        st.integers(0, len(right)),
        st.integers(0, 60),
        st.binary(max_size=30) | st.sampled_from([b'"', b"\n", b",", b"\xff\xfe", b'"\n"']),
        st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "cp1252"]),
    )
    def changed(at, left_out, put_in, encoding):
        data = right[:at] + put_in + right[at + left_out :]
        if encoding != "utf-8":
            data = data.decode("latin-1").encode(encoding, "replace")
        (folder / "published.csv").write_bytes(data)
        told(lambda: read_all(folder), toy.root)
        collection = told(lambda: collect(toy.results, context=True), toy.root)
        assert not isinstance(collection, str), "a bad paper stops itself alone"
        assert bool(collection.cells) != bool(collection.left_out)

    boxed(1.5, changed)
