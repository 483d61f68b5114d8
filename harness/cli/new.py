"""`harness new PAPER`: a paper folder that passes `harness check`, to be filled in."""

from __future__ import annotations

import argparse
import errno
import os
import re
import tempfile
from importlib import resources
from pathlib import Path

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
    if os.path.lexists(folder):
        raise _is_there(folder, paper)
    try:
        said = _write(folder, paper)
    except OSError as e:
        if os.path.lexists(folder):  # made by another in the meantime
            raise _is_there(folder, paper) from None
        why = f"{e.filename} is no folder" if e.errno == errno.EEXIST else e.strerror or e
        raise HarnessError(
            f"could not make {folder}: {why}; nothing half-written is left: free some "
            f"space or mend that, and run the command again."
        ) from None
    print("\n".join(said))
    print(f"harness check {paper}")
    print(f"harness run {paper}/sinusoid-10shot --budget smoke")
    return 0


def _is_there(folder: Path, paper: str) -> HarnessError:
    return HarnessError(
        f"{folder} is there already and is not overwritten; "
        f"run `harness check {paper}` to see what it lacks."
    )


def _write(folder: Path, paper: str) -> list[str]:
    """Write the scaffold beside its place and move it there whole; return a line for each file."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A folder deeper than papers lie, so that nobody takes the unfinished one for a paper.
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as hidden:
        made = Path(hidden) / paper
        made.mkdir()
        lines = _fill(made, folder, paper)
        made.rename(folder)
    return lines


def _fill(made: Path, folder: Path, paper: str) -> list[str]:
    total, said = 0, []
    templates = resources.files("harness.cli") / _SCAFFOLD
    for template in sorted(templates.iterdir(), key=lambda t: t.name):
        # Templates end in .template so that no tool takes them for code or for a paper.
        name = template.name.removesuffix(".template").replace(_PLACEHOLDER, paper)
        text = template.read_text(encoding="utf-8").replace(_PLACEHOLDER, paper)
        (made / name).write_text(text, encoding="utf-8")
        lines = len(text.splitlines())
        total += lines
        said.append(f"{lines:4} lines  {folder / name}")
    rest = "It is a working example: replace what is marked EXAMPLE, then"
    return [*said, f"{total:4} lines in all. {rest}"]
