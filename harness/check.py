"""The contract of a paper folder: what `harness check PAPER` looks at, one function per clause.

Each clause takes the folder and yields findings. A clause that cannot be judged because an earlier
one failed (a `paper.toml` that does not read) yields nothing: its own sentence would only repeat.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness import protocol
from harness.catalog import Paper, Variant, read_paper
from harness.compare.orderings import FILE as ORDERINGS_FILE
from harness.compare.orderings import read_orderings
from harness.costs.published import FILE as CLAIMS_FILE
from harness.costs.published import read_claims
from harness.errors import HarnessError
from harness.explain.elsewhere import FILE as REIMPLEMENTATIONS_FILE
from harness.explain.elsewhere import read_reimplementations
from harness.metric import with_best_of_steps
from harness.shown import shown
from harness.text_file import read_text

FILES = ("paper.toml", "published.csv", "method.py", "README.md", "RESULTS.md")
SECTIONS = ("claim", "method in code", "results", "protocol", "departures")
LONGEST_METHOD = 250
_MARKERS = re.compile(r"<!-- results:begin (\S+) -->.*?<!-- results:end \1 -->", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """One line of the printout. A warning does not fail the paper."""

    name: str
    passed: bool
    sentence: str
    warning: bool = False


Clause = Callable[[Path], Iterator[Finding]]


def files(folder: Path) -> Iterator[Finding]:
    """The files of a paper are there."""
    for name in (*FILES, f"test_{folder.name}.py"):
        there = (folder / name).is_file()
        yield Finding(f"file {name}", there, "is there." if there else f"wanted {folder / name}.")


def tables(folder: Path) -> Iterator[Finding]:
    """`paper.toml` and `published.csv` can be read."""
    try:
        paper = read_paper(folder)
    except HarnessError as e:
        yield Finding("paper.toml", False, str(e))
        return
    lines = sum(len(c.published) for c in paper.cells.values())
    yield Finding("paper.toml", bool(paper.cells), f"{len(paper.cells)} cells.")
    sentence = f"{lines} published lines, each with source and confidence."
    if paper.no_numbers:
        sentence = f"{lines} published lines; no_numbers says: {paper.no_numbers}."
    yield Finding("published.csv", (lines > 0) is not bool(paper.no_numbers), sentence)
    low = sum(line.confidence == "low" for c in paper.cells.values() for line in c.published)
    if low:
        sentence = f"{low} of low confidence: confirm in the paper."
        yield Finding("published.csv", True, sentence, warning=True)


def switches(folder: Path) -> Iterator[Finding]:
    """Every variant's switches resolve, and its method names its metrics."""
    for key, variant in _resolved(folder):
        if isinstance(variant, str):
            yield Finding(f"switches {key}", False, variant)
            continue
        try:
            named = metrics(variant)
        except HarnessError as e:
            yield Finding(f"switches {key}", False, str(e))
            continue
        wanted = variant.training.validation_metric
        if not named:
            sentence = f"metrics() of {variant.algorithm!r} names none; wanted what evaluate gives."
        elif variant.training.validate_every and wanted not in named:
            sentence = f"validation_metric {wanted!r} is not one of {', '.join(named)}."
        else:
            yield Finding(f"switches {key}", True, f"gives {', '.join(named)}.")
            continue
        yield Finding(f"switches {key}", False, sentence)


def ranges(folder: Path) -> Iterator[Finding]:
    """Each switch that is a number, or a list of them, states its range in its type."""
    classes = {type(s) for v in variants(folder) for s in (v.tasks, v.method)}
    wrong = [
        f"{cls.__name__}.{name} states no range; wanted a type of harness.switch_types, or "
        "Annotated[…, Range(…)] (harness.ranges), with Entries for a list."
        for cls in sorted(classes, key=lambda cls: cls.__name__)
        for name, stated in protocol.ranges(cls).items()
        if not stated
    ]
    yield from _all("ranges", wrong, "each switch that is a number states its range.")


