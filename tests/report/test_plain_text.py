"""Text is harmless for a terminal, and can be written in every encoding."""

from __future__ import annotations

import io
import json

import pytest

from harness.report.plain_text import ERRORS, one_line, plain


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\x1b[31mred\x1b[0m", r"\u001b[31mred\u001b[0m"),
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("\x9b31m", r"\u009b31m"),
        ("good\rbad", r"good\u000dbad"),
        ("a\x08b\x7f\x00", r"a\u0008b\u007f\u0000"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, wanted):
    assert plain(text) == wanted


def test_other_text_is_as_it_was():
    text = "α = 0.4 ± 0.1\tÉtude 漢字 😀\nnext,csv\r\n"
    assert plain(text) == text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "utf-16"])
def test_every_encoding_takes_every_text(encoding):
    text = "98.7 ± 0.4 ▲ α 漢 😀 \udcff"
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=ERRORS)
    stream.write(text)
    stream.flush()
    written = stream.buffer.getvalue().decode(encoding)
    assert r"\udcff" in written
    if encoding == "ascii":
        assert written == r"98.7 +- 0.4 ^ \u03b1 \u6f22 \ud83d\ude00 \udcff"


def test_json_stays_json():
    text = json.dumps({"note": "± “α” 😀 \u202e"}, ensure_ascii=False)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=ERRORS)
    stream.write(plain(text))
    stream.flush()
    assert json.loads(stream.buffer.getvalue()) == {"note": "+- 'α' 😀 \u202e"}


def test_a_cell_of_a_table_is_one_line():
    assert one_line("a\nb\r\n c\td") == "a b c d"
    assert one_line("two  spaces") == "two  spaces"
