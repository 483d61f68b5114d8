"""Switch tables: every wrong one is one sentence that says what was found and what was wanted."""

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError, closest
from harness.protocol import digest, parse_value, read_switches, switches


@dataclass(frozen=True)
class Settings:
    steps: int
    rate: float
    transductive: bool
    loss: Literal["sum", "mean"]
    test_steps: tuple[int, ...]
    name: str


RIGHT = {
    "steps": 5,
    "rate": 0.4,
    "transductive": True,
    "loss": "sum",
    "test_steps": [1, 5, 10],
    "name": "x",
}


def test_a_right_table_is_read():
    found = read_switches(Settings, RIGHT, "here")
    assert found == Settings(5, 0.4, True, "sum", (1, 5, 10), "x")
    assert switches(found) == RIGHT


def test_an_integer_serves_as_a_float():
    rate = read_switches(Settings, RIGHT | {"rate": 1}, "here").rate
    assert rate == 1.0
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": "5"}, "here.steps: found '5' (str), wanted int."),
        ({"steps": 5.0}, "here.steps: found 5.0 (float), wanted int."),
        ({"steps": True}, "here.steps: found True (bool), wanted int."),
        ({"rate": True}, "here.rate: found True (bool), wanted float."),
        ({"rate": "fast"}, "here.rate: found 'fast' (str), wanted float."),
        ({"transductive": 1}, "here.transductive: found 1 (int), wanted bool."),
        ({"loss": "summ"}, "here.loss: found 'summ' (did you mean 'sum'?); wanted one of"),
        ({"test_steps": 5}, "here.test_steps: found 5, wanted a list of int."),
        ({"test_steps": [1, "x"]}, "here.test_steps: found 'x' (str), wanted int."),
        ({"name": 3}, "here.name: found 3 (int), wanted str."),
        ({"step": 5}, "here: unknown switch 'step' (did you mean 'steps'?); wanted one of"),
    ],
)
def test_a_wrong_switch_is_one_sentence(change, sentence):
    with pytest.raises(HarnessError) as caught:
        read_switches(Settings, RIGHT | change, "here")
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RIGHT)
def test_a_missing_switch_has_no_default(name):
    table = {k: v for k, v in RIGHT.items() if k != name}
    with pytest.raises(HarnessError, match=f"here: switch '{name}' is not set"):
        read_switches(Settings, table, "here")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.4", 0.4),
        ("5", 5),
        ("true", True),
        ("[1, 5]", [1, 5]),
        ("best-validation", "best-validation"),
        ('"5"', "5"),
    ],
)
def test_values_of_set_are_read_as_toml(text, value):
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), json_values))
def test_digest_does_not_depend_on_the_order_of_keys(table):
    backwards = dict(reversed(table.items()))
    assert digest(table) == digest(backwards)
    assert digest(table) != digest({**table, "another key": 1}) or "another key" in table


def test_closest_is_silent_where_nothing_is_near():
    assert closest("omniglott", ["omniglot", "mnist"]) == " (did you mean 'omniglot'?)"
    assert closest("x", ["omniglot"]) == ""
