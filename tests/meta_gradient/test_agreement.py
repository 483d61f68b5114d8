"""All engines give one gradient in float64: engine x model x order x steps, against `higher`.

`pytest tests/meta_gradient/test_agreement.py -s -k table` prints the differences as one table; with
`HARNESS_AGREEMENT_TABLE=FILE` set it is written to that file as well.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
import torch

from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import MetaGradient
from tests.meta_gradient.problems import PROBLEMS, distance, inner_loop, start

OTHERS = [e for e in ENGINES if e != "higher"]
ORDERS = {"second": False, "first": True}
STEPS = (0, 1, 2, 5)
TOLERANCE = 1e-9


@cache
def meta_gradient(which: str, name: str, order: str, steps: int) -> MetaGradient:
    problem, batch = PROBLEMS[name]()
    return engine(which)(problem, start(problem), batch, inner_loop(problem, steps, ORDERS[order]))


def difference(which: str, name: str, order: str, steps: int) -> float:
    """Relative to the largest entry of the gradient that `higher` gives."""
    return distance(
        meta_gradient(which, name, order, steps), meta_gradient("higher", name, order, steps)
    )


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("other", OTHERS)
def test_engines_agree_with_higher(other, name, order, steps):
    assert difference(other, name, order, steps) < TOLERANCE
    loss, reference = (meta_gradient(e, name, order, steps).loss for e in (other, "higher"))
    torch.testing.assert_close(loss, reference, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", PROBLEMS)
def test_orders_and_steps_give_different_gradients(name):
    """Else agreement would say nothing: the columns of the table are not one number."""
    one, two, no_steps = (
        meta_gradient("loop", name, order, steps)
        for order, steps in (("second", 1), ("first", 1), ("first", 0))
    )
    assert distance(one, two) > 1e-3
    assert distance(two, no_steps) > 1e-3


def test_table():
    columns = [(order, steps) for order in ORDERS for steps in STEPS]
    rows = {(e, n): [difference(e, n, *c) for c in columns] for e in OTHERS for n in PROBLEMS}
    table = markdown(columns, rows)
    print(f"\n{table}")
    if path := os.environ.get("HARNESS_AGREEMENT_TABLE"):
        Path(path).write_text(table + "\n", encoding="utf-8")
    assert table.count("\n") == 1 + len(OTHERS) * len(PROBLEMS)
    assert max(max(row) for row in rows.values()) < TOLERANCE


def markdown(columns: list[tuple[str, int]], rows: dict[tuple[str, str], list[float]]) -> str:
    """Largest difference relative to the largest entry, `order, steps` across."""
    head = ["engine", "model", *(f"{order}, {steps}" for order, steps in columns)]
    body = [[*names, *(f"{d:.0e}" for d in row)] for names, row in rows.items()]
    lines = [head, [*["---"] * 2, *["---:"] * len(columns)], *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
