"""Records, costs and explanations with anything in any place, and with bytes that were changed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.across import across_rows
from harness.compare.paired import paired_rows
from harness.compare.rows import collect
from harness.costs.record import parse_record
from harness.explain.explanation import read_explanation
from harness.protocol import digest
from harness.report.data import render_json
from harness.report.render import render_rows
from tests.fuzz.guard import boxed, fuzzed, plain, told
from tests.toy_paper import ToyPaper, draws

ROOT = Path(__file__).resolve().parent.parent.parent
COSTS = sorted((ROOT / "results" / "costs").glob("*/*.json"))[0]
EXPLANATION = sorted((ROOT / "results" / "explain").glob("*/*/*.json"))[0]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made


def places(value, path=()):
    """Yield the path of every value in a table."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def put(table, path, value):
    """Put `value` at `path` of a copy of `table`."""
    copy = json.loads(json.dumps(table))
    if not path:
        return value
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


def redigested(raw):
    """Return a changed record with digests that fit, where that can be done."""
    apart = ("measurement", "environment", "result_digest")
    with contextlib.suppress(Exception):
        raw.pop("measured_digest", None)  # as an older record, which has none
        who = [raw[k] for k in ("paper", "cell", "variant", "protocol", "seed", "budget")]
        raw["config_digest"] = digest(who)
        raw["result_digest"] = digest({k: v for k, v in raw.items() if k not in apart})
    return raw


def write(path, raw):
    # A lone surrogate is no text: what JSON says of it is tried, not what a file system does.
    path.write_text(json.dumps(raw, ensure_ascii=True))


def tables(toy):
    """Make every table of what is there."""
    collection = collect(toy.results, context=True)
    text = [render_rows(collection.rows, form) for form in ("table", "json", "csv", "md", "latex")]
    return text, render_json(paired_rows(collection)), across_rows(collection, toy.results)


def test_records(toy):
    path = toy.add({"accuracy": draws(95, 4)}) / "record.json"
    right = json.loads(path.read_text())
    everywhere = list(places(right))
    made = []

    @fuzzed
    @given(st.sampled_from(everywhere), plain)
    def anything(where, value):
        write(path, redigested(put(right, where, value)))
        made.append(told(lambda: tables(toy), toy.root))

    boxed(4, anything)
    assert any(isinstance(said, str) for said in made)
    write(path, right)
    assert not isinstance(told(lambda: tables(toy), toy.root), str)


def test_bytes_of_a_record(toy):
    path = toy.add({"accuracy": draws(95, 4)}) / "record.json"
    right = path.read_bytes()

    @fuzzed
    @given(st.integers(0, len(right) - 1), st.integers(0, 40), st.binary(max_size=40))
    def changed(at, left_out, put_in):
        path.write_bytes(right[:at] + put_in + right[at + left_out :])
        told(lambda: tables(toy), toy.root)

    boxed(1.5, changed)


def test_files_beside_a_record(toy):
    path = toy.add({"accuracy": draws(95, 4)}) / "record.json"
    right = json.loads(path.read_text())

    @fuzzed
    @given(st.sampled_from(sorted(right["files"])), st.binary(max_size=200), st.booleans())
    def changed(name, data, fitting):
        import hashlib

        (path.parent / name).write_bytes(data)
        sha = hashlib.sha256(data).hexdigest() if fitting else right["files"][name]
        write(path, redigested(put(right, ("files", name), sha)))
        told(
            lambda: (tables(toy), [s.curve for g in collect(toy.results).groups for s in g.runs]),
            toy.root,
        )

    boxed(1.5, changed)


@pytest.mark.parametrize("source", [COSTS, EXPLANATION], ids=["costs", "explanation"])
def test_costs_and_explanations(tmp_path, source):
    right = json.loads(source.read_text())
    for name in ("points", "rows"):
        right[name] = right.get(name, [])[:2]
    if source == EXPLANATION:
        del right["points"]
    else:
        del right["rows"]
    everywhere = list(places(right))
    path = tmp_path / "explain" / right["paper"] / right["cell"] / source.name
    path.parent.mkdir(parents=True)

    def read():
        if source == COSTS:
            return parse_record(path.read_text(), "x.json")
        return read_explanation(path)

    @fuzzed
    @given(st.sampled_from(everywhere), plain)
    def anything(where, value):
        raw = put(right, where, value)
        if source == EXPLANATION and isinstance(raw, dict):
            raw.pop("digest", None)
            with contextlib.suppress(ValueError, TypeError):
                raw["digest"] = digest(raw)
        write(path, raw)
        explanation = told(read, tmp_path)
        if not isinstance(explanation, str):
            told(lambda: explanation.to_json(), tmp_path)

    boxed(1, anything)
    path.write_text("[" * 100_000)
    assert "nested too deeply" in told(read, tmp_path)
