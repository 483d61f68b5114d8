"""Result tables in README files, between generated markers, so that no number is typed by hand.

    <!-- results:begin maml -->
    …
    <!-- results:end maml -->

The name is a paper, a cell (`paper/cell`), `all` (how many numbers of each variant got which
verdict), `across` (the methods of all papers beside each other, as far as they were run) or
`explain/paper/cell` (what the switches of a cell are worth).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.catalog import papers
from harness.compare.across import across_rows
from harness.compare.across_pairs import across_pairs
from harness.compare.rows import collect
from harness.durable import write_whole
from harness.errors import HarnessError
from harness.explain.explanation import find_explanations
from harness.records.store import find_records
from harness.report.across_sheet import pair_sections, short_sections
from harness.report.markdown import render_markdown
from harness.report.render import render_explanations, render_rows
from harness.report.summary import rest, summary_sections

_BEGIN = re.compile(r"<!-- results:begin (\S+) -->\n")
_EXPLAIN = "explain/"
_ANY = re.compile(r"<!--\s*results:(begin|end)\b.*?-->")


def stale_markers(root: Path, results: Path) -> list[str]:
    """Name the README files under `root` whose tables are not those of today's records."""
    stale = [p.relative_to(root).as_posix() for p, old, new in _pages(root, results) if old != new]
    if stale:
        _wants_records(results)
    return stale


def update_markers(root: Path, results: Path) -> list[str]:
    """Write today's tables between the markers under `root`; name the files that changed.

    Every table is made before a page is written, and each page is replaced as a whole.
    """
    changed = [(path, new) for path, old, new in _pages(root, results) if old != new]
    if changed:
        _wants_records(results)
    for path, new in changed:
        write_whole(path, new, "free some space or mend the folder's permissions")
    return [path.relative_to(root).as_posix() for path, _ in changed]


def _wants_records(results: Path) -> None:
    """Refuse a folder without records: every table would say `not run`."""
    other = (("costs", "*/*.json"), ("explain", "*/*/*.json"))
    if not find_records(results) and not any(any((results / a).glob(b)) for a, b in other):
        raise HarnessError(
            f"found no record in {results}, wanted some for the tables of the pages: each would "
            f"say `not run`; name the folder of records with --results."
        )


def replace_tables(text: str, root: Path, results: Path, where: str) -> str:
    """Give `text` with today's table between each pair of markers; `where` names the file."""
    parts, at = [], 0
    for begin in _BEGIN.finditer(text):
        name = begin[1]
        end = text.find(f"<!-- results:end {name} -->", begin.end())
        following = _BEGIN.search(text, begin.end())
        if end < 0 or (following and following.start() < end):
            raise HarnessError(f"{where}: found no `<!-- results:end {name} -->` after its begin.")
        parts += [text[at : begin.end()], "\n", _section(name, root, results)]
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


def _section(name: str, root: Path, results: Path) -> str:
    """Give the Markdown between the markers of `name`."""
    if name.startswith(_EXPLAIN):
        return render_explanations(find_explanations(results, name.removeprefix(_EXPLAIN)), "md")
    folder = root / "replications"
    if name == "all":
        rows = collect(results, [], folder).rows
        papers = "\n".join(rest(rows))
        return f"{render_markdown(summary_sections(rows))}\n{papers}\n"
    if name == "across":
        found = collect(results, [], folder, context=True)
        beside = across_rows(found, results)
        sections = [*short_sections(beside), *pair_sections(across_pairs(found))]
        left = sum(r.measured is None for r in beside)
        return f"{render_markdown(sections)}\nPublished only: {left} more.\n"
    return render_rows(collect(results, [name], folder).rows, "md")


def _pages(root: Path, results: Path) -> Iterator[tuple[Path, str, str]]:
    if (root / "replications").is_dir():
        papers(root / "replications")  # a page without a paper that does not read would be wrong
    for path in [root / "README.md", *sorted((root / "replications").glob("*/README.md"))]:
        if path.is_file():
            old = path.read_text(encoding="utf-8")
            where = path.relative_to(root).as_posix()
            yield path, old, replace_tables(old, root, results, where)
