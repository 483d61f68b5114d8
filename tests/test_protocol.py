"""Switch tables: every wrong one is one sentence that says what was found and what was wanted."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError, closest
from harness.protocol import digest, overrides, parse_value, ranges, read_switches, switches
from harness.ranges import Entries, Range


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
    read = read_switches(Settings, RIGHT, "here")
    assert read == Settings(5, 0.4, True, "sum", (1, 5, 10), "x")
    assert switches(read) == RIGHT


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
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


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


@dataclass(frozen=True)
class Ranged:
    steps: Annotated[int, Range(0, 1000)]
    rate: Annotated[float, Range(0, 1, above=True)]
    widths: Annotated[tuple[Annotated[int, Range(1, 64)], ...], Entries(1, 3)]
    loss: Literal["sum", "mean"]
    whole: bool
    name: str
    unstated: int
    unbounded: tuple[Annotated[int, Range(1, 64)], ...]


INSIDE = {
    "steps": 5,
    "rate": 0.5,
    "widths": [4, 8],
    "loss": "sum",
    "whole": True,
    "name": "x",
    "unstated": 1,
    "unbounded": [1],
}


def test_each_number_says_its_range():
    assert ranges(Ranged) == {
        "steps": "0 to 1000",
        "rate": "above 0, at most 1",
        "widths": "1 to 3 entries, each 1 to 64",
        "unstated": "",
        "unbounded": "",  # however many
    }


@pytest.mark.parametrize(
    ("switch", "value", "sentence"),
    [
        ("steps", -1, "found -1, wanted 0 to 1000."),
        ("steps", 10**5000, "found a number of some 5000 digits, wanted 0 to 1000."),
        ("steps", 2.0, "found 2.0 (float), wanted int, 0 to 1000."),
        ("rate", 0, "found 0, wanted above 0, at most 1."),
        ("rate", 10**400, "wanted above 0, at most 1."),
        ("rate", float("nan"), "found nan, wanted above 0, at most 1."),
        ("rate", float("inf"), "found inf, wanted above 0, at most 1."),
        ("widths", [], "found 0 entries, wanted 1 to 3 entries."),
        ("widths", [1] * 4, "found 4 entries, wanted 1 to 3 entries."),
        ("widths", [1, 0], "found 0, wanted 1 to 64."),
        ("widths", [[1]], "found [1] (list), wanted int, 1 to 64."),
        ("loss", ["sum"], "found ['sum']; wanted one of 'sum', 'mean'."),
        ("unstated", 2**63, "wanted -9223372036854775808 to 2**63 - 1."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # 5,000 digits have no text
)
def test_a_number_out_of_its_range_is_one_sentence(switch, value, sentence):
    with pytest.raises(HarnessError) as caught:
        read_switches(Ranged, INSIDE | {switch: value}, "here")
    assert str(caught.value).startswith(f"here.{switch}: found ")
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    "text",
    ["9" * 5000, "0x" + "f" * 5000, "[" * 3000, "[" * 400 + "]" * 400, "1\nw = 2", "{a=1}", ""],
    ids=["digits", "hex", "open lists", "deep lists", "two lines", "table", "nothing"],
)
def test_values_that_no_switch_takes_are_one_sentence(text):
    with pytest.raises(HarnessError) as caught:
        read_switches(Ranged, INSIDE | {"steps": parse_value(text)}, "here")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


# What one may type after `--set SWITCH=`: any text, and what begins like TOML.
typed_texts = (
    st.text(st.characters(exclude_categories=()), max_size=40)
    | st.from_regex(r"[\[\]{}0-9.eE+_xa-f,\"' \n-]{0,40}", fullmatch=True)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.lists(st.integers(-2, 99), max_size=5).map(str)
    | st.integers(1, 6000).map(lambda n: "7" * n)
    | st.integers(1, 3000).map(lambda n: "[" * n + "1" + "]" * n)
)


@settings(deadline=timedelta(seconds=1), max_examples=200)
@given(st.sampled_from(list(INSIDE)), typed_texts)
def test_any_text_is_a_value_in_its_range_or_a_sentence(switch, text):
    sentence, ranged = "", None
    try:
        ranged = read_switches(Ranged, INSIDE | overrides([f"{switch}={text}"]), "here")
    except HarnessError as e:
        sentence = str(e)
    assert sentence.startswith("here" if ranged is None else "")
    assert sentence.isprintable()
    assert ranged is None or (
        ranged.steps in range(1001)
        and 0 < ranged.rate <= 1
        and 1 <= len(ranged.widths) <= 3
        and set(ranged.widths) <= set(range(1, 65))
        and ranged.loss in ("sum", "mean")
        and ranged.whole in (True, False)
    )


@settings(deadline=timedelta(seconds=1))
@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_is_an_override_or_a_sentence(text):
    sentence, overridden = "", {}
    try:
        overridden = overrides([text])
    except HarnessError as e:
        sentence = str(e)
    assert (len(overridden) == 1) is ("=" in text)
    assert bool(sentence) is ("=" not in text)


def test_closest_is_silent_where_nothing_is_near():
    assert closest("omniglott", ["omniglot", "mnist"]) == " (did you mean 'omniglot'?)"
    assert closest("x", ["omniglot"]) == ""
