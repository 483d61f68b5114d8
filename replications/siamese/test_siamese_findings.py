"""What README.md says of the nearest-neighbour baselines, taken from the records again."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records.scores_file import SCORES, parse_scores

RECORDS = Path(__file__).parents[2] / "results/siamese/one-shot"


@pytest.mark.parametrize(
    ("variant", "right"), [("nearest-pixels-cosine", 87), ("nearest-pixels", 76)]
)
def test_right_trials_of_lakes_400(variant: str, right: int):
    [folder] = (RECORDS / variant).glob("seed0-full-*")
    runs = parse_scores((folder / SCORES).read_bytes(), str(folder))["accuracy"]
    assert len(runs) == 20
    assert 20 * runs.sum() / 100 == pytest.approx(right, abs=1e-4)
