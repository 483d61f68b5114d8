"""Rows of the table of costs."""

from __future__ import annotations

import dataclasses

import pytest

from harness.costs.rows import cost_rows
from tests.costs.made_up import SESSION, cost_point, cost_record


def test_medians_over_rounds(cell):
    [row] = cost_rows(cell, cost_record(cost_point(cell, seconds=(0.5, 9.0, 0.4))))
    assert row.seconds == 0.5
    assert (row.seconds_q1, row.seconds_q3) == pytest.approx((0.45, 0.6))
    assert row.round_seconds == (0.5, 9.0, 0.4)
    assert row.steps_timed == 60
    assert row.tasks_per_second == 8
    assert row.share_of_peak == pytest.approx(1e9 / 0.5 / 1e11)
    assert row.live_tensor_bytes == 3 * 2**20
    assert (row.torch, row.commit, row.note) == ("2.9.0", "0123456789abcdef", "")


def test_what_was_not_measured_is_none_and_the_note_says_why(cell):
    [row] = cost_rows(cell, cost_record(cost_point(cell, seconds=(), mebibytes=None)))
    assert row.seconds is row.share_of_peak is row.live_tensor_bytes is None
    assert row.note == (
        "time not run (over limit: the first meta-step took 99 s); "
        "memory not run (out of memory: MemoryError: too much)"
    )


def test_one_reason_for_both_is_told_once(cell):
    ends = {"time_status": "failed", "time_note": "No.", "memory_note": "No."}
    found = cost_point(cell, seconds=(), mebibytes=None, memory_status="failed", **ends)
    [row] = cost_rows(cell, cost_record(found))
    assert row.note == "time and memory not run (failed: No)"


def test_operations_that_cannot_be_counted_have_no_share(cell):
    [row] = cost_rows(cell, cost_record(cost_point(cell, operations_per_step=None)))
    assert row.seconds is not None
    assert row.share_of_peak is None


def test_order(cell):
    shuffled = [
        cost_point(cell, "second", 5, "loop"),
        cost_point(cell, "second", 5, "func"),
        cost_point(cell, None, None, None, family="no-loop"),
        cost_point(cell, "second", 1, "loop"),
        cost_point(cell, "second", 1, "func:9MB"),
        cost_point(cell, "first", 5, "loop"),
        cost_point(cell, "second", 1, "an-older-engine"),
        cost_point(cell, "second", 5, "func", family="fast"),
    ]
    rows = cost_rows(cell, cost_record(*shuffled))
    assert [(r.variant, r.order, r.inner_steps, r.engine) for r in rows] == [
        ("first", "first", 5, "loop"),
        ("second", "second", 1, "func:9MB"),
        ("second", "second", 1, "loop"),
        ("second", "second", 1, "an-older-engine"),
        ("second", "second", 5, "func"),
        ("second", "second", 5, "loop"),
        ("fast", "second", 5, "func"),
        ("no-loop", None, None, None),
    ]


def test_points_of_another_commit_say_so(cell):
    newer = dataclasses.replace(
        SESSION, commit="f" * 40, clean=False, start="2026-02-01T00:00:00+00:00"
    )
    record = cost_record(cost_point(cell, steps=1), cost_point(cell, steps=5, session=1))
    old, new = cost_rows(cell, dataclasses.replace(record, sessions=(SESSION, newer)))
    assert old.note == "from commit 0123456789ab, unlike others"
    assert new.note == ""
    assert (new.commit, new.clean) == ("f" * 40, False)


def test_a_cell_that_has_changed_since_is_told(cell):
    [row] = cost_rows(cell, cost_record(cost_point(cell, switches="0" * 64)))
    assert row.note == "measured with other switches than today's paper.toml has"
    gone = cost_point(cell)
    point = dataclasses.replace(gone.point, family="old", variant="old")
    [row] = cost_rows(cell, cost_record(dataclasses.replace(gone, point=point)))
    assert row.note == "today's paper.toml has no such variant"


def test_doubts_are_told(cell):
    found = cost_point(cell)
    first, *rest = found.rounds
    found = dataclasses.replace(
        found,
        rounds=(dataclasses.replace(first, warmed_up=False), *rest),
        memory=dataclasses.replace(found.memory, host_peak_was_reset=False),
    )
    [row] = cost_rows(cell, cost_record(found))
    assert row.note == (
        "timed before steps had settled in 1 of 3 rounds; host memory: loading may hide some growth"
    )


def test_other_switches_are_named(cell):
    found = cost_point(cell)
    point = dataclasses.replace(found.point, sets=("training.meta_batch=9",))
    [row] = cost_rows(cell, cost_record(dataclasses.replace(found, point=point, switches="x")))
    assert row.note.startswith("with training.meta_batch=9; ")
    assert row.sets == ("training.meta_batch=9",)
