"""Stated ranges of numbers: of protocol switches, in their types, and of options.

A switch states its range in its type, e.g. `inner_steps: Annotated[int, Range(0, 1000)]`;
`harness.switch_types` has names for the usual ones. `harness.protocol` reads switches and
`harness.cli.numbers` options by them: a number out of its range is one sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.shown import shown

# Fewer digits than Python refuses to read (sys.set_int_max_str_digits), more than any range has.
_WHOLE = re.compile(r"[+-]?[0-9]{1,300}", re.ASCII)
_REAL = re.compile(r"[+-]?([0-9]{1,300}\.?[0-9]{0,300}|\.[0-9]{1,300})([eE][+-]?[0-9]{1,9})?")


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`, in the unit of the switch or option. NaN is in no range."""

    least: float
    most: float
    above: bool = False
    """Without `least` itself."""
    below: bool = False
    """Without `most` itself."""

    def __contains__(self, number: float) -> bool:
        # An integer of any length is compared as it is: as a float it might overflow.
        return self.least <= number <= self.most and not (
            (self.above and number == self.least) or (self.below and number == self.most)
        )

    def __str__(self) -> str:
        if not self.above and not self.below:
            return f"{_text(self.least)} to {_text(self.most)}"
        low = "above" if self.above else "at least"
        return (
            f"{low} {_text(self.least)}, {'below' if self.below else 'at most'} {_text(self.most)}"
        )

    def check(self, number: float, of: str = "") -> None:
        """Raise HarnessError if it is out of range; the message begins with `of`, the name of the
        number."""
        if number not in self:
            raise HarnessError(f"{of}found {shown(number)}, wanted {self}.")

    def whole(self, text: str, of: str = "") -> int:
        """Read a whole number in plain digits: `1_0`, `1e3` and digits of other scripts are none.

        Raises HarnessError, which begins with what the number is `of`, for anything else.
        """
        if not _WHOLE.fullmatch(text):
            raise HarnessError(f"{of}found {shown(text)}, wanted a whole number, {self}.")
        number = int(text)
        self.check(number, of)
        return number

    def real(self, text: str, of: str = "") -> float:
        """Read a number such as `0.5`, `20` or `1e-3`; HarnessError as for `whole`."""
        if not _REAL.fullmatch(text):
            raise HarnessError(f"{of}found {shown(text)}, wanted a number, {self}.")
        number = float(text)
        self.check(number, of)
        return number


@dataclass(frozen=True)
class Entries:
    """How many numbers a list may have."""

    least: int
    most: int

    def __str__(self) -> str:
        if self.least == self.most:
            return f"{self.least} entries"
        return f"{self.least} to {self.most} entries"


def _text(bound: float) -> str:
    """Write a bound as one would type it, 100.0 as 100."""
    if bound == 2**63 - 1:
        return "2**63 - 1"
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
