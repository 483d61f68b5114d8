"""Plots of costs: one for each machine and family that has a line to draw."""

from __future__ import annotations

import dataclasses

import pytest

from harness.costs.rows import cost_rows
from harness.report import cost_plot
from harness.report.cost_plot import plot_costs
from tests.costs.made_up import cost_point, cost_record, make_cell


@pytest.fixture
def rows(tmp_path, monkeypatch):
    cell = make_cell(tmp_path, monkeypatch)
    points = [
        cost_point(cell, order, steps, engine, seconds=(0.1 * steps,), mebibytes=float(steps))
        for engine in ("func", "loop")
        for order in ("first", "second")
        for steps in (1, 5, 50)
    ]
    missing = cost_point(cell, "second", 50, "loop", seconds=(), mebibytes=None)
    alone = cost_point(cell, "second", 5, family="fast")
    plain = cost_point(cell, None, None, None, family="no-loop")
    record = cost_record(*points[:-1], missing, alone, plain)
    return cost_rows(cell, record)


def test_one_figure_for_each_machine_and_family(rows, tmp_path):
    on_gpu = {"machine": "gpu", "device": "cuda", "device_allocated_bytes": 2**20}
    other = [dataclasses.replace(r, **on_gpu) for r in rows]
    paths = plot_costs([*rows, *other], tmp_path / "plots")
    assert [p.relative_to(tmp_path / "plots").as_posix() for p in paths] == [
        "toy/loops-second-cost-toy-cpu-2-threads.svg",
        "toy/loops-second-cost-gpu.svg",
    ]
    assert all(path.read_bytes().startswith(b"<?xml") for path in paths)


def test_a_line_an_engine_and_order_over_what_was_measured(rows, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(cost_plot, "save", lambda made, stem: drawn.append(made) or [])
    plot_costs(rows, tmp_path)
    [figure] = drawn
    time, memory = figure.axes
    assert (time.get_yscale(), memory.get_yscale(), memory.get_xscale()) == ("log",) * 3
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [f"{e}, {o} order" for e in ("func", "loop") for o in ("second", "first")]
    lines = [list(bars.lines[0].get_xydata().ravel()) for bars in memory.containers]
    whole = [1, 1, 5, 5, 50, 50]
    assert lines == [whole, whole, [1, 1, 5, 5], whole], "loop, second order, stops at 5"
    assert memory.get_xlabel() == "inner steps (lines end where more were not run)"
    assert memory.get_ylabel() == "live tensors at the peak, MiB"
    assert [t.get_text() for t in memory.get_xticklabels()] == ["1", "5", "50"]


def test_what_was_not_measured_has_no_panel(rows, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(cost_plot, "save", lambda made, stem: drawn.append(made) or [])
    plot_costs([dataclasses.replace(r, live_tensor_bytes=None) for r in rows], tmp_path)
    [[axes]] = [figure.axes for figure in drawn]
    assert axes.get_ylabel() == "seconds per meta-step"
    drawn.clear()
    plot_costs(
        [dataclasses.replace(r, live_tensor_bytes=None, seconds=None) for r in rows], tmp_path
    )
    assert drawn == []


def test_points_with_other_switches_are_not_drawn(rows, tmp_path):
    odd = [dataclasses.replace(r, sets=("method.rate=2",)) for r in rows]
    assert plot_costs(odd, tmp_path) == []
