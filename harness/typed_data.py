"""Plain data into typed objects: every field is there and has the type that the class states.

Types may be bool, int, float, str, `Literal`, `X | None`, `tuple[X, ...]`, `list[X]`,
`dict[str, X]`, `Any`, dataclasses, `TypedDict` (which may have more keys than it names), and any of
these with a smallest value, `Annotated[int, AtLeast(0)]`.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from harness.errors import HarnessError
from harness.shown import shown

T = TypeVar("T")


@dataclass(frozen=True)
class AtLeast:
    """The smallest value that a number may have."""

    least: float
    itself: bool = True
    """Whether the value may be `least`."""

    def __call__(self, value: float) -> bool:
        """Return whether `value` is not too small."""
        return value >= self.least if self.itself else value > self.least


Count = Annotated[int, AtLeast(0)]
Size = Annotated[float, AtLeast(0)]
Positive = Annotated[float, AtLeast(0, itself=False)]


def read_fields(cls: type[T], raw: Any, where: str, optional: Collection[str] = ()) -> T:
    """Read a table into the dataclass `cls`; a field too many, too few or of another type is one
    sentence that begins with `where`. Fields in `optional`, which older files lack, have a
    default."""
    all_fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    if not isinstance(raw, dict):
        raise HarnessError(f"{where}: found {shown(raw)}, wanted a table.")
    names = {f.name for f in all_fields if f.name in raw or f.name not in optional}
    if odd := sorted(set(raw) ^ names):
        raise HarnessError(f"{where}: field {shown(odd[0])} is missing or unknown.")
    hints = _hints(cls)  # type: ignore[arg-type]
    return cls(**{n: read_value(hints[n], raw[n], f"{where}: {n}") for n in names})


def read_value(hint: Any, value: Any, where: str) -> Any:
    """Read one value as `hint` says; an integer is a float where one is wanted."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        read = read_value(parts[0], value, where)
        for bound in parts[1:]:
            if isinstance(bound, AtLeast) and not bound(read):
                wanted = f"{'at least' if bound.itself else 'more than'} {bound.least}"
                raise HarnessError(f"{where}: found {shown(value)}, wanted {wanted}.")
        return read
    if origin is Literal:
        if value not in parts:
            wanted = ", ".join(map(str, parts))
            raise HarnessError(f"{where}: found {shown(value)}, wanted one of {wanted}.")
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in parts:
            return None
        [hint] = [part for part in parts if part is not type(None)]
        return read_value(hint, value, where)
    if typing.is_typeddict(hint):
        return _read_named(hint, value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read_fields(hint, value, where)
    return _read_plain(origin or hint, parts, value, where)


def _read_named(hint: Any, value: Any, where: str) -> dict[str, Any]:
    """Read a table whose named keys have types; others are taken as they are."""
    _read_plain(dict, (str, Any), value, where)
    hints = _hints(hint)
    if missing := sorted(hint.__required_keys__ - value.keys()):
        raise HarnessError(f"{where}: field {missing[0]!r} is missing.")
    return {k: read_value(hints.get(k, Any), v, f"{where}: {k}") for k, v in value.items()}


def _read_plain(kind: type, parts: tuple[Any, ...], value: Any, where: str) -> Any:
    if kind is tuple and isinstance(value, list):
        return tuple(read_value(parts[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise HarnessError(f"{where}: found {shown(value)}, wanted {_NAMES[kind]}.")
    if kind is list:
        return [read_value(parts[0], v, f"{where}[{i}]") for i, v in enumerate(value)]
    if kind is dict:
        return {k: read_value(parts[1], v, f"{where}: {k}") for k, v in value.items()}
    return float(value) if kind is float else value


@cache
def _hints(cls: type) -> dict[str, Any]:
    """Return the types of the fields of a class: read once, as every record asks for the same."""
    return typing.get_type_hints(cls, include_extras=True)


_NAMES: dict[type, str] = {
    **{bool: "true or false", int: "an integer", float: "a number", str: "text"},
    **{list: "a list", tuple: "a list", dict: "a table"},
}
