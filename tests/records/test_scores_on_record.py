"""A switch of the protocol that changes no score of thousands of tasks is not connected."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from harness.records.schema import read_record
from harness.records.scores_file import SCORES

ROOT = Path(__file__).parents[2]

DETERMINISTIC = {"bayes-optimal", "gittins", "ucb1", "greedy", "epsilon-greedy"}


def test_records_of_different_protocols_have_different_scores():
    protocols = defaultdict(set)
    for path in sorted((ROOT / "results").rglob("record.json")):
        record = read_record(path)
        protocols[record.files[SCORES]].add(f"{record.cell}/{record.variant}")
    assert len(protocols) > 10
    same = [sorted(cells) for cells in protocols.values() if len(cells) > 1]
    assert [cells for cells in same if not all(map(is_equal_play, cells))] == []


def is_equal_play(cell):
    """Whether a cell and variant are a strategy of RL²'s that may play as another does: with 10
    pulls arms beyond the tenth are never reached, and ε-greedy with ε = 0 is greedy."""
    return cell.startswith("bandit-") and cell.partition("/")[2] in DETERMINISTIC
