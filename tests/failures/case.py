"""A row of docs/failures.md as code: how it is brought about, what is kept, which test holds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.failures.said import Said
from tests.failures.stage import Stage, on_stage

Printed = Said | str | Iterable[Said | str]
"""What a case returns: what a command said, Markdown of its own, or several of both in a row."""
BringAbout = Callable[[Stage], Printed]


@dataclass(frozen=True)
class Case:
    """One row. `SECTION.case(...)` makes it from a function that brings it about."""

    section: Section
    title: str
    bring_about: BringAbout
    test: str
    """The test that holds it in depth, as pytest names it."""
    kept: str = ""
    """What is kept, a sentence; the function asserts it where it can."""
    pretended: str = ""
    """How it is brought about where no machine can be made to fail so: the row is marked *."""
    foreign: str = ""
    """A pattern of words that are not ours and change with versions of Python, torch or Pillow."""

    @property
    def shown_title(self) -> str:
        """The title as the page has it."""
        return f"{self.title} (*: {self.pretended})" if self.pretended else self.title

    def seen(self, folder: Path, lines: list[str] | None = None) -> str:
        """Bring it about in `folder`, which is made, and return what is seen, as Markdown.

        The command lines are added to `lines`.
        """
        with on_stage(folder) as stage:
            shown = self.bring_about(stage)
            if self.section.holds is not None:
                self.section.holds(stage)
        if lines is not None:
            lines += stage.lines
        pieces = [shown] if isinstance(shown, Said | str) else shown
        text = " ".join(p.seen() if isinstance(p, Said) else p for p in pieces)
        assert text, f"{self.title}: nothing is seen"
        return text

    def ours(self, seen: str) -> str:
        """Return `seen` without the words that are not ours."""
        return re.sub(self.foreign, "~", seen) if self.foreign else seen


@dataclass
class Section:
    """One table of the page, and the cases of one file, in their order."""

    title: str
    kept: str = ""
    """One sentence for all rows, below the table; without it each row has its own, in a column."""
    holds: Callable[[Stage], None] | None = None
    """Asserts `kept` after each case."""
    cases: list[Case] = field(default_factory=list)

    def case(
        self, title: str, *, test: str, kept: str = "", pretended: str = "", foreign: str = ""
    ) -> Callable[[BringAbout], BringAbout]:
        """Make the function below this line a row: it sets the stage and returns what is
        printed."""
        assert bool(kept) != bool(self.kept), f"{title}: kept is said by the row or the section"

        def add(function: BringAbout) -> BringAbout:
            self.cases.append(Case(self, title, function, test, kept, pretended, foreign))
            return function

        return add

    def line(self, title: str, line: str, *, test: str, kept: str = "", foreign: str = "") -> None:
        """Make a row of a command line that needs no more than itself."""
        self.case(title, test=test, kept=kept, foreign=foreign)(lambda stage: stage.say(line))


def nothing_written(stage: Stage) -> None:
    """Assert that no file was made, changed or lost by the commands (but for empty locks)."""
    assert stage.before is not None, "no command was run"
    changed = sorted(name for name, _ in stage.before.items() ^ stage.files().items())
    assert not changed, f"these files were made, changed or lost: {', '.join(changed)}"
