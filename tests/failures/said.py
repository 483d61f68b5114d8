"""What a command line printed, as the page shows it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_VARYING = (
    (re.compile(r"(?<=-aside-)\d{8}-\d{6}-\d{6}"), "…"),
    # Digests: in the name of a record's folder, and others (a number has no letters).
    (re.compile(r"(?<=-)[0-9a-f]{8}(?!\w)"), "…"),
    (re.compile(r"(?<!\w)(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}(?!\w)"), "…"),
    (re.compile(r"\bprocess \d+"), "process 12345"),
    (re.compile(r"\bkill \d+"), "kill 12345"),
)


def shown(text: str, folder: Path) -> str:
    """Return `text` without what differs from user to user: folders, digests, process numbers."""
    for path in (folder.resolve(), folder, ROOT):
        text = text.replace(str(path), "…")
    for pattern, same in _VARYING:
        text = pattern.sub(same, text)
    return text


def quoted(text: str) -> str:
    """Return one line as Markdown code, fit for a cell of a table."""
    assert "\n" not in text, text
    text = text.replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


@dataclass(frozen=True)
class Said:
    """What a command line gave: `seen()` is the cell of the page, unless a case takes parts of it.

    A user's mistake (status 2) is one line on standard error; that is asserted here, for each row
    that is not made of a part.
    """

    status: int
    out: str
    err: str
    folder: Path

    def __post_init__(self) -> None:
        assert "Traceback" not in self.err, self.err
        if self.status == 2:
            assert self.out == "", self.out

    def seen(self) -> str:
        """Return the lines on standard error (else those on standard output), and the status."""
        lines = (self.err or self.out).splitlines()
        if self.status == 2:
            assert len(lines) == 1, self.err
            assert lines[0].startswith("harness: "), self.err
        text = " and then ".join(quoted(shown(line, self.folder)) for line in lines)
        return text if self.status == 2 else f"{text or 'nothing'} (status {self.status})"

    def only(self, words: str) -> Said:
        """Keep the lines that hold `words`; there has to be one."""
        kept = [x for x in f"{self.err}{self.out}".splitlines(keepends=True) if words in x]
        assert kept, f"{words!r} is not in:\n{self.out}{self.err}"
        return dataclasses.replace(self, out="", err="".join(kept))

    def part(self, pattern: str) -> str:
        """Return what `pattern` matches, also in lines that a table has folded, quoted."""
        text = f"{self.out}\n{self.err}"
        match = re.search(pattern, text) or re.search(pattern, " ".join(text.split()))
        assert match, f"{pattern!r} is not in:\n{self.out}{self.err}"
        return quoted(shown(match[0], self.folder))
