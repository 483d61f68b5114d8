"""The fixture `compare`: times contenders in turn, keeps the ratios, prints them at the end."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from harness.run.allocator import keep_freed_memory
from tests.bench.floor import FLOOR, product
from tests.bench.interleave import interleave
from tests.bench.ratio_report import Comparison

TABLES = pytest.StashKey[list[list[str]]]()
FOLDER = pytest.StashKey[Path]()
DEVICES = (
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
        ],
    ),
)


@pytest.fixture(params=DEVICES)
def device(request, monkeypatch):
    """Return `cpu` or `cuda`; on the second, convolutions are in float32 as products are."""
    if request.param == "cuda":
        cudnn = torch.backends.cudnn
        newer = getattr(cudnn, "conv", None)  # of torch 2.9; the older name warns beside it
        if hasattr(newer, "fp32_precision"):
            monkeypatch.setattr(newer, "fp32_precision", "ieee")
        else:
            monkeypatch.setattr(cudnn, "allow_tf32", False)
    return request.param


@pytest.fixture
def compare(request):
    """Return a function (case, title, contenders, reference, …) → `Comparison`, printed and
    kept."""
    config = request.config
    if not config.getoption("ratios"):
        pytest.skip("timed comparisons run with --ratios (`tox -e bench`)")
    # As the run loop has it. It is the process's allocator, so every contender gains.
    keep_freed_memory()

    def run(case, title, contenders, reference, device="cpu", operations=0, **about):
        work = dict(contenders)
        if operations:
            work[FLOOR] = product(device)
        wait = torch.cuda.synchronize if device == "cuda" else lambda: None
        budget_s = config.getoption("bench_seconds")
        comparison = Comparison(
            case=case if device == "cpu" else f"{case}-{device}",
            title=title,
            timings=interleave(work, budget_s=budget_s, wait=wait),
            reference=reference,
            operations=operations,
            device=device,
            **about,
        )
        config.stash.setdefault(TABLES, []).append(comparison.table())
        comparison.store(config.stash.setdefault(FOLDER, folder(config)))
        return comparison

    return run


def folder(config: pytest.Config) -> Path:
    """Return the folder of this run's files."""
    given = config.getoption("bench_store") or os.environ.get("HARNESS_BENCH_STORE")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path(given) if given else config.rootpath / ".benchmarks" / "ratios" / stamp


def pytest_terminal_summary(terminalreporter, config):
    tables = config.stash.get(TABLES, [])
    if not tables:
        return
    terminalreporter.section("ratios of paired times, contenders in turn")
    for table in tables:
        for line in (*table, ""):
            terminalreporter.write_line(line)
    terminalreporter.write_line(f"stored in {config.stash[FOLDER]}")
