"""`harness new PAPER`: a paper folder that passes `harness check`, to be filled in."""

from __future__ import annotations

import argparse
import re
from importlib import resources

from harness.catalog import replications_folder
from harness.errors import HarnessError

SUMMARY = "make the folder of a new paper, ready to be filled in"
EXAMPLES = ["harness new demo"]
_SCAFFOLD = "scaffold"
_PLACEHOLDER = "PAPER"  # stands for the paper's name in file names and in the text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words after `harness new`."""
    parser.add_argument(
        "paper", metavar="PAPER", help="name of the folder: lower-case letters, digits and _"
    )


def main(arguments: argparse.Namespace) -> int:
    """Write the folder and say what to do next."""
    paper = arguments.paper
    if not re.fullmatch(r"[a-z][a-z0-9_]*", paper):
        raise HarnessError(
            f"found name {paper!r}, wanted lower-case letters, digits and _, a letter first; "
            "it is part of commands and file names."
        )
    folder = replications_folder() / paper
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise HarnessError(
            f"{folder} is there already and is not overwritten; "
            f"run `harness check {paper}` to see what it lacks."
        ) from None
    total = 0
    templates = resources.files("harness.cli") / _SCAFFOLD
    for template in sorted(templates.iterdir(), key=lambda t: t.name):
        # Templates end in .template so that no tool takes them for code or for a paper.
        name = template.name.removesuffix(".template").replace(_PLACEHOLDER, paper)
        text = template.read_text(encoding="utf-8").replace(_PLACEHOLDER, paper)
        (folder / name).write_text(text, encoding="utf-8")
        lines = len(text.splitlines())
        total += lines
        print(f"{lines:4} lines  {folder / name}")
    print(f"{total:4} lines in all. It is a working example: replace what is marked EXAMPLE, then")
    print(f"harness check {paper}")
    return 0
