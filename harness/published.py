"""Published lines: one number that a paper prints, as data (`published.csv` of each
replication)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, closest
from harness.interval_kinds import KINDS
from harness.metric import Metric, read_metric
from harness.shown import shown
from harness.table_file import read_count, read_number, read_table, read_width

COLUMNS = (
    "cell",
    "variants",
    "metric",
    "value",
    "interval",
    "interval_kind",
    "episodes",
    "seeds",
    "table",
    "source",
    "confidence",
    "note",
)
# What a table of all papers needs to know of a line quoted for context. The
# header has all or none of them, and a line may end before them.
OPTIONAL = ("method", "inference", "dataset")
INFERENCE = ("", "inductive", "transductive")
CONFIDENCE = ("high", "medium", "low")


@dataclass(frozen=True)
class PublishedLine:
    """One published number. `value` and `interval` (half-width) are in the unit of `metric`:
    percent for accuracies, the paper's own unit for losses."""

    paper: str
    cell: str
    variants: tuple[str, ...]
    """Variants of ours that answer to this number; none = quoted for context only."""
    metric: str
    value: float
    interval: float | None
    interval_kind: str
    """What ± means there: a word of `harness.interval_kinds`."""
    episodes: int | None
    """Test tasks behind the value; None where it is not said."""
    seeds: int | None
    """Trainings behind the value; None where it is not said."""
    table: str
    source: str
    """Citation or address where the number was read."""
    confidence: str
    """high = read in the paper or the authors' code; medium = quoted elsewhere; low = memory."""
    note: str
    method: str = ""
    """What the table calls the method, for a line that no variant of ours answers to."""
    inference: str = ""
    """`inductive`, `transductive` or '' (not stated), for such a line."""
    dataset: str = ""
    """Where it is another than the cell's."""


def read_published(path: Path, paper: str) -> list[PublishedLine]:
    """Read `published.csv`; a wrong line is one sentence that names file and line."""
    if not path.is_file():
        raise HarnessError(f"found no {path}, wanted the paper's numbers there.")
    return [_line(row, paper, where) for where, row in read_table(path, COLUMNS, OPTIONAL)]


def _line(text: dict[str, str], paper: str, where: str) -> PublishedLine:
    for needed in ("cell", "metric", "value", "interval_kind", "table", "source", "confidence"):
        if not text[needed]:
            raise HarnessError(f"{where}: a published line needs its {needed}; found it empty.")
    if text["confidence"] not in CONFIDENCE:
        raise HarnessError(
            f"{where}: found confidence {shown(text['confidence'])}"
            f"{closest(text['confidence'], CONFIDENCE)}; wanted one of {', '.join(CONFIDENCE)}."
        )
    if text.get("inference", "") not in INFERENCE:
        raise HarnessError(
            f"{where}: found inference {shown(text['inference'])}, wanted inductive, transductive "
            f"or nothing."
        )
    interval = read_width(text["interval"], f"{where}: interval") if text["interval"] else None
    _check_kind(text["interval_kind"], interval, where)
    episodes, seeds = (
        read_count(text[name], f"{where}: {name}") if text[name] else None
        for name in ("episodes", "seeds")
    )
    value = read_number(text["value"], f"{where}: value")
    metric = _metric(text["metric"], where)
    if metric.is_percent and not 0 <= value <= 100:
        raise HarnessError(f"{where}: value: found {text['value']}, wanted percent, 0 to 100.")
    return PublishedLine(
        paper=paper,
        cell=text["cell"],
        variants=tuple(text["variants"].split()),
        metric=text["metric"],
        value=value,
        interval=interval,
        interval_kind=text["interval_kind"],
        episodes=episodes,
        seeds=seeds,
        table=text["table"],
        source=text["source"],
        confidence=text["confidence"],
        note=text["note"],
        **{name: text.get(name, "") for name in OPTIONAL},
    )


def _metric(name: str, where: str) -> Metric:
    try:
        return read_metric(name)
    except HarnessError as e:
        raise HarnessError(f"{where}: {e}") from None


def _check_kind(kind: str, interval: float | None, where: str) -> None:
    """Refuse a word that is not known, and one that contradicts the interval."""
    if kind not in KINDS:
        raise HarnessError(
            f"{where}: interval_kind: found {shown(kind)}{closest(kind, KINDS)}; wanted one of "
            f"{', '.join(KINDS)} (details go into the note)."
        )
    if (kind == "none") != (interval is None):
        given = "no interval" if interval is None else f"the interval {interval:g}"
        wanted = "none" if interval is None else "what its ± means, or unknown"
        raise HarnessError(f"{where}: interval_kind: found {kind} with {given}, wanted {wanted}.")
