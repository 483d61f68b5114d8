"""Command lines whose cell stands behind a list: `harness run --variant maml CELL`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def cell_first(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """Return the words with the cell (`paper/cell`) moved to the front where it stands behind an
    option that takes any number of values: `argparse` would take it for one more value.

    No such value has a slash in it.
    """
    lists = {
        name for action in parser._actions if action.nargs == "+" for name in action.option_strings
    }
    cells: list[str] = []
    others: list[str] = []
    in_list = False
    for i, word in enumerate(words):
        if word == "--":
            others += words[i:]
            break
        if word.startswith("-") and not word[1:2].isdigit():
            # An option may be cut short (`--var`), and `--variant=maml` takes one value.
            in_list = len(word) > 2 and any(name.startswith(word) for name in lists)
            others.append(word)
        elif in_list and "/" in word:
            cells.append(word)
        else:
            others.append(word)
    return [*cells, *others]
