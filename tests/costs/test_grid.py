"""Which points are measured, and which run in turn."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from harness.costs import grid as grid_module
from harness.costs.grid import as_published, available_engines, grid
from harness.errors import HarnessError
from harness.meta_gradient import engines
from harness.meta_gradient.engines import ENGINES
from harness.protocol import overrides


def points(groups):
    return [point for group in groups for point in group]


def test_a_group_has_every_engine_and_order_at_one_number_of_steps(cell):
    groups = grid(cell, "cpu", ["second"], ["func", "loop"], ("first", "second"), (5, 1))
    assert [g[0].inner_steps for g in groups] == [1, 5], "cheap ones first"
    assert [(p.order, p.engine, p.variant) for p in groups[0]] == [
        ("first", "func", "first"),
        ("first", "loop", "first"),
        ("second", "func", "second"),
        ("second", "loop", "second"),
    ]
    assert {p.family for p in points(groups)} == {"second"}


@pytest.mark.parametrize("asked", ["second", "first", "tested-longer"])
def test_variants_that_cost_the_same_are_measured_once_under_one_name(cell, asked):
    groups = grid(cell, "cpu", [asked], ["func"], steps=(1,))
    assert {(p.family, p.variant) for p in points(groups)} == {
        ("second", "second"),
        ("second", "first"),
    }


def test_families_with_one_number_of_steps_run_in_turn(cell):
    groups = grid(cell, "cpu", ["second", "implicit"], ["func"], ("second",), (5, 1))
    assert [[(p.family, p.inner_steps) for p in g] for g in groups] == [
        [("second", 1), ("implicit", 1)],
        [("second", 5), ("implicit", 5)],
    ]


def test_all_variants_unless_told(cell):
    found = points(grid(cell, "cpu", engines=["loop"], steps=(1,)))
    assert {p.family for p in found} == {"second", "fast", "only-first", "implicit", "no-loop"}
    assert len(found) == len(set(found))


def test_steps_are_the_usual_ones_and_the_cells_own(cell):
    found = grid(cell, "cpu", ["implicit"])
    assert [g[0].inner_steps for g in found] == [1, 2, 3, 5, 10, 20, 50]


def test_a_method_has_the_switches_it_has(cell):
    [implicit] = points(grid(cell, "cpu", ["implicit"], steps=(7,)))
    assert (implicit.order, implicit.engine, implicit.inner_steps) == (None, None, 7)
    [plain] = points(grid(cell, "cpu", ["no-loop"]))
    assert (plain.order, plain.engine, plain.inner_steps) == (None, None, None)
    assert {p.order for p in points(grid(cell, "cpu", ["only-first"]))} == {"first"}
    with pytest.raises(HarnessError, match="no variant that is computed in second order"):
        grid(cell, "cpu", ["only-first"], orders=("second",))


def test_a_point_says_which_switches_it_sets(cell):
    [[point]] = grid(cell, "cpu", ["first"], ["loop"], ("first",), (2,), ["training.meta_batch=9"])
    variant = cell.variant(point.variant, overrides(point.changes()))
    assert (variant.method.order, variant.method.inner_steps) == ("first", 2)
    assert variant.training.meta_batch == 9
    base = point.base(cell)
    assert (base.method.inner_steps, base.training.meta_batch) == (5, 9)
    assert point.label == "first, loop, first order, 2 inner steps"
    assert not as_published(point, cell)


def test_the_papers_own_points_are_known(cell):
    own = {
        (p.family, p.order, p.inner_steps)
        for p in points(grid(cell, "cpu", engines=["loop"]))
        if as_published(p, cell)
    }
    assert own == {
        ("second", "second", 5),
        ("second", "first", 5),
        ("fast", "second", 5),
        ("only-first", "first", 5),
        ("implicit", None, 3),
        ("no-loop", None, None),
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"variants": ["secnd"]}, "found variant 'secnd' (did you mean 'second'?)"),
        ({"engines": ["lop"]}, "found engine 'lop' (did you mean 'loop'?)"),
        ({"sets": ["method.inner_steps=3"]}, "which the grid sets; use --orders and --steps."),
        ({"sets": ["method.rate"]}, "found 'method.rate', wanted section.switch=value."),
        ({"sets": ["method.rte=1"]}, "found switch 'method.rte'"),
    ],
)
def test_mistakes_are_one_sentence(cell, words, sentence):
    with pytest.raises(HarnessError) as caught:
        grid(cell, "cpu", **words)
    assert sentence in str(caught.value)


def test_engines_that_cannot_run_here_are_left_out(cell, monkeypatch):
    monkeypatch.setitem(ENGINES, "absent", "harness.meta_gradient.not_there")
    needy = ModuleType("needy")
    needy.NEEDS = ("no_such_package",)
    monkeypatch.setitem(sys.modules, "needy", needy)
    monkeypatch.setitem(ENGINES, "needy", "needy")
    assert grid_module.ENGINES is engines.ENGINES
    found = available_engines()
    assert {"func", "loop"} <= set(found)
    assert not {"absent", "needy"} & set(found)
    assert {p.engine for p in points(grid(cell, "cpu", ["fast"]))} == set(found)
