"""Result tables in README files, between generated markers, so that no number is typed by hand.

    <!-- results:begin maml -->
    …
    <!-- results:end maml -->

The name is a paper, a cell (`paper/cell`) or `all`; `explain/paper/cell` stands for what the
switches of a cell are worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.compare.row import Row
from harness.compare.rows import collect
from harness.errors import HarnessError
from harness.explain.explanation import find_explanations
from harness.report.render import render_explanations, render_rows

_BEGIN = re.compile(r"<!-- results:begin (\S+) -->\n")
_EXPLAIN = "explain/"
_ANY = re.compile(r"<!--\s*results:(begin|end)\b.*?-->")


def stale_markers(root: Path, results: Path) -> list[str]:
    """Name the README files under `root` whose tables are not those of today's records."""
    return [p.relative_to(root).as_posix() for p, old, new in _pages(root, results) if old != new]


def update_markers(root: Path, results: Path) -> list[str]:
    """Write today's tables between the markers under `root`; name the files that changed."""
    changed = []
    for path, old, new in _pages(root, results):
        if old != new:
            path.write_text(new, encoding="utf-8")
            changed.append(path.relative_to(root).as_posix())
    return changed


def replace_tables(text: str, root: Path, results: Path, where: str) -> str:
    """Give `text` with today's table between each pair of markers; `where` names the file."""
    parts, at = [], 0
    for begin in _BEGIN.finditer(text):
        name = begin[1]
        end = text.find(f"<!-- results:end {name} -->", begin.end())
        following = _BEGIN.search(text, begin.end())
        if end < 0 or (following and following.start() < end):
            raise HarnessError(f"{where}: found no `<!-- results:end {name} -->` after its begin.")
        if name.startswith(_EXPLAIN):
            table = render_explanations(find_explanations(results, name[len(_EXPLAIN) :]), "md")
        else:
            words = [] if name == "all" else [name]
            rows = collect(results, words, root / "replications").rows
            table = _table(rows, whole=name != "all")
        parts += [text[at : begin.end()], "\n", table]
        at = end
    parts.append(text[at:])
    new = "".join(parts)
    begins, ends = (sum(m[1] == kind for m in _ANY.finditer(new)) for kind in ("begin", "end"))
    if begins != len(_BEGIN.findall(new)) or begins != ends:
        raise HarnessError(
            f"{where}: found a broken marker; wanted `<!-- results:begin NAME -->` on a line of "
            f"its own and `<!-- results:end NAME -->` after it."
        )
    return new


def _table(rows: list[Row], whole: bool) -> str:
    """Give the Markdown table; on the page of all papers, what was not run is only counted."""
    if whole:
        return render_rows(rows, "md")
    ran = [r for r in rows if r.verdict != "not run"]
    left = len(rows) - len(ran)
    rest = f"\nPublished numbers not run yet: {left} (`harness list` names them).\n" if left else ""
    return render_rows(ran, "md") + rest


def _pages(root: Path, results: Path) -> Iterator[tuple[Path, str, str]]:
    for path in [root / "README.md", *sorted((root / "replications").glob("*/README.md"))]:
        if path.is_file():
            old = path.read_text(encoding="utf-8")
            where = path.relative_to(root).as_posix()
            yield path, old, replace_tables(old, root, results, where)
