"""`results/` keeps the weights of full-budget runs, and of what `harness explain` tests: of others
those alone that are small.

Of a variant without a full-budget run, `harness explain CELL --variant VARIANT` tests the longest.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.catalog import replications_folder
from harness.explain.explanation import read_explanation
from harness.explain.kept import WEIGHTS
from harness.records.store import StoredRecord, find_records
from harness.run.budget import share

RESULTS = replications_folder().parent / "results"
TOO_LARGE = ("siamese",)
"""Papers whose weights (149 MiB) are too large for the repository."""
SMALL = 10_000
"""Bytes of weights that may be kept of any run."""


def needed(records: Iterable[StoredRecord], explained: set[str]) -> set[str]:
    """Return the record folders whose weights are kept; `explained` are digests of records."""
    longest: dict[tuple[str, str, str], StoredRecord] = {}
    kept = set()
    for stored in records:
        r = stored.record
        if WEIGHTS not in r.files or r.paper in TOO_LARGE:
            continue
        if r.budget == "full" or r.result_digest in explained:
            kept.add(str(stored.folder))
        variant = (r.paper, r.cell, r.variant)
        longest[variant] = min(longest.get(variant, stored), stored, key=_rank)
    return kept | {str(stored.folder) for stored in longest.values()}


def _rank(stored: StoredRecord) -> tuple[int, float]:
    """Return what the published switches and a longer training come first in."""
    return len(stored.record.protocol_differences), -share(stored.record.budget)


def test_weights_that_nothing_needs_are_not_kept():
    paths = (RESULTS / "explain").glob("*/*/*.json")
    explained = {read_explanation(path).record_digest for path in paths}
    files = [path for path in RESULTS.rglob(WEIGHTS) if path.parts[-5] not in TOO_LARGE]
    wanted = needed(find_records(RESULTS), explained)
    assert wanted - {str(path.parent) for path in files} == set()
    large = {str(path.parent) for path in files if path.stat().st_size > SMALL}
    assert large - wanted == set()
