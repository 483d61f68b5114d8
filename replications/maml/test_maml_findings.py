"""What FINDINGS.md says, taken from the records again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.records.scores_file import SCORES, parse_scores

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results"
FINDINGS = (HERE / "FINDINGS.md").read_text("utf-8")
PRINTED = {"mse@1": 0.67, "mse@5": 0.38, "mse@10": 0.35}


def shares(variant: str, near: float) -> list[float]:
    """Return for each seed in how many percent of draws of 600 recorded test tasks the means are
    all within `near` of the printed numbers."""
    percentages = []
    for folder in sorted((RESULTS / "maml/sinusoid-5shot" / variant).glob("seed*-full-*")):
        scores = parse_scores((folder / SCORES).read_bytes(), str(folder))
        tasks = np.stack([scores[metric] for metric in PRINTED], 1)
        drawn = np.random.default_rng(0).integers(0, len(tasks), (2000, 600))
        off = np.array([tasks[d].mean(0) for d in drawn]) - list(PRINTED.values())
        percentages.append(100 * float((abs(off) <= near).all(1).mean()))
    return percentages


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("near", [0.07, 0.09])
@pytest.mark.parametrize(("rate", "variant"), [("0.01", "maml"), ("0.001", "maml-code-rate")])
def test_how_often_a_draw_of_600_tasks_gives_the_table(rate: str, variant: str, near: float):
    [row] = [
        line
        for line in FINDINGS.splitlines()
        if line.startswith(f"| step size {rate}, within {near},")
    ]
    said = [int(cell) for cell in row.split("|")[2:] if cell.strip()]
    # The page has ten times the draws; 5 points are more than four deviations of the difference.
    assert shares(variant, near) == pytest.approx(said, abs=5)


def test_steps_without_convolutions_are_those_on_record():
    [folder] = (RESULTS / "maml/omniglot-5way-5shot/no-conv").glob("seed0-full-*")
    metrics = json.loads((folder / "record.json").read_text("utf-8"))["metrics"]
    recorded = [metrics[f"accuracy@{k}"] for k in (1, 2, 3, 5, 10)]
    cells = [f"{m['mean']:.1f} ± {m['ci95']:.1f}" for m in recorded]
    assert f"| 0.4, as in training | {' | '.join(cells)} |" in FINDINGS
    assert folder.name in FINDINGS


def test_first_order_saves_the_operations_on_record():
    [file] = RESULTS.glob("costs/*/maml-mini-imagenet-5way-1shot.json")
    points = json.loads(file.read_text("utf-8"))["points"]
    first, second = sorted({p["operations_per_step"] for p in points})
    assert f"{100 * (1 - first / second):.2f} % ({first / 1e9:.1f} instead of" in FINDINGS