def published_metrics(folder: Path) -> Iterator[Finding]:
    """Each published line names a metric that its variants give."""
    paper = _read(folder)
    resolved = {key: v for key, v in _resolved(folder) if isinstance(v, Variant)}
    for cell in paper.cells.values() if paper else ():
        wrong = [
            f"found metric {shown(line.metric)} for variant {name!r}, wanted one of "
            f"{', '.join(named)}."
            for line in cell.published
            for name in line.variants
            if (variant := resolved.get(f"{cell.key}/{name}"))
            and line.metric not in (named := metrics(variant))
        ]
        answered = sum(bool(line.variants) for line in cell.published)
        yield from _all(
            f"published {cell.name}", wrong, f"{answered} lines answered by variants here."
        )


def compared_metrics(folder: Path) -> Iterator[Finding]:
    """Orderings, and settings that methods share, name a metric that the variants give."""
    paper = _read(folder)
    if paper is None:
        return
    given = {key: metrics(v) for key, v in _resolved(folder) if isinstance(v, Variant)}
    named = [
        (f"{cell.key}/{name}", cell.beside[1], f"beside.metric of {cell.name}")
        for cell in paper.cells.values()
        for name in cell.variants
        if cell.beside[1]
    ]
    with suppress(HarnessError):  # said by `published_orderings`
        for o in read_orderings(folder, paper.cells):
            where = f"{paper.key}/{o.cell}/"
            named += [(where + side, o.metric, ORDERINGS_FILE) for side in (o.better, o.worse)]
    wrong = [
        f"{where}: found metric {shown(metric)}, but {key} gives {', '.join(given[key])}."
        for key, metric, where in named
        if key in given and metric not in given[key]
    ]
    if named:
        yield from _all("compared metrics", wrong, "methods are compared in metrics they give.")


def published_costs(folder: Path) -> Iterator[Finding]:
    """Claims about cost can be read, where the paper has some."""
    paper = _read(folder)
    if paper is None or not (folder / CLAIMS_FILE).is_file():
        return
    try:
        claims = read_claims(folder, paper.cells)
    except HarnessError as e:
        yield Finding(CLAIMS_FILE, False, str(e))
        return
    sentence = f"{len(claims)} claims on cost, each with source and confidence."
    yield Finding(CLAIMS_FILE, bool(claims), sentence)
    low = sum(claim.confidence == "low" for claim in claims)
    if low:
        sentence = f"{low} of low confidence: confirm in the source."
        yield Finding(CLAIMS_FILE, True, sentence, warning=True)


def published_orderings(folder: Path) -> Iterator[Finding]:
    """What figures show without a number can be read, where the paper has such lines."""
    paper = _read(folder)
    if paper is None or not (folder / ORDERINGS_FILE).is_file():
        return
    try:
        orderings = read_orderings(folder, paper.cells)
    except HarnessError as e:
        yield Finding(ORDERINGS_FILE, False, str(e))
        return
    sentence = f"{len(orderings)} orderings, each with figure, source and confidence."
    yield Finding(ORDERINGS_FILE, bool(orderings), sentence)


def reimplementations(folder: Path) -> Iterator[Finding]:
    """The list of what re-implementations do differently can be read, where the paper has one."""
    paper = _read(folder)
    if paper is None or not (folder / REIMPLEMENTATIONS_FILE).is_file():
        return
    try:
        places = [d.where for _, d in read_reimplementations(folder, paper.cells)]
    except HarnessError as e:
        yield Finding(REIMPLEMENTATIONS_FILE, False, str(e))
        return
    sentence = f"{len(places)} switches of {len(set(places))} re-implementations, each with source."
    yield Finding(REIMPLEMENTATIONS_FILE, bool(places), sentence)


def readme(folder: Path) -> Iterator[Finding]:
    """The README has its sections, numbered departures and the markers of the results."""
    path = folder / "README.md"
    if not path.is_file():
        return
    text = read_text(path, "readable text")
    sections = _sections(text)
    wrong = [
        f"wanted a section with {wanted!r} in its heading."
        for wanted in SECTIONS
        if not any(wanted in heading for heading in sections)
    ]
    departures = "".join(body for heading, body in sections.items() if "departures" in heading)
    if departures and not re.search(r"^1\. ", departures, re.MULTILINE):
        wrong.append("wanted the departures as a numbered list (1. …).")
    if not _MARKERS.search(text):
        name = f"headline/{folder.name}"
        marks = f"<!-- results:begin {name} --> and <!-- results:end {name} -->"
        wrong.append(f"wanted {marks} around the headline of the results.")
    yield from _all("README.md", wrong, "has its sections, numbered departures and markers.")


