"""The language: 38 operations on integers and lists of integers (paper, section 3 and appendix F).

An operation is a function, with a lambda where it takes one; its attributes are both. The order is
that of the authors' search, and so are values: 32-bit integers that wrap around, division towards
zero.

Values are columns: N lists are `data` [L, N] int32, with zeros behind the end, and `length` [N]
int32; N integers are one row, [1, N], of length 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

NULL = 256
"""What the head of an empty list is: one more than the greatest number of an example. In the
authors' search it is 0, or -1,000,000 where an index is out of range (README, departure 4)."""


@dataclass(frozen=True)
class Values:
    """N lists or N integers."""

    data: Tensor
    length: Tensor

    @cached_property
    def inside(self) -> Tensor:
        """Which entries are within their list, [L, N]."""
        places = torch.arange(len(self.data), device=self.data.device, dtype=torch.int32)
        return places[:, None] < self.length


@dataclass(frozen=True)
class Operation:
    """One of the 38."""

    name: str
    attributes: tuple[str, ...]
    takes: tuple[bool, ...]
    """Of each argument, whether it is a list."""
    gives_list: bool
    run: Callable[..., Values]


def apply(operation: Operation, *arguments: Values) -> Values:
    """Run an operation on N values of each argument."""
    return operation.run(*arguments)


def _integers(numbers: Tensor) -> Values:
    return Values(numbers[None].int(), torch.ones_like(numbers, dtype=torch.int32))


def _cut(data: Tensor, length: Tensor) -> Values:
    """Put zeros behind the end."""
    cut = Values(data, length)
    return Values(torch.where(cut.inside, data, 0), length)


def _at(xs: Values, index: Tensor) -> Tensor:
    """Return entry `index` [N] of each list; an index that is out of range is moved into it."""
    index = index.clamp(0, len(xs.data) - 1).long()
    return xs.data.gather(0, index[None])[0]


def _or_null(xs: Values, numbers: Tensor) -> Values:
    return _integers(torch.where(xs.length > 0, numbers, NULL))


def _head(xs: Values) -> Values:
    return _or_null(xs, xs.data[0])


def _last(xs: Values) -> Values:
    return _or_null(xs, _at(xs, xs.length - 1))


def _minimum(xs: Values) -> Values:
    return _or_null(xs, torch.where(xs.inside, xs.data, 2**31 - 1).amin(0))


def _maximum(xs: Values) -> Values:
    return _or_null(xs, torch.where(xs.inside, xs.data, -(2**31)).amax(0))


def _sum(xs: Values) -> Values:
    return _integers(xs.data.sum(0, dtype=torch.int32))


def _access(n: Values, xs: Values) -> Values:
    index = n.data[0]
    there = (index >= 0) & (index < xs.length)
    return _integers(torch.where(there, _at(xs, index), NULL))


def _take(n: Values, xs: Values) -> Values:
    return _cut(xs.data, torch.minimum(n.data[0], xs.length).clamp(min=0))


def _drop(n: Values, xs: Values) -> Values:
    """Nothing is left where n is negative, as in the authors' search."""
    first, most = n.data[0], len(xs.data)
    left = torch.where(first >= 0, xs.length - first.clamp(0, most), 0).clamp(min=0)
    places = torch.arange(most, device=first.device)[:, None] + first.clamp(0, most)
    return _cut(xs.data.gather(0, places.clamp(max=most - 1)), left)


def _sort(xs: Values) -> Values:
    return _cut(torch.where(xs.inside, xs.data, 2**31 - 1).sort(0).values, xs.length)


def _reverse(xs: Values) -> Values:
    places = xs.length - 1 - torch.arange(len(xs.data), device=xs.length.device)[:, None]
    return _cut(xs.data.gather(0, places.clamp(min=0)), xs.length)


def _map(f: Callable[[Tensor], Tensor]) -> Callable[[Values], Values]:
    return lambda xs: Values(torch.where(xs.inside, f(xs.data), 0), xs.length)


def _filter(keeps: Callable[[Tensor], Tensor]) -> Callable[[Values], Values]:
    def run(xs: Values) -> Values:
        kept = keeps(xs.data) & xs.inside
        end = len(kept)  # what is left out goes into a row that is cut off
        rows = torch.where(kept, kept.cumsum(0) - 1, end)
        out = xs.data.new_zeros(end + 1, kept.shape[1]).scatter_(0, rows, xs.data)
        return Values(out[:end], kept.sum(0, dtype=torch.int32))

    return run


def _count(counts: Callable[[Tensor], Tensor]) -> Callable[[Values], Values]:
    return lambda xs: _integers((counts(xs.data) & xs.inside).sum(0))


def _zipwith(f: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Values, Values], Values]:
    return lambda xs, ys: _cut(f(xs.data, ys.data), torch.minimum(xs.length, ys.length))


def _scanl1(f: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Values], Values]:
    def run(xs: Values) -> Values:
        rows = [xs.data[0]]
        for row in xs.data[1:]:
            rows.append(f(rows[-1], row))
        return _cut(torch.stack(rows), xs.length)

    return run


def _divided(by: int) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.div(x, by, rounding_mode="trunc")


TESTS: dict[str, Callable[[Tensor], Tensor]] = {
    "isPOS": lambda x: x > 0,
    "isNEG": lambda x: x < 0,
    "isODD": lambda x: (x & 1) == 1,
    "isEVEN": lambda x: (x & 1) == 0,
}
CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "INC": lambda x: x + 1,
    "DEC": lambda x: x - 1,
    "SHL": lambda x: x * 2,
    "SHR": _divided(2),
    "doNEG": lambda x: -x,
    "SQR": lambda x: x * x,
    "MUL3": lambda x: x * 3,
    "DIV3": _divided(3),
    "MUL4": lambda x: x * 4,
    "DIV4": _divided(4),
}
PAIRS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "MAX": torch.maximum,
    "MIN": torch.minimum,
}
LIST, NUMBER = True, False


def _operations() -> tuple[Operation, ...]:
    def one(name: str, run: Callable[..., Values], gives_list: bool, *takes: bool) -> Operation:
        return Operation(name, tuple(name.split()), takes, gives_list, run)

    def order(names: str) -> list[str]:
        return names.split()

    return (
        one("MINIMUM", _minimum, NUMBER, LIST),
        one("MAXIMUM", _maximum, NUMBER, LIST),
        one("HEAD", _head, NUMBER, LIST),
        one("LAST", _last, NUMBER, LIST),
        one("SUM", _sum, NUMBER, LIST),
        *(
            one(f"COUNT {k}", _count(TESTS[k]), NUMBER, LIST)
            for k in order("isPOS isNEG isEVEN isODD")
        ),
        *(one(f"MAP {k}", _map(f), LIST, LIST) for k, f in CHANGES.items()),
        *(one(f"FILTER {k}", _filter(f), LIST, LIST) for k, f in TESTS.items()),
        one("SORT", _sort, LIST, LIST),
        one("REVERSE", _reverse, LIST, LIST),
        *(one(f"SCANL1 {k}", _scanl1(f), LIST, LIST) for k, f in PAIRS.items()),
        one("ACCESS", _access, NUMBER, NUMBER, LIST),
        one("TAKE", _take, LIST, NUMBER, LIST),
        one("DROP", _drop, LIST, NUMBER, LIST),
        *(one(f"ZIPWITH {k}", _zipwith(f), LIST, LIST, LIST) for k, f in PAIRS.items()),
    )


OPERATIONS = _operations()
ATTRIBUTES = tuple(dict.fromkeys(a for operation in OPERATIONS for a in operation.attributes))
"""The 34: 15 functions and 19 lambdas."""
