"""The evaluation switches of a variant and their alternatives.

Switches that are a `Literal` give their alternatives by themselves; others have a stated list. A
switch belongs to the evaluation if it is one of the test tasks, or if `test` is a word of its name
in section `method`. All others touch training alone and cannot be tried on kept weights.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from harness.catalog import Variant
from harness.errors import HarnessError, closest

STEPS, EPISODES = "method.test_steps", "testing.tasks"
STATED: dict[str, tuple[Any, ...]] = {
    "tasks.test_queries": (1, 5, 15),
    # Of the five filters those that published code has.
    "tasks.resize_filter": ("nearest", "lanczos"),
}
# Other images; and under another class split the network may have been trained on test classes.
_NEVER = ("tasks.dataset", "tasks.class_split", "tasks.split_seed")
# These have rows of their own.
_APART = (STEPS, EPISODES, "testing.best_of_steps")


@dataclass(frozen=True)
class Alternative:
    """One switch, `section.switch`, with another value."""

    switch: str
    value: Any


def alternatives(variant: Variant) -> list[Alternative]:
    """Return every alternative to an evaluation switch that needs the test done again."""
    table = variant.protocol()
    return [
        Alternative(switch, value)
        for switch, values in _choices(variant)
        for value in values
        if value != of(table, switch)
    ]


def unique(given: list[Alternative]) -> list[Alternative]:
    """Return each alternative once, in order (values may be lists, which have no hash)."""
    return [a for i, a in enumerate(given) if a not in given[:i]]


def is_evaluation(switch: str) -> bool:
    """Return whether `section.switch` can be changed on kept weights."""
    section, _, name = switch.partition(".")
    words = set(name.split("_"))
    if section == "method":
        return "test" in words
    if section == "tasks":
        return not {"train", "val"} & words and switch not in _NEVER
    return switch in (*_APART, "testing.task_seed")


def is_training(switch: str) -> bool:
    """Return whether training depends on `section.switch`, as some do that the test has too."""
    section, _, name = switch.partition(".")
    return section in ("method", "tasks", "training") and "test" not in name.split("_")


def of(protocol: dict[str, Any], switch: str) -> Any:
    """Return the value of `section.switch` in a protocol; None where there is no such switch."""
    section, _, name = switch.partition(".")
    return protocol.get(section, {}).get(name)


def chosen(names: Iterable[str], known: Iterable[str], option: str) -> list[str]:
    """Return the switches asked for (all that are known where none is), or one sentence."""
    wanted, there = list(names), list(dict.fromkeys(known))
    for name in wanted:
        if name not in there:
            raise HarnessError(
                f"{option}: found {name!r}{closest(name, there)}; wanted one of {', '.join(there)}."
            )
    return wanted or there


def _choices(variant: Variant) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for section in ("method", "tasks"):
        for name, hint in typing.get_type_hints(type(getattr(variant, section))).items():
            switch = f"{section}.{name}"
            if not is_evaluation(switch) or switch in _APART:
                continue
            if switch in STATED:
                yield switch, STATED[switch]
            elif typing.get_origin(hint) is Literal:
                yield switch, typing.get_args(hint)
            elif hint is bool and section == "method":
                yield switch, (False, True)
