"""paper.toml with any value in any place, and with bytes that were changed."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalog import read_paper
from harness.compare.rows import collect
from tests.fuzz.guard import boxed, fuzzed, told
from tests.toy_paper import PAPER, ToyPaper

ODD = (
    *("9" * 5_000, "-" + "9" * 400, "0x" + "f" * 5_000, "1e999", "nan", "1_0", "1970-01-01"),
    *("[" * 3_000 + "]" * 3_000, "{ a = 1 }", "[[], [1, 2]]", "true", '""', '"../x"', '"a/b"'),
    f'"{"x" * 200_000}"',
)
values = st.sampled_from(ODD) | st.text(max_size=12).map(json.dumps) | st.integers().map(str)
LINES = [i for i, line in enumerate(PAPER.splitlines()) if "=" in line]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made


def resolved(folder):
    """Read the paper, and each variant as it is written and as a run would have it."""
    paper = read_paper(folder)
    for cell in paper.cells.values():
        for name in cell.variants:
            json.dumps(cell.written(name), allow_nan=False)
            told(lambda c=cell, n=name: c.variant(n).protocol(), folder.parent.parent)
    return paper


def test_values(toy):
    folder = toy.replications / "toy"
    assert not isinstance(told(lambda: resolved(folder), toy.root), str)

    @fuzzed
    @given(st.sampled_from(LINES), values)
    def anything(at, value):
        lines = PAPER.splitlines()
        lines[at] = f"{lines[at].partition('=')[0]}= {value}"
        (folder / "paper.toml").write_text("\n".join(lines))
        told(lambda: resolved(folder), toy.root)

    boxed(1.5, anything)


def test_names(toy):
    folder = toy.replications / "toy"

    @fuzzed
    @given(
        st.sampled_from(["paper", "bases", "cells", "algorithms", "cells.images.variants"]),
        st.text(max_size=8) | st.sampled_from(["..", "a/b", "a b", "\x1b[2J", "x" * 5_000]),
        values,
    )
    def anything(table, name, value):
        more = f"[{table}.{json.dumps(name)}]\nx = {value}\n"
        (folder / "paper.toml").write_bytes((PAPER + more).encode("utf-8", "surrogatepass"))
        told(lambda: resolved(folder), toy.root)

    boxed(1, anything)


def test_deep_names(toy):
    """Dotted keys make tables in each other without a bracket."""
    path = toy.replications / "toy" / "paper.toml"
    path.write_text(f"{PAPER}\n[bases.odd.method]\n{'.'.join(['a'] * 500)} = 1\n")
    assert "levels of nesting" in told(lambda: resolved(path.parent), toy.root)
    assert tomllib.loads(path.read_text())["bases"]["odd"]


def test_bytes(toy):
    folder = toy.replications / "toy"
    right = PAPER.encode()

    @fuzzed
    @given(st.integers(0, len(right)), st.integers(0, 60), st.binary(max_size=30))
    def changed(at, left_out, put_in):
        (folder / "paper.toml").write_bytes(right[:at] + put_in + right[at + left_out :])
        told(lambda: resolved(folder), toy.root)
        assert not isinstance(told(lambda: collect(toy.results), toy.root), str)

    boxed(1.5, changed)
