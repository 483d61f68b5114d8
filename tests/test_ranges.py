"""Numbers are read one way, plain digits, and a range says itself what it takes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.ranges import Entries, Range, shown


@pytest.mark.parametrize(
    ("stated", "inside", "outside", "words"),
    [
        (Range(0, 1), (0, 0.5, 1), (-0.1, 1.1), "0 to 1"),
        (Range(0, 1, above=True), (1e-300, 1), (0, 0.0, 2), "above 0, at most 1"),
        (Range(0, 1, below=True), (0, 0.99), (1, 1.0), "at least 0, below 1"),
        (Range(0, 2**63 - 1), (2**63 - 1,), (2**63, -1, 10**5000), "0 to 2**63 - 1"),
        (Range(-0.5, 1e6), (-0.5,), (math.nan, math.inf, -math.inf), "-0.5 to 1e+06"),
    ],
)
def test_a_range_says_what_is_inside(stated, inside, outside, words):
    assert all(n in stated for n in inside)
    assert not any(n in stated for n in outside)
    assert str(stated) == words


def test_a_list_says_how_many():
    assert str(Entries(4, 4)) == "4 entries"
    assert str(Entries(1, 64)) == "1 to 64 entries"


@pytest.mark.parametrize("text", ["5", "+5", "05"])
def test_plain_digits_are_a_whole_number(text):
    assert Range(0, 9).whole(text) == 5


@pytest.mark.parametrize(
    "text",
    ["", " 5", "5 ", "5\n", "1_0", "٥", "\uff15", "²", "1e3", "5.0", "0x5", "nan", "5" * 5000],
)
def test_anything_else_is_no_whole_number(text):
    with pytest.raises(HarnessError, match=r"^--n: found .*, wanted a whole number, 0 to 9999\.$"):
        Range(0, 9999).whole(text, "--n: ")


@pytest.mark.parametrize(
    ("text", "number"), [("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("1e-3", 0.001), ("-2", -2.0)]
)
def test_a_real_number(text, number):
    assert Range(-5, 5).real(text) == number


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1_0", "٠.٥", "0x1p3", ".", "e5", "1e"])
def test_anything_else_is_no_real_number(text):
    with pytest.raises(HarnessError, match=r"^found .*, wanted a number, -5 to 5\.$"):
        Range(-5, 5).real(text)


@pytest.mark.parametrize("text", ["1e400", "-1e999999999", "9" * 300])
def test_a_real_number_too_large_for_a_float_is_out_of_range(text):
    with pytest.raises(HarnessError, match="wanted -5 to 5"):
        Range(-5, 5).real(text)


@given(st.text(max_size=12) | st.from_regex(r"[-+0-9._eE]{0,12}", fullmatch=True))
def test_a_text_is_a_number_in_the_range_or_a_sentence(text):
    for read, kind in ((Range(-9, 99).whole, int), (Range(-9, 99).real, float)):
        sentence = ""
        try:
            number = read(text)
        except HarnessError as e:
            number, sentence = kind(0), str(e)
        assert sentence.isprintable()
        assert type(number) is kind
        assert -9 <= number <= 99


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (10**5000, "a number of some 5000 digits"),
        ([[[[[1]]]]], "[[[[...]]]]"),
        ("x" * 5000, None),
        (10**50, None),
        (list(range(5000)), None),
        ({"a" * 500: "b" * 500}, None),
    ],
    ids=["digits", "deep", "text", "number", "list", "table"],  # the first has no text
)
def test_what_is_shown_is_short(value, words):
    sentence = shown(value)
    assert len(sentence) < 250
    assert words in (None, sentence)
