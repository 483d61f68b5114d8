"""How messages quote a value that somebody wrote: on one line, and never longer than that."""

from __future__ import annotations

import reprlib

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = 10
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 100


def shown(value: object) -> str:
    """Give `repr(value)` with `...` where it is long or deep."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # an integer of more digits than Python turns into text
        return "a value with too many digits"
