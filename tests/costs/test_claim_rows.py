"""Verdicts on published claims, from made-up points."""

from __future__ import annotations

import dataclasses

import pytest

from harness.costs.claim_rows import claim_rows
from harness.costs.published import CostClaim
from tests.costs.made_up import SESSION, cost_point, cost_record

CLAIM = CostClaim(
    paper="toy",
    cell="loops",
    claim="first order is faster",
    quantity="seconds",
    value=33.0,
    unit="percent less",
    margin=5.0,
    point={"order": "first"},
    against={"order": "second"},
    setting="toys on a GPU",
    source="Doe and Roe 2020",
    confidence="high",
    obstacle="",
    note="",
)


def judged(cell, claim, *points):
    [row] = claim_rows(cell, [claim], [cost_record(*points)])
    return row


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        ((0.66, 0.67, 0.68), "reproduced", "within the margin"),
        ((0.90, 0.91, 0.92), "worse", "dearer than the paper says, by more"),
        ((0.40, 0.41, 0.42), "better", "cheaper than the paper says, by more"),
        ((0.40, 0.67, 0.94), "inconclusive", "too wide to tell: more rounds decide"),
        ((0.67,), "inconclusive", "one round has no interval: more rounds decide"),
    ],
)
def test_seconds_are_judged_over_rounds(cell, seconds, verdict, words):
    first = cost_point(cell, "first", seconds=seconds)
    second = cost_point(cell, "second", seconds=(1.0,) * len(seconds))
    row = judged(cell, CLAIM, first, second)
    assert row.verdict == verdict
    assert row.reason.startswith(words)
    assert row.measured.rounds == len(seconds)
    assert row.measured.mean == pytest.approx(100 * (1 - sum(seconds) / len(seconds)))
    assert (
        row.measured.variant,
        row.measured.order,
        row.measured.engine,
        row.measured.inner_steps,
    ) == ("second", None, "func", 5)


def test_a_machine_that_drifts_does_not_touch_the_ratio(cell):
    drift = (1.0, 3.0, 0.4)
    first = cost_point(cell, "first", seconds=tuple(0.67 * d for d in drift))
    row = judged(cell, CLAIM, first, cost_point(cell, "second", seconds=drift))
    assert row.verdict == "reproduced"
    assert row.measured.interval is None or row.measured.interval < 1e-9


def test_the_reason_has_the_numbers(cell):
    first = cost_point(cell, "first", seconds=(0.9, 0.9, 0.9))
    row = judged(cell, CLAIM, first, cost_point(cell, seconds=(1.0, 1.0, 1.0)))
    assert "difference -23.00, 90 % CI [-23.00, -23.00], margin ±5.000" in row.reason


def test_memory_is_one_exact_number(cell):
    claim = dataclasses.replace(
        CLAIM,
        **{"quantity": "memory", "value": 1.0, "unit": "times", "margin": 0.1},
        **{"point": {"inner_steps": 10}, "against": {"inner_steps": 1}},
    )
    flat = [
        cost_point(cell, steps=1, mebibytes=3.0),
        cost_point(cell, steps=10, mebibytes=3.1),
    ]
    row = judged(cell, claim, *flat)
    assert (row.verdict, row.measured.interval, row.measured.inner_steps) == (
        "reproduced",
        None,
        None,
    )
    assert row.measured.mean == pytest.approx(3.1 / 3)
    growing = [flat[0], cost_point(cell, steps=10, mebibytes=9.0)]
    assert judged(cell, claim, *growing).verdict == "worse"


def test_device_memory_is_what_the_step_adds(cell):
    claim = dataclasses.replace(CLAIM, quantity="memory", unit="times", value=0.5, margin=0.1)

    def on_device(order, peak):
        point = cost_point(cell, order, device="cuda")
        bytes_of = {"device_allocated_bytes": peak, "device_before_bytes": 100}
        return dataclasses.replace(point, memory=dataclasses.replace(point.memory, **bytes_of))

    row = judged(cell, claim, on_device("first", 150), on_device("second", 200))
    assert row.measured.mean == 0.5


