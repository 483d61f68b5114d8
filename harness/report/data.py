"""Rows as data: strict JSON and CSV, full precision."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

_NUMBER = r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|inf|nan)"
_NUMBERS = re.compile(f"{_NUMBER}(; {_NUMBER})*", re.ASCII)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def render_json(objects: Sequence[Mapping[str, Any]]) -> str:
    """Return a list of objects; a number that is not finite is null, so that the JSON is strict."""
    return (
        json.dumps([_finite(o) for o in objects], indent=1, allow_nan=False, ensure_ascii=False)
        + "\n"
    )


def render_csv(objects: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return a header and a line for each object; lists are joined by `; `, None is empty.

    Text that a spreadsheet would compute (a cell that begins with =, +, -, @ or a tab) has a `'`
    in front, and a line break in it is a blank; numbers, negative ones too, stay numbers.
    An object within one has a column for each of its own fields.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for one in objects:
        flat = _flat(one)
        writer.writerow([_cell(_text(flat[name])) for name in columns])
    return text.getvalue()


def as_data(rows: Sequence[DataclassInstance]) -> list[dict[str, Any]]:
    """Return rows whose columns are their fields."""
    return [dataclasses.asdict(r) for r in rows]


def columns_of(cls: type[DataclassInstance]) -> Iterator[str]:
    """Yield the columns of such rows."""
    hints = typing.get_type_hints(cls)
    for f in dataclasses.fields(cls):
        own = hints[f.name]
        yield from columns_of(own) if dataclasses.is_dataclass(own) else (f.name,)  # type: ignore[arg-type]


def _flat(one: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in one.items():
        flat |= _flat(value) if isinstance(value, Mapping) else {name: value}
    return flat


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def _cell(text: str) -> str:
    """Return `text` so that a spreadsheet shows it and computes nothing."""
    plain = " ".join(text.splitlines())
    computed = plain.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r"))
    return f"'{plain}" if computed and not _NUMBERS.fullmatch(plain) else plain


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "; ".join(map(_text, value))
    return repr(value) if isinstance(value, float) else str(value)
