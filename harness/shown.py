"""How messages quote a value that somebody wrote: always on one line."""

from __future__ import annotations

import reprlib


class _Short(reprlib.Repr):
    """Returns what was found, short enough for a sentence: a number of 5,000 digits has no
    `repr`."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxtuple = 10
        self.maxstring = self.maxlong = self.maxother = 100

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 4096:
            return f"a number of some {x.bit_length() * 30103 // 100000} digits"
        return super().repr_int(x, level)


def shown(value: object) -> str:
    """Return `repr(value)` with `...` where it is long or deep."""
    return _Short().repr(value)
