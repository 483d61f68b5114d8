"""Protocol of DeepCoder as literals beside `paper.toml`. Source: the paper, sections 4 and 5.1; the
authors' code; for batch and epochs a re-implementation (README.md, departures)."""

from __future__ import annotations

import pytest

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_starts, normal

SHARED = {
    "task_source": "programs",
    "tasks.numbers": 256,
    "tasks.entries": 10,
    "tasks.examples": 5,
    "tasks.redrawn": False,
    "tasks.held_out": 0.1,
    "tasks.test_programs": 500,
    "method.test_scores": "attributes",
    "method.test_solved_within": list(range(4, 24)),
    "testing.tasks": 4,
    "testing.best_of_steps": False,
    "training.validation_tasks": 0,
    "training.selection": "last",
}
ALL = ["list", "list-int", "list-list", "list-int-int", "list-list-int", "list-list-list"]
CELLS = {
    "length-3": {"tasks.test_signatures": ALL[:3], "tasks.test_mix": "equal"},
    "length-3-one-list": {"tasks.test_signatures": ["list"]},
    "length-3-list-and-integer": {"tasks.test_signatures": ["list-int"]},
    "length-3-two-lists": {"tasks.test_signatures": ["list-list"]},
    "length-3-three-lists": {"tasks.test_signatures": ["list-list-list"]},
    "length-3-all": {"tasks.test_signatures": ALL, "tasks.test_mix": "by-programs"},
}
NETWORK = {
    "algorithm": "network",
    "method.embedding": 20,
    "method.units": [256, 256, 256],
    "method.padded": 20,
    "method.learning_rate": 0.001,
    "training.iterations": 13446,  # ten times 43,025 programs
    "training.iteration_cap": 13446,
    "training.meta_batch": 32,
}
COUNTED = {"training.iterations": 1, "training.meta_batch": 1}
DEPTH_FIRST, SORT_AND_ADD = (
    {"method.test_search": "depth-first"},
    {"method.test_search": "sort-and-add"},
)
VARIANTS = {
    "network": NETWORK | DEPTH_FIRST,
    "network-sort-and-add": NETWORK | SORT_AND_ADD,
    "prior": {"algorithm": "prior"} | COUNTED | DEPTH_FIRST,
    "prior-sort-and-add": {"algorithm": "prior"} | COUNTED | SORT_AND_ADD,
    "oracle": {"algorithm": "oracle"} | COUNTED | DEPTH_FIRST,
    "oracle-sort-and-add": {"algorithm": "oracle"} | COUNTED | SORT_AND_ADD,
}
TABLE = rows(SHARED, CELLS, VARIANTS)
OWN = SHARED | CELLS["length-3"] | NETWORK | DEPTH_FIRST
TABLE["length-3"]["network-authors-scores"] = OWN | {"method.test_scores": "authors-code"}
TABLE["length-3"]["network-redrawn"] = OWN | {"tasks.redrawn": True}


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_the_papers(cell: str, variant: str) -> None:
    assert_protocol("deepcoder", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("deepcoder", TABLE)


def test_the_network_starts_as_in_the_re_implementation() -> None:
    """By LeCun's normal law, as Chainer's layers do; embeddings by the standard normal one. It has
    a type and 20 embedded integers for each of three inputs and the output."""
    weights = published_method("deepcoder", "length-3", "network").weights()
    wide = 4 * (2 + 20 * 20)
    assert sum(w.numel() for w in weights.values()) == (
        513 * 20 + 256 * (wide + 1) + 2 * 256 * 257 + 34 * 257
    )
    laws = {
        "embedding": normal(1.0),
        "hidden.0.weight": normal(wide**-0.5),
        "hidden.[12].weight": normal(1 / 16),
        "out.weight": normal(1 / 16),
        "*.bias": 0,
    }
    assert_starts(weights, laws)
