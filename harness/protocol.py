"""Protocol switches: every setting that changes a number, typed, with no default in code.

A *switch table* (from `paper.toml`, or from `--set section.switch=value`) is read into a frozen
dataclass by `read_switches`. Allowed field types: bool, str, `Literal[...]` of strings, int and
float with a `Range`, and tuples of those with their number of `Entries` (`harness.ranges`). A
switch that is missing, unknown, of another type or out of its range is one sentence.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, TypeVar

from harness.errors import HarnessError, closest
from harness.ranges import Entries, Range
from harness.shown import shown
from harness.switch_types import Iterations, IterationsOrNone, Seed, Tasks, TasksOrNone

T = TypeVar("T")
ANY = Range(-(2**63), 2**63 - 1)
"""Of a number whose type states no range; `harness check` asks for one."""


@dataclasses.dataclass(frozen=True)
class Training:
    """How long a run trains and which weights it keeps (section `training`)."""

    iterations: Iterations
    """Published length in meta-iterations; with early stopping, the length expected."""
    iteration_cap: Iterations
    """Most meta-iterations at full budget; equals `iterations` without early stopping."""
    meta_batch: Tasks
    """Tasks per meta-iteration."""
    validate_every: IterationsOrNone
    """Meta-iterations between two looks at the validation tasks; 0 = never."""
    validation_tasks: TasksOrNone
    validation_metric: str
    """Metric that is watched, and that selects when `selection` does."""
    selection: Literal[
        "last",
        "best-validation",
        "best-validation-then-retrain",
        "ensemble-of-best-3",
        "ensemble-of-best-5",
    ]
    """`last`: final weights. `best-validation`: those with the best validation value.
    `best-validation-then-retrain`: train again on train + validation for as many iterations.
    `ensemble-of-best-3`: the outputs of the three best by validation value are averaged."""
    patience: IterationsOrNone
    """Stop after more than this many validations without a better value; 0 = never stop early."""

    def __post_init__(self) -> None:
        if self.validate_every and not self.validation_tasks:
            raise HarnessError(
                "training.validation_tasks: found 0, wanted at least 1 with "
                f"training.validate_every = {self.validate_every}."
            )


@dataclasses.dataclass(frozen=True)
class Testing:
    """What a run is tested on (section `testing`)."""

    tasks: Tasks
    """Test tasks (episodes) that the reported mean is taken over."""
    tasks_at_once: Tasks
    """Test tasks adapted together: memory, not meaning."""
    task_seed: Seed
    """Seed of validation and test tasks: the same for all training seeds and methods (paired)."""
    best_of_steps: bool
    """Also report `<metric>@best`, the best of the test steps chosen on the test tasks themselves
    (as some published tables do)."""


def read_switches(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Read `table` into the frozen dataclass `cls`; `where` names the place in messages."""
    if not isinstance(table, dict):
        raise HarnessError(f"{where}: found {shown(table)}, wanted a table of switches.")
    hints = _hints(cls)
    for key in table:
        if key not in hints:
            raise HarnessError(
                f"{where}: unknown switch {shown(key)}{closest(key, hints)}; "
                f"wanted one of {', '.join(hints)}."
            )
    missing = [n for n in hints if n not in table]
    if missing:
        raise HarnessError(
            f"{where}: switch {missing[0]!r} is not set; every switch must be given."
        )
    values = {n: _typed(hint, table[n], f"{where}.{n}") for n, hint in hints.items()}
    return cls(**values)


def ranges(cls: type[Any]) -> dict[str, str]:
    """Return the range of each switch of a settings dataclass that is made of numbers; '' where its
    type does not state one."""
    return {n: _range(hint) for n, hint in _hints(cls).items() if _kind(hint) in (int, float)}


def switches(settings: Any) -> dict[str, Any]:
    """Return the settings dataclass as a plain dict that JSON can hold."""
    return {
        f.name: list(v) if isinstance(v := getattr(settings, f.name), tuple) else v
        for f in dataclasses.fields(settings)
    }


def digest(value: Any) -> str:
    """Return the sha256 (hex) of a JSON-able value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _hints(cls: type[Any]) -> dict[str, Any]:
    """Return the type of each switch, its range included."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _bare(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split a type into the type itself and what is stated about it."""
    if typing.get_origin(hint) is not Annotated:
        return hint, ()
    bare, *said = typing.get_args(hint)
    return bare, tuple(said)


def _kind(hint: Any) -> Any:
    """Return the type of a switch, or of the entries of a list."""
    bare, _ = _bare(hint)
    return _kind(typing.get_args(bare)[0]) if typing.get_origin(bare) is tuple else bare


def _range(hint: Any) -> str:
    bare, said = _bare(hint)
    stated = [str(s) for s in said if isinstance(s, Range | Entries)]
    if typing.get_origin(bare) is not tuple:
        return "".join(stated)
    each = _range(typing.get_args(bare)[0])
    return f"{stated[0]}, each {each}" if stated and each else ""


def _typed(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the type says; refuse it outside of the range that the type states."""
    bare, said = _bare(hint)
    if typing.get_origin(bare) is Literal:
        return _one_of(typing.get_args(bare), value, where)
    if typing.get_origin(bare) is tuple:
        return tuple(_entries(typing.get_args(bare)[0], said, value, where))
    is_int = isinstance(value, int) and not isinstance(value, bool)
    right = is_int if bare is int else isinstance(value, bare) or (bare is float and is_int)
    if not right:
        raise HarnessError(
            f"{where}: found {shown(value)} ({type(value).__name__}), wanted {bare.__name__}"
            f"{f', {_range(hint)}' if said else ''}."
        )
    if bare in (int, float):
        for stated in [s for s in said if isinstance(s, Range)] or [ANY]:
            stated.check(value, f"{where}: ")
    return float(value) if bare is float else value


def _one_of(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, str) or value not in choices:
        near = closest(value, choices) if isinstance(value, str) else ""
        raise HarnessError(
            f"{where}: found {shown(value)}{near}; wanted one of {', '.join(map(repr, choices))}."
        )
    return value


def _entries(hint: Any, said: tuple[Any, ...], value: Any, where: str) -> Iterator[Any]:
    if not isinstance(value, list | tuple):
        raise HarnessError(
            f"{where}: found {shown(value)}, wanted a list of {_kind(hint).__name__}."
        )
    for stated in said:
        if isinstance(stated, Entries) and not stated.least <= len(value) <= stated.most:
            raise HarnessError(f"{where}: found {len(value)} entries, wanted {stated}.")
    for entry in value:
        yield _typed(hint, entry, where)


def overrides(settings: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Read `--set` options, `section.switch=value` each; `option` names them in messages."""
    overridden: dict[str, Any] = {}
    for text in settings:
        if "=" not in text:
            raise HarnessError(f"{option}: found {shown(text)}, wanted section.switch=value.")
        switch, _, value = text.partition("=")
        overridden[switch.strip()] = parse_value(value)
    return overridden


def parse_value(text: str) -> Any:
    """Read the value of `--set section.switch=value` as TOML would; bare words are strings."""
    import tomllib

    try:
        table = tomllib.loads(f"v = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    except ValueError:  # a number of more digits than Python reads, which no switch takes
        return text
    # A line break in the value would begin another line of TOML.
    return table["v"] if len(table) == 1 else text
