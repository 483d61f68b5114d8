"""Where a method's switch is seen: nowhere, if a line of the method no longer reads it."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.meta_gradient.engines import DEFAULT
from harness.method import Method
from harness.paper_tests.smoke_plans import smoke_method

BEFORE, LOSSES, WEIGHTS, AFTER = "scores before training", "losses", "weights", "scores after"

Places = frozenset[str]
THROUGHOUT: Places = frozenset({BEFORE, LOSSES, WEIGHTS, AFTER})
TRAINING: Places = frozenset({LOSSES, WEIGHTS, AFTER})
"""Where a switch is seen that changes steps of training only, such as a learning rate."""
TESTING: Places = frozenset({BEFORE, AFTER})


def switch_names(settings: type) -> list[str]:
    """Name the switches of a method's `Settings`, in order."""
    return [field.name for field in dataclasses.fields(settings)]


def choices(settings: type, switch: str) -> tuple[Any, ...]:
    """Return every value of a switch that is a flag or a named choice; () for any other."""
    hint = typing.get_type_hints(settings)[switch]
    if hint is bool:
        return False, True
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def maker(
    cell: str, variant: str, small: dict[str, Any], engine: str = DEFAULT, **own: Any
) -> Callable[..., Method]:
    """Return what makes the method of a smoke run of `variant` with switches of the method changed:
    those in `small`, as `smoke_plan` has them, then `own`, then those of the call."""

    def make(**changed: Any) -> Method:
        switches = {f"method__{name}": value for name, value in (own | changed).items()}
        method: Method = smoke_method(cell, variant, small, engine, **switches)[0]
        return method

    return make


def where_seen(
    make: Callable[..., Method],
    switch: str,
    values: Sequence[Any],
    batches: Sequence[Any],
    test: Any,
) -> set[Places]:
    """Return the places where methods part that differ in `switch` only, for each pair of `values`.

    `make(**{switch: value})` builds a method, the same each time but for the switch. It is scored
    on the batch `test`, takes a step on each of `batches`, and is scored again. {TESTING} means
    that any two values are told apart by both scores, and by nothing else.
    """
    traces = [_trace(make(**{switch: value}), batches, test) for value in values]
    return {_parted(*both) for both in itertools.combinations(traces, 2)}


def assert_seen(
    seen: Mapping[str, tuple[Places, Sequence[Any]]],
    settings: type,
    switch: str,
    make: Callable[..., Method],
    batches: Sequence[Any],
    test: Any,
) -> None:
    """Fail where a switch is not seen in just the places that `seen` has for it, between any two of
    its named choices or, where it has none, of the values beside the places."""
    place, values = seen[switch]
    places = where_seen(make, switch, choices(settings, switch) or values, batches, test)
    assert places == {place}


def _trace(method: Method, batches: Sequence[Any], test: Any) -> dict[str, dict[str, Tensor]]:
    before = method.evaluate(test)
    losses = {}
    for i, batch in enumerate(batches):
        method.before_step(i)
        losses[str(i)] = method.train_step(batch, i)
    weights = {name: w.clone() for name, w in method.weights().items()}
    return {BEFORE: before, LOSSES: losses, WEIGHTS: weights, AFTER: method.evaluate(test)}


def _parted(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> Places:
    return frozenset(place for place in one if not _close(one[place], other[place]))


def _close(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether the same names stand for the same shapes and numbers, except for rounding."""
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        return False
    return all(torch.allclose(v, other[k], rtol=1e-5, atol=1e-7) for k, v in one.items())
