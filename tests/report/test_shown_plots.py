"""The plots in `results/` are those that pages show, and pages keep to one page."""

from __future__ import annotations

from pathlib import Path

from harness.catalog import papers
from harness.records.store import find_records
from harness.report.shown_plots import shown_plots

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 160
"""Lines of the front page, and of the page of a paper."""


def test_every_plot_in_results_is_shown_and_every_plot_shown_is_there() -> None:
    folder = ROOT / "results" / "plots"
    there = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.*")}
    assert there == shown_plots(ROOT)
    assert {path.suffix for path in folder.rglob("*.*")} == {".svg"}


def test_the_page_of_each_paper_that_was_run_shows_a_plot() -> None:
    run = {stored.record.paper for stored in find_records(ROOT / "results")}
    texts = {
        paper: (ROOT / "replications" / paper / "README.md").read_text("utf-8") for paper in run
    }
    assert [paper for paper in sorted(run) if f"results/plots/{paper}/" not in texts[paper]] == []


def test_a_page_is_one_page() -> None:
    pages = [ROOT / "README.md", *(paper.folder / "README.md" for paper in papers().values())]
    lengths = {page: len(page.read_text("utf-8").splitlines()) for page in pages}
    assert {page: n for page, n in lengths.items() if n > LONGEST} == {}
