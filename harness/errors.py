"""The one exception users see: one sentence, what was found, what was wanted, the next command."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """A mistake a user can mend. The command line prints it as one line and exits with 2."""


def closest(word: str, choices: Iterable[str]) -> str:
    """Return ' (did you mean X?)' for the choice nearest to `word`, or '' if none is near."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


class DataNotAtHand(HarnessError):
    """A dataset is not on this machine: the one mistake that `--if-data-at-hand` forgives."""
