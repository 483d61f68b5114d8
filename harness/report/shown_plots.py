"""Which plots the Markdown pages show: `results/` keeps those, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from harness.text_file import read_text

Wanted = Callable[[Path], bool]
"""Whether a plot is to be drawn, by its path without a suffix, `…/<paper>/<name>`."""

_IMAGE = re.compile(r"plots/([\w.-]+/[\w.-]+)\.svg\b")


def every_plot(_: Path) -> bool:
    """Return True: all plots are wanted."""
    return True


def shown_plots(root: Path) -> frozenset[str]:
    """Return `<paper>/<name>` of each plot that the front page, a page of `docs/` or a page of a
    paper below `root` shows."""
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("replications/*/*.md")]
    texts = [read_text(page, "a readable page") for page in pages]
    return frozenset(name for text in texts for name in _IMAGE.findall(text))


def shown_on_pages(root: Path) -> Wanted:
    """Return what tells whether a page below `root` shows a plot."""
    names = shown_plots(root)
    return lambda stem: f"{stem.parent.name}/{stem.name}" in names
