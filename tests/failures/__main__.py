"""`python -m tests.failures`: bring about every row of docs/failures.md; say what would change.

With `--write` the page is written. Words choose rows by their titles: these are brought about and
printed, with the command lines that do it.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests.failures.case import Case
from tests.failures.page import CASES, PAGE, key, render, seen_in


def main() -> int:
    """Run the cases; 1 where the page is not what they print, 0 where it is or was written."""
    parser = argparse.ArgumentParser(prog="python -m tests.failures", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="rows whose titles hold it (all)")
    parser.add_argument("--write", action="store_true", help="write the page")
    arguments = parser.parse_args()
    if arguments.words and arguments.write:
        parser.error("the page is written as a whole: leave the words out")
    warnings.simplefilter("error")  # as in tests
    if arguments.words:
        for case in CASES:
            if any(word in case.shown_title for word in arguments.words):
                lines: list[str] = []
                seen = _brought_about(case, lines)
                print("\n".join([case.shown_title, *(f"  $ {x}" for x in lines), f"  {seen}"]))
        return 0
    page = PAGE.read_text(encoding="utf-8")
    known = seen_in(page)
    new = render(lambda case: _kept(case, known.get(key(case), ""), _brought_about(case)))
    sys.stdout.writelines(
        difflib.unified_diff(
            page.splitlines(keepends=True), new.splitlines(keepends=True), "page", "printed"
        )
    )
    if arguments.write:
        PAGE.write_text(new, encoding="utf-8")
    return int(new != page and not arguments.write)


def _brought_about(case: Case, lines: list[str] | None = None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        start, busy = time.monotonic(), time.process_time()
        seen = case.seen(Path(folder) / "stage", lines)
        start, busy = time.monotonic() - start, time.process_time() - busy
        print(f"{start:6.1f} s, {busy:6.1f} s busy  {case.title}", file=sys.stderr)
    return seen


def _kept(case: Case, old: str, new: str) -> str:
    """Keep what the page says where only words that are not ours differ."""
    return old if case.ours(old) == case.ours(new) else new


if __name__ == "__main__":
    sys.exit(main())
