"""What is printed and kept of timings that are known, and of a real run from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.meta_gradient.engines import ENGINES
from tests.bench.floor import FLOOR, PRODUCT_OPERATIONS
from tests.bench.interleave import Timings
from tests.bench.ratio_report import Comparison

ROOT = Path(__file__).resolve().parents[2]
TIMINGS = Timings({"other": [0.2, 0.4, 0.6], "mine": [0.1, 0.1, 0.2], FLOOR: [0.02, 0.04, 0.04]})


def comparison(**more):
    about = {"operations": PRODUCT_OPERATIONS // 2, "left_out": {"third": "not installed"}}
    return Comparison("case", "a case", TIMINGS, "mine", **(about | more))


def test_the_table():
    head, *rows, floor, left_out = comparison(units=6, unit="episodes").table()
    assert head.startswith("a case  [3 rounds, cpu, ")
    assert [row.split() for row in rows] == [
        ["median", "times", "mine", "(quartiles)", "episodes/s", "of", "the", "floor"],
        ["mine", "100.00", "ms", "1", "60", "10%"],
        ["other", "400.00", "ms", "3", "(2.5", "to", "3.5)", "15", "5%"],
    ]
    assert floor.startswith("floor: 8.59 GFLOP at the ")
    assert floor.endswith("GFLOP/s of a large float32 product take 20 ms")
    assert left_out == "left out: third: not installed"


def test_without_operations_there_is_no_floor():
    about = comparison(operations=0)
    assert "floor" not in "\n".join(about.table())
    assert "share_of_floor" not in about.as_json()


def test_what_is_kept(tmp_path):
    kept = json.loads(comparison().store(tmp_path / "new").read_text(encoding="utf-8"))
    assert kept["seconds"] == {k: list(v) for k, v in TIMINGS.seconds.items()}
    assert kept["ratios"]["other"]["mine"] == pytest.approx({"median": 3, "low": 2.5, "high": 3.5})
    assert kept["ratios"]["mine"]["other"]["median"] == pytest.approx(1 / 3)
    assert kept["share_of_floor"] == pytest.approx({"mine": 0.1, "other": 0.05})
    assert {"torch_threads", "processor", "libraries"} <= kept["environment"].keys()
    assert kept["left_out"] == {"third": "not installed"}


def test_a_comparison_from_end_to_end(tmp_path):
    """As `tox -e bench` runs it, on the quickest case."""
    words = ["tests/bench", "-k", "test_meta_step and sinusoid and cpu", "--ratios", "-q"]
    words += ["--bench-seconds=0", f"--bench-store={tmp_path}", "-p", "no:cacheprovider"]
    # Not as a worker of the tests around it: pytest-benchmark warns where it sees one.
    outside = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=outside,
    )
    assert done.returncode == 0, done.stdout
    assert "meta-step: maml/sinusoid-10shot (sinusoids), 25 tasks  [5 rounds, cpu" in done.stdout
    kept = json.loads((tmp_path / "meta-step-sinusoid-10shot.json").read_text(encoding="utf-8"))
    compared = {*kept["seconds"], *kept["left_out"]}
    assert compared == {*ENGINES, "plain loop", "torchopt"}
    assert all(len(seconds) == 5 for seconds in kept["seconds"].values())
