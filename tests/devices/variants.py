"""The variants that tests of devices go through: one for each kind of training step and of task."""

from __future__ import annotations

from functools import cache
from typing import Any

from harness import check
from harness.catalog import Variant, papers
from harness.data.datasets import DATASETS

KNOWN = cache(papers)
"""The papers, whose files are read once."""
QUERIES = [f"tasks.{split}_queries" for split in ("train", "val", "test")]
STAND_IN: dict[str, Any] = {"tasks.dataset": "textures", **dict.fromkeys(QUERIES, 10)}
"""For the colour images, which are not everywhere at hand; each class has 40 images."""
NO_DROPOUT: dict[str, Any] = {"method.dropout": 0.0, "method.dropout_keep": 1.0}

ALIKE = frozenset({"network", "test_batch_norm"})
"""Switches that differ between datasets, and whose code is tried by other variants."""


def variants_of(paper: str) -> dict[str, Variant]:
    """Return variants of a paper by key: one of each task source, and one for each setting of a
    method's switches that are words or truths, as other code runs for each."""
    chosen: dict[Any, Variant] = {}
    for variant in check.variants(KNOWN()[paper].folder):
        settings = variant.protocol()["method"]
        words = {k: v for k, v in settings.items() if isinstance(v, str | bool) and k not in ALIKE}
        for kind in (variant.task_source, (variant.algorithm, tuple(sorted(words.items())))):
            if kind not in chosen:
                chosen[kind] = variant
    return {v.key: alike_everywhere(v) for v in chosen.values()}


def alike_everywhere(variant: Variant) -> Variant:
    """Return the variant on generated images where its own are in colour, and without dropout,
    whose draws are the device's own."""
    protocol = variant.protocol()
    changes = {
        k: v for k, v in NO_DROPOUT.items() if k.removeprefix("method.") in protocol["method"]
    }
    dataset = protocol["tasks"].get("dataset", "")
    if dataset in DATASETS and DATASETS[dataset].color:
        changes |= {
            k: v for k, v in STAND_IN.items() if k.removeprefix("tasks.") in protocol["tasks"]
        }
    return KNOWN()[variant.paper].cells[variant.cell].variant(variant.name, changes)
