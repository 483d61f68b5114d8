"""Protocol switches: every setting that changes a number, typed, with no default in code.

A *switch table* (from `paper.toml`, or from `--set section.switch=value`) is read into a frozen
dataclass by `read_switches`. Allowed field types: bool, int, float, str, `Literal[...]` of strings,
and tuples of those. A missing, unknown or wrongly typed switch is one sentence.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from harness.errors import HarnessError, closest

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Training:
    """How long a run trains and which weights it keeps (section `training`)."""

    iterations: int
    """Published length in meta-iterations; with early stopping, the length expected."""
    iteration_cap: int
    """Most meta-iterations at full budget; equals `iterations` without early stopping."""
    meta_batch: int
    """Tasks per meta-iteration."""
    validate_every: int
    """Meta-iterations between two looks at the validation tasks; 0 = never."""
    validation_tasks: int
    validation_metric: str
    """Metric that is watched, and that selects when `selection` does."""
    selection: Literal["last", "best-validation", "best-validation-then-retrain"]
    """`last`: final weights. `best-validation`: those with the best validation value.
    `best-validation-then-retrain`: train again on train + validation for as many iterations."""
    patience: int
    """Stop after more than this many validations without a better value; 0 = never stop early."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "iterations", "iteration_cap", "meta_batch")
        _at_least(self, 0, "validate_every", "validation_tasks", "patience")
        if self.validate_every:
            _at_least(self, 1, "validation_tasks")


@dataclasses.dataclass(frozen=True)
class Testing:
    """On what a run is tested (section `testing`)."""

    tasks: int
    """Test tasks (episodes) the reported mean is over."""
    tasks_at_once: int
    """Test tasks adapted together: memory, not meaning."""
    task_seed: int
    """Seed of validation and test tasks: the same for all training seeds and methods (paired)."""
    best_of_steps: bool
    """Also report `<metric>@best`, the best of the test steps chosen on the test tasks themselves
    (as some published tables do)."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "tasks", "tasks_at_once")
        _at_least(self, 0, "task_seed")


def read_switches(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Read `table` into the frozen dataclass `cls`; `where` names the place in messages."""
    if not isinstance(table, dict):
        raise HarnessError(f"{where}: found {table!r}, wanted a table of switches.")
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in table:
        if key not in names:
            raise HarnessError(
                f"{where}: unknown switch {key!r}{closest(key, names)}; "
                f"wanted one of {', '.join(names)}."
            )
    missing = [n for n in names if n not in table]
    if missing:
        raise HarnessError(
            f"{where}: switch {missing[0]!r} is not set; every switch must be given."
        )
    values = {n: _typed(hints[n], table[n], f"{where}.{n}") for n in names}
    return cls(**values)


def switches(settings: Any) -> dict[str, Any]:
    """Give the settings dataclass as a plain dict that JSON can hold."""
    return {
        f.name: list(v) if isinstance(v := getattr(settings, f.name), tuple) else v
        for f in dataclasses.fields(settings)
    }


def digest(value: Any) -> str:
    """Give the sha256 (hex) of a JSON-able value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _at_least(settings: Any, least: int, *names: str) -> None:
    section = type(settings).__name__.lower()
    for name in names:
        if (value := getattr(settings, name)) < least:
            raise HarnessError(f"{section}.{name}: found {value}, wanted at least {least}.")


def _typed(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise HarnessError(
                f"{where}: found {value!r}{closest(str(value), map(str, args))}; "
                f"wanted one of {', '.join(map(repr, args))}."
            )
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise HarnessError(f"{where}: found {value!r}, wanted a list of {args[0].__name__}.")
        return tuple(_typed(args[0], v, where) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise HarnessError(
            f"{where}: found {value!r} ({type(value).__name__}), wanted {hint.__name__}."
        )
    if hint is float and not math.isfinite(value):
        raise HarnessError(f"{where}: found {value!r}, wanted a finite number.")
    return value


def overrides(settings: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Read `--set` options, `section.switch=value` each; `option` names them in messages."""
    for text in settings:
        if "=" not in text:
            raise HarnessError(f"{option}: found {text!r}, wanted section.switch=value.")
    return {s.partition("=")[0].strip(): parse_value(s.partition("=")[2]) for s in settings}


def parse_value(text: str) -> Any:
    """Read the value of `--set section.switch=value` as TOML would; bare words are strings."""
    import tomllib

    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
