"""Text that does nothing to a terminal: names and notes come from files of whoever wrote them.

Control characters (which colour, overwrite and rename windows) and marks that turn the direction of
writing around are shown as escapes. What an encoding cannot say is said in ASCII.
"""

from __future__ import annotations

import codecs
import re

# All C0 and C1 controls but tab, line feed, and a carriage return that ends a line of csv; then the
# marks that turn the direction of writing around, and the separators that some take for line ends.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]|\r(?!\n)"
)

ASCII = {
    "±": "+-", "×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "≤": "<=", "≥": ">=", "≈": "~",
    "▲": "^", "▼": "v", "→": "->", "·": "*", "’": "'", "‘": "'", "“": "'", "”": "'", "°": " deg",
    "²": "^2", "³": "^3",
}  # fmt: skip
"""What is written where an encoding lacks a sign."""

ERRORS = "harness.plain"
"""The name of that rule, for `errors=` of a stream."""


def plain(text: str) -> str:
    r"""Return the text with control characters as escapes (`\u001b`), which JSON knows too."""
    return _CONTROL.sub(lambda match: _escape(match[0]), text)


def one_line(text: str) -> str:
    """Return text for a cell of a table: line ends and tabs are spaces."""
    return " ".join(text.split()) if set(text) & set("\n\r\t") else text


def _escape(text: str) -> str:
    """Return each character as backslash, u and four hexadecimal digits: two for those beyond."""
    halves = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{halves[i]:02x}{halves[i + 1]:02x}" for i in range(0, len(halves), 2))


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    left = error.object[error.start : error.end]
    return "".join(ASCII.get(c) or _escape(c) for c in left), error.end


codecs.register_error(ERRORS, _in_ascii)
