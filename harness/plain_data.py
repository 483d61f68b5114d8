"""Plain data from JSON and TOML files: what they may hold, checked before it is used.

A file may be anything: lists in lists without end, integers that Python refuses to print, NaN.
Whatever passes here can be compared, printed, digested and written again.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import HarnessError
from harness.shown import shown
from harness.text_file import read_text

MOST_LEVELS = 12
"""Of tables and lists in each other; records have six."""
MOST_LETTERS = 100_000
"""Of one text."""
MOST_IN_NAME = 200
"""Letters of a table's key."""


def read_json(path: Path, wanted: str) -> Any:
    """Read a JSON file; `wanted` names what it should be, as in `a readable record`.

    HarnessError for a file that is none, for what is not JSON, and for data that `check_plain`
    refuses.
    """
    return parse_json(read_text(path, wanted), str(path), wanted)


def parse_json(text: str, where: str, wanted: str) -> Any:
    """Read JSON from text, as `read_json` does."""
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as e:
        raise HarnessError(f"{where}: not {wanted}: {_reason(e)}.") from None
    check_plain(data, where)
    return data


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; HarnessError as for JSON."""
    try:
        table = tomllib.loads(read_text(path, "valid TOML"))
    except (ValueError, RecursionError) as e:
        raise HarnessError(f"{path}: not valid TOML: {_reason(e)}.") from None
    check_plain(table, str(path))
    return table


def check_plain(value: Any, where: str) -> None:
    """Refuse what is neither text, number, true, false nor null: dates, integers beyond 64 bits,
    numbers that are not finite, texts longer than `MOST_LETTERS`; and more than `MOST_LEVELS` of
    nesting. `where` names the file in messages."""
    level: list[tuple[_Path, Any]] = [((), value)]
    for _ in range(MOST_LEVELS):
        for path, x in level:
            if wrong := _wrong(x):
                raise HarnessError(f"{_name(where, path)}: {wrong}.")
            if isinstance(x, dict) and (long := [k for k in x if len(k) > MOST_IN_NAME]):
                raise HarnessError(
                    f"{_name(where, path)}: found the name {shown(long[0])}, wanted at most "
                    f"{MOST_IN_NAME} letters."
                )
        level = [((path, key), x) for path, table in level for key, x in _children(table)]
        if not level:
            return
    raise HarnessError(f"{where}: found more than {MOST_LEVELS} levels of nesting.")


_Path = tuple[Any, ...]
"""Empty, or the path of the table and the key in it."""


def _children(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _name(where: str, path: _Path) -> str:
    keys = []
    while path:
        path, key = path
        keys.append(f"[{key}]" if isinstance(key, int) else f": {shown(key)[1:-1]}")
    return where + "".join(reversed(keys))


def _wrong(value: Any) -> str:
    if value is None or isinstance(value, bool | dict | list):
        return ""
    if isinstance(value, str):
        long = len(value) > MOST_LETTERS
        return f"found {len(value)} letters, wanted at most {MOST_LETTERS}" if long else ""
    if isinstance(value, int):
        small = -(2**63) <= value < 2**63
        return "" if small else f"found {shown(value)}, wanted an integer of at most 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"found {value}, wanted a finite number"
    return f"found {shown(value)}, wanted text, a number, true or false"


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"found {name}, which is no number")


def _reason(e: ValueError | RecursionError) -> str:
    if isinstance(e, RecursionError):
        return "nested too deeply"
    return "a number with too many digits" if "digits" in str(e) else str(e).rstrip(".")
