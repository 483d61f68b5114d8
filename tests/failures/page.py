"""docs/failures.md: written from the cases, and read again to be compared with them."""

from __future__ import annotations

from collections.abc import Callable

from tests.failures import (
    checkpoints,
    costs,
    data,
    machine,
    packs,
    papers,
    pictures,
    python,
    records,
    runs,
    streams,
    weights,
    words,
)
from tests.failures.case import Case, Section
from tests.failures.said import ROOT

PAGE = ROOT / "docs" / "failures.md"
_OF_RUNS = (runs, checkpoints, machine, streams, costs)
_OF_FILES = (words, papers, data, pictures, packs, records, weights, python)
SECTIONS = tuple(m.SECTION for m in (*_OF_RUNS, *_OF_FILES))
CASES = tuple(case for section in SECTIONS for case in section.cases)
INTRO = """\
# When something goes wrong

Each row was brought about for real by `python -m tests.failures --write` (but those marked *, which
say how they were pretended), and what was printed is copied here, with `…` for the user's folders
and for digests. A mistake that a user can mend is one line on standard error and exit status 2:
what was found, what was wanted, the next command. Another status is named: 0 where the command went
on, 1 where a check failed or results were not written, 130 where it was stopped. "And then" joins
lines of one command, "or" those of several. A traceback is a bug.
"""


def render(seen: Callable[[Case], str]) -> str:
    """Return the page, with `seen(case)` as what is seen."""
    return "\n".join([INTRO, *(_table(section, seen) for section in SECTIONS)])


def _table(section: Section, seen: Callable[[Case], str]) -> str:
    own = not section.kept
    head = ["what goes wrong", "what you see", *["what is kept"] * own, "test"]
    rows = [head, ["---"] * len(head)]
    for case in section.cases:
        rows.append([case.shown_title, seen(case), *[case.kept] * own, f"`{case.test}`"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines[1] = lines[1].replace(" ", "")
    text = "\n".join([f"## {section.title}", "", *lines, ""])
    return text if own else f"{text}\n{section.kept}\n"


def seen_in(page: str) -> dict[tuple[str, str], str]:
    """Return what a page says is seen, by section and title."""
    seen_of, section = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| "):
            title, seen, *_ = line.removeprefix("| ").split(" | ")
            seen_of[section, title] = seen
    return seen_of


def key(case: Case) -> tuple[str, str]:
    """Return section and title, as `seen_in` has them."""
    return case.section.title, case.shown_title
