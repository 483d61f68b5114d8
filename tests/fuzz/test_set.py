"""`--set section.switch=value` with any words, against the switches of real cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalog import SECTIONS, find_cell
from harness.protocol import digest, overrides
from tests.fuzz.guard import boxed, fuzzed, told

CELL = "maml/sinusoid-5shot"
ODD = (
    "1e999",
    "nan",
    "-inf",
    '"""',
    "{a=1}",
    "1\nx=2",
    "\x00",
    "\x1b[2J",
    "1970-01-01",
    "-1",
    "true",
)
# What is longer or deeper than any switch: TODO take the mark away when values of `--set` are held
# to 64 bits, and long ones are cut where they are shown.
LONG = ("9" * 5_000, "9" * 400, "0x" + "f" * 5_000, "[" * 3_000 + "]" * 3_000, "x" * 200_000)


def switches():
    written = find_cell(CELL).written("maml")
    return [f"{section}.{name}" for section in SECTIONS for name in written[section]]


def resolve(text):
    return digest(find_cell(CELL).variant("maml", overrides([text])).protocol())


def test_words(tmp_path):
    known = switches()
    # Values that are hostile on purpose stand in the list below.
    words = st.text(max_size=12) | st.integers(-(2**63), 2**63 - 1).map(str)
    words |= st.floats(allow_nan=False, allow_infinity=False).map(str) | st.booleans().map(str)

    @fuzzed
    @given(st.sampled_from(known) | st.text(max_size=8), words)
    def anything(switch, value):
        told(lambda: resolve(f"{switch}={value}"), tmp_path)

    boxed(2, anything)
    told(lambda: overrides([""]), tmp_path)


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_odd_values(tmp_path, value):
    for switch in ("method.inner_rate", "method.inner_steps", "method.order", "tasks.x"):
        told(lambda switch=switch: resolve(f"{switch}={value}"), tmp_path)


@pytest.mark.parametrize("value", LONG, ids=lambda v: v[:3])
def test_long_values(tmp_path, value):
    test_odd_values(tmp_path, value)
