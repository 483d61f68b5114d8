"""Methods beside each other as text and plot, and the summary of all papers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from harness.compare.across import across_rows
from harness.compare.across_pairs import across_pairs
from harness.compare.rows import collect
from harness.report.across_plot import plot_across
from harness.report.across_sheet import operations, seconds
from harness.report.markers import Tables, replace_tables
from harness.report.render import FORMATS, render_across, render_across_pairs
from tests.episode_paper import EpisodePaper
from tests.toy_paper import draws


@pytest.fixture
def episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EpisodePaper:
    made = EpisodePaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    cost = {"train_seconds": 600.0, "test_seconds": 4.0, "peak_host_bytes": 2**30}
    for i, (variant, budget) in enumerate([("plain", "full"), ("ours", "full"), ("fancy", "0.1")]):
        x = {"accuracy": draws(95 + i, 4, i)}
        made.add(x, variant=variant, budget=budget, measurement=cost | {"train_seconds": 600 + i})
    return made


def text(paper: EpisodePaper, form: str) -> str:
    found = collect(paper.results, context=True)
    return render_across(across_rows(found, paper.results), across_pairs(found), form)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_published_and_measured(episodes: EpisodePaper, form: str) -> None:
    found = text(episodes, form)
    for part in ("toy/plain", "Other net", "95.0", "94.0"):
        assert part in found
    pairs = render_across_pairs(across_pairs(collect(episodes.results)), form)
    assert "toy/ours" in pairs
    assert "toy/fancy" not in pairs


def test_the_table_labels_the_reduced_budget(episodes: EpisodePaper) -> None:
    accuracy, cost, pairs = text(episodes, "table").split("\n\n")
    lines = accuracy.splitlines()
    [at] = [i for i, line in enumerate(lines) if "97.00" in line]
    assert lines[at].endswith("  0.1")
    assert lines[at + 1].strip() == "not ranked: budget 0.1, not full"
    assert cost.count("10 min") == 3
    assert "1024 MiB host" in cost
    assert "+1.00" in pairs


def test_data_has_a_column_for_each_number(episodes: EpisodePaper) -> None:
    table = list(csv.DictReader(io.StringIO(text(episodes, "csv"))))
    objects = json.loads(text(episodes, "json"))
    assert len(table) == len(objects)
    for line, found in zip(table, objects, strict=True):
        assert line["inference"] == found["setting"]["inference"]
        seconds = found["spent"]["train_seconds"]
        assert line["train_seconds"] == ("" if seconds is None else str(seconds))


def test_plot_of_accuracy_against_cost(episodes: EpisodePaper, tmp_path: Path) -> None:
    shorter = {"variant": "fancy", "budget": "0.05", "measurement": {"train_seconds": 1e-4}}
    episodes.add({"accuracy": draws(50, 4)}, **shorter)
    rows = across_rows(collect(episodes.results, context=True), episodes.results)
    first, second = (plot_across(rows, tmp_path / name) for name in ("a", "b"))
    assert [p.name for p in first] == ["textures-5way-1shot-cpu.svg"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    svg = first[0].read_text()
    assert "<!-- toy/fancy, inductive, budget 0.1 -->" in svg
    assert "budget 0.05" not in svg
    assert "<!-- published, at full budget -->" in svg


def test_without_measured_seconds_nothing_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = EpisodePaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    made.add({"accuracy": draws(95, 4)})
    assert plot_across(across_rows(collect(made.results), made.results), tmp_path) == []


def test_the_page_of_all_papers_is_short(episodes: EpisodePaper) -> None:
    page = "".join(
        f"<!-- results:begin {name} -->\n<!-- results:end {name} -->\n"
        for name in ("all", "across")
    )
    found = replace_tables(page, Tables(episodes.root, episodes.results), "README.md")
    summary, across = found.split("<!-- results:begin across -->")
    assert (
        "| toy/images | plain | full | 1 reproduced (1 seed), 1 inconclusive (1 seed) |" in summary
    )
    assert "| toy/images | fancy | 0.1 | 1 not comparable |" in summary
    header, rule = summary.splitlines()[4:6]
    assert header.count("|") == rule.count("|") == 5
    link = "- [toy](../replications/toy/RESULTS.md): all rows; published numbers not run yet: 1"
    assert link in summary
    assert across.count("| toy/plain |") == 2  # once with its cost, once in the pairs
    assert "| toy/plain | 95.0 ± 0.4; 94.0 | 95.00 |" in across
    assert "Other net" not in across
    assert "Published only: 4 more." in across


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, ""), (59.94, "59.9 s"), (600, "10 min"), (9000, "2.5 h"), (864000, "10 d")],
)
def test_seconds(value: float | None, wanted: str) -> None:
    assert seconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, ""), (12, "12 FLOP"), (2.5e9, "2.5 GFLOP"), (4e16, "40 PFLOP")]
)
def test_operations(value: float | None, wanted: str) -> None:
    assert operations(value) == wanted
