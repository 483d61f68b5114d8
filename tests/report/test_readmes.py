from pathlib import Path

from harness.report.markers import stale_markers

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_in_our_pages_are_those_of_our_records() -> None:
    stale = stale_markers(ROOT, ROOT / "results")
    assert not stale, f"run `harness compare --update-readmes`: {', '.join(stale)}"
