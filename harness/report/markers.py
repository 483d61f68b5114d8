"""Result tables in README files, between generated markers, so that no number is typed by hand.

    <!-- results:begin maml -->
    …
    <!-- results:end maml -->

The name is a paper or a cell (`paper/cell`: all rows, those that were not run folded), `headline`
(one row for each system of the field), `headline/paper` (at most ten rows), `all` (how many numbers
of each variant got which verdict), `across` (the methods of all papers beside each other, as far as
they were run), `orderings/paper` (what its figures show without a number) or `explain/paper/cell`
(what the switches of a cell are worth). Pages are the front
page, `docs/*.md`, and README.md and RESULTS.md of each paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from harness.catalog import Paper, papers
from harness.compare.across import across_rows
from harness.compare.across_pairs import across_pairs
from harness.compare.orderings import ordering_rows
from harness.compare.row import Row
from harness.compare.rows import Collection, collect, select_cells
from harness.durable import write_whole
from harness.errors import HarnessError
from harness.explain.explanation import find_explanations
from harness.records.store import find_records
from harness.report.across_sheet import pair_sections, short_sections
from harness.report.headline import front_sections, paper_sections
from harness.report.markdown import render_markdown
from harness.report.render import render_explanations
from harness.report.sheet import ordering_sections, row_sections
from harness.report.summary import folded, rest, summary_sections

_BEGIN = re.compile(r"<!-- results:begin (\S+) -->\n")
_EXPLAIN, _HEADLINE, _ORDERINGS = "explain/", "headline", "orderings/"
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


def replace_tables(text: str, tables: Tables, where: str) -> str:
    """Return `text` with today's table between each pair of markers; `where` names the file."""
    parts, at = [], 0
    for begin in _BEGIN.finditer(text):
        name = begin[1]
        end = text.find(f"<!-- results:end {name} -->", begin.end())
        following = _BEGIN.search(text, begin.end())
        if end < 0 or (following and following.start() < end):
            raise HarnessError(f"{where}: found no `<!-- results:end {name} -->` after its begin.")
        parts += [text[at : begin.end()], "\n", tables.section(name)]
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


class Tables:
    """What stands between the markers; records are read once, where the first table asks for
    them."""

    def __init__(self, root: Path, results: Path) -> None:
        """`root` is the checkout, `results` the folder of records."""
        self.folder, self.results = root / "replications", results

    @cached_property
    def _papers(self) -> dict[str, Paper]:
        return papers(self.folder)

    @cached_property
    def _all(self) -> Collection:
        return collect(self.results, [], self.folder, context=True)

    def _rows(self, word: str = "") -> list[Row]:
        """Return the rows of a paper, of a cell or of all; lines quoted for context have none."""
        cells = {c.key for c in select_cells(self._papers, [word])} if word else set()
        own = [r for r in self._all.rows if r.verdict.name != "context"]
        if not word:
            return own
        return [r for r in own if r.paper == word or f"{r.paper}/{r.cell}" in cells]

    def section(self, name: str) -> str:
        """Return the Markdown between the markers of `name`."""
        if name.startswith(_EXPLAIN):
            cell = name.removeprefix(_EXPLAIN)
            return render_explanations(find_explanations(self.results, cell), "md")
        if name == "all":
            rows = self._rows()
            left = "\n".join(rest(rows, "../replications/"))
            return f"{render_markdown(summary_sections(rows))}\n{left}\n"
        if name == _HEADLINE:
            return render_markdown(front_sections(self._rows(), self._papers))
        if name.startswith(f"{_HEADLINE}/"):
            own = self._rows(name.removeprefix(f"{_HEADLINE}/"))
            return render_markdown(paper_sections(own))
        if name.startswith(_ORDERINGS):
            paper = name.removeprefix(_ORDERINGS)
            own_orderings = [r for r in ordering_rows(self._all) if r.paper == paper]
            return render_markdown(ordering_sections(own_orderings))
        if name == "across":
            beside = across_rows(self._all, self.results)
            sections = [*short_sections(beside), *pair_sections(across_pairs(self._all))]
            count = sum(r.row.measured.mean is None for r in beside)
            return f"{render_markdown(sections)}\nPublished only: {count} more.\n"
        ran, not_run = folded(self._rows(name))
        return render_markdown([*row_sections(ran), *not_run])


def _pages(root: Path, results: Path) -> Iterator[tuple[Path, str, str]]:
    if (root / "replications").is_dir():
        papers(root / "replications")  # a page without a paper that does not read would be wrong
    tables = Tables(root, results)
    own = sorted((root / "replications").glob("*/*.md"))
    own = [path for path in own if path.name in ("README.md", "RESULTS.md")]
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md")), *own]:
        if path.is_file():
            old = path.read_text(encoding="utf-8")
            where = path.relative_to(root).as_posix()
            yield path, old, replace_tables(old, tables, where)