def placeholders(folder: Path) -> Iterator[Finding]:
    """No part of the scaffold is left."""
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".toml", ".csv", ".md", ".py")):
        lines = read_text(path, "readable text").splitlines()
        left = [str(i) for i, line in enumerate(lines, 1) if "EXAMPLE" in line]
        if left:
            sentence = f"replace what is marked EXAMPLE in line {', '.join(left)}."
            yield Finding(path.name, True, sentence, warning=True)


def method_length(folder: Path) -> Iterator[Finding]:
    """`method.py` is short enough to be read at one sitting."""
    path = folder / "method.py"
    if path.is_file():
        lines = len(read_text(path, "readable text").splitlines())
        sentence = f"{lines} lines; aim for at most {LONGEST_METHOD}."
        yield Finding("method.py", True, sentence, warning=lines > LONGEST_METHOD)


def imports(folder: Path) -> Iterator[Finding]:
    """No replication imports another, and the harness imports none."""
    forbidden = [
        (path, name)
        for path in sorted(folder.rglob("*.py"))
        for name in imported(path)
        if is_replication(name) and name.split(".")[1:2] != [folder.name]
    ]
    forbidden += [
        (path, name)
        for path in sorted(Path(__file__).resolve().parent.rglob("*.py"))
        for name in imported(path)
        if is_replication(name)
    ]
    wrong = [
        f"{path} imports {name}; wanted imports from harness only." for path, name in forbidden
    ]
    yield from _all("imports", wrong, "no replication imports another, the harness imports none.")


CLAUSES: tuple[Clause, ...] = (
    files,
    tables,
    switches,
    ranges,
    published_metrics,
    compared_metrics,
    published_costs,
    published_orderings,
    reimplementations,
    readme,
    placeholders,
    method_length,
    imports,
)


def metrics(variant: Variant) -> tuple[str, ...]:
    """Name the metrics a run of `variant` gives, the best of the test steps among them;
    HarnessError where the method's own code raises."""
    try:
        named = tuple(map(str, variant.method_class.metrics(variant.method)))
    except Exception as e:
        raise HarnessError(
            f"{variant.key}: metrics() of {variant.algorithm!r} raised {type(e).__name__}: {e}."
        ) from e
    return with_best_of_steps(named) if variant.testing.best_of_steps else named


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a Python file imports; HarnessError where it is no Python."""
    try:
        tree = ast.parse(read_text(path, "readable text"), str(path))
    except (SyntaxError, RecursionError, MemoryError) as e:
        line = f":{e.lineno}" if isinstance(e, SyntaxError) else ""
        said = e.msg if isinstance(e, SyntaxError) else "nested too deeply"
        raise HarnessError(f"{path}{line}: not valid Python: {said}.") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_replication(name: str) -> bool:
    """Return whether an imported name leads into `replications/`."""
    return name.split(".")[0] == "replications"


def variants(folder: Path) -> Iterator[Variant]:
    """Yield the variants of a paper that resolve."""
    return (v for _, v in _resolved(folder) if isinstance(v, Variant))


def _all(name: str, wrong: list[str], right: str) -> Iterator[Finding]:
    """Yield each sentence on a fault, or the one that says that all is right."""
    yield from (Finding(name, False, sentence) for sentence in wrong)
    if not wrong:
        yield Finding(name, True, right)


def _sections(text: str) -> dict[str, str]:
    """Return the body under each heading of a Markdown text, headings in lower case."""
    parts = re.split(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    return {heading.lower(): body for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


def _read(folder: Path) -> Paper | None:
    try:
        return read_paper(folder)
    except HarnessError:
        return None  # `tables` says why


def _resolved(folder: Path) -> Iterator[tuple[str, Variant | str]]:
    """Yield each variant by key, or the sentence that says why it does not resolve."""
    paper = _read(folder)
    for cell in paper.cells.values() if paper else ():
        for name in cell.variants:
            try:
                yield f"{cell.key}/{name}", cell.variant(name)
            except HarnessError as e:
                yield f"{cell.key}/{name}", str(e)
            except Exception as e:
                # The contributor's own module failed to load: that is a finding, not our crash.
                yield f"{cell.key}/{name}", f"method.py: {type(e).__name__}: {e}."