def test_operations_are_compared_too(cell):
    claim = dataclasses.replace(CLAIM, quantity="operations")
    first = cost_point(cell, "first", operations_per_step=67)
    row = judged(cell, claim, first, cost_point(cell, operations_per_step=100))
    assert (row.verdict, row.measured.mean) == ("reproduced", pytest.approx(33))
    row = judged(cell, claim, first, cost_point(cell, operations_per_step=None))
    assert row.verdict == "not run"


def test_only_like_points_are_paired(cell):
    points = [
        *(cost_point(cell, o, e) for o in ("first", "second") for e in (1, 5)),
        *(cost_point(cell, o, 5, "loop") for o in ("first", "second")),
        cost_point(cell, "first", 5, "higher"),
        cost_point(cell, "second", 5, family="fast"),
    ]
    rows = claim_rows(cell, [CLAIM], [cost_record(*points)])
    # Five steps are the paper's; `higher` has no second order, `fast` no first.
    assert [(r.measured.engine, r.measured.inner_steps) for r in rows] == [("func", 5), ("loop", 5)]


def test_points_with_other_switches_are_left_out(cell):
    odd = cost_point(cell, "first")
    odd = dataclasses.replace(odd, point=dataclasses.replace(odd.point, sets=("method.rate=2",)))
    row = judged(cell, CLAIM, odd, cost_point(cell))
    assert (row.verdict, row.measured) == ("not run", None)


def test_variants_can_be_named(cell):
    claim = dataclasses.replace(CLAIM, point={"variant": "fast"}, against={"variant": "second"})
    fast = cost_point(cell, family="fast", seconds=(0.67, 0.67, 0.67))
    row = judged(cell, claim, fast, cost_point(cell, seconds=(1.0, 1.0, 1.0)))
    assert (row.verdict, row.measured.variant, row.measured.order) == ("reproduced", "", "second")


def test_what_is_not_comparable_is_shown_beside(cell):
    claim = dataclasses.replace(CLAIM, obstacle="another network", margin=None)
    row = judged(cell, claim, cost_point(cell, "first"), cost_point(cell))
    assert (row.verdict, row.reason) == ("not comparable", "another network")
    assert row.measured.mean == pytest.approx(0.0)


def test_points_of_two_sessions_are_not_compared(cell):
    record = cost_record(cost_point(cell, "first", session=1), cost_point(cell))
    record = dataclasses.replace(record, sessions=(SESSION, SESSION))
    [row] = claim_rows(cell, [CLAIM], [record])
    assert row.verdict == "not comparable"
    assert row.reason == "the two points were not measured in one session"


def test_points_of_other_switches_than_todays_are_not_compared(cell):
    row = judged(cell, CLAIM, cost_point(cell, "first", switches="0" * 64), cost_point(cell))
    assert row.verdict == "not comparable"
    assert row.reason == "measured with other switches than today's paper.toml has"


def test_a_point_that_was_not_measured_says_why(cell):
    row = judged(cell, CLAIM, cost_point(cell, "first"), cost_point(cell, seconds=()))
    assert (row.verdict, row.measured.mean) == ("not run", None)
    assert row.reason.endswith("second, func, second order, 5 inner steps: over limit")


def test_changes_that_are_in_no_commit_are_told(cell):
    record = cost_record(cost_point(cell, "first"), cost_point(cell))
    dirty = dataclasses.replace(SESSION, clean=False)
    [row] = claim_rows(cell, [CLAIM], [dataclasses.replace(record, sessions=(dirty,))])
    assert row.reason.endswith("; from a working tree with changes that are in no commit")


def test_machines_have_rows_of_their_own(cell):
    points = (cost_point(cell, "first"), cost_point(cell))
    records = [cost_record(*points), cost_record(*points, machine="other-1-threads")]
    rows = claim_rows(cell, [CLAIM], records)
    assert [r.measured.machine for r in rows] == ["toy-cpu-2-threads", "other-1-threads"]


def test_a_claim_without_an_answer_is_context_or_not_run(cell):
    context = dataclasses.replace(CLAIM, point={}, against={}, margin=None)
    other_cell = dataclasses.replace(CLAIM, cell="images")
    rows = claim_rows(cell, [context, CLAIM, other_cell], [])
    assert [r.verdict for r in rows] == ["context", "not run"]
