"""A switch of the protocol that changes no score of thousands of tasks is not connected."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from harness.records.schema import read_record
from harness.records.scores_file import SCORES

ROOT = Path(__file__).parents[2]


def test_records_of_different_protocols_have_different_scores():
    protocols = defaultdict(set)
    for path in sorted((ROOT / "results").rglob("record.json")):
        record = read_record(path)
        protocols[record.files[SCORES]].add(f"{record.cell}/{record.variant}")
    assert len(protocols) > 10
    same = [sorted(cells) for cells in protocols.values() if len(cells) > 1]
    assert not same
