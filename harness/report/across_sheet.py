"""Methods of all papers beside each other, as sections: numbers, costs, paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.compare.across import AcrossRow
from harness.compare.across_pairs import AcrossPair
from harness.compare.numbers import number, p_value, width
from harness.metric import read_metric
from harness.report.sheet import OVER_TASKS, TRAININGS, Line, Section, intervals, of_pair

CODE = 6  # digits of a digest that tell sets of test tasks apart
LONGEST = 40  # characters of a name; the whole of it is in the JSON


def accuracy_sections(rows: Sequence[AcrossRow]) -> list[Section]:
    """Lay out rows by setting; what keeps a run from being ranked stands in its note."""
    header = (
        *("method", "printed in", "paper", "here", "± tasks (n)", "± seeds (n)", "test tasks"),
        *("budget", "rank"),
    )
    ranked = "(rank: by mean, full budget and published switches only)"
    sections = []
    for title, own in _kinds(rows, "Accuracy in % by setting", "Other tasks by setting"):
        lines = tuple(_accuracy(r) for r in own)
        sections.append(Section(f"{title} {ranked}", header, lines, left=2, of="setting"))
    return sections


def spent_sections(rows: Sequence[AcrossRow]) -> list[Section]:
    """Lay out what each run cost, once for each group of runs."""
    header = (
        *("method", "mean", "budget", "training", "s / episode", "peak memory", "operations"),
        "hardware",
    )
    lines = tuple(dict.fromkeys(_spent(r) for r in rows if r.row.measured.mean is not None))
    title = "What it cost (medians over seeds; seconds of different hardware do not compare)"
    return [Section(title, header, lines, left=1, of="setting")] if lines else []


def pair_sections(pairs: Sequence[AcrossPair]) -> list[Section]:
    """Lay out paired differences: of methods, p corrected within a setting and budget, and of a few
    trainings apart."""
    methods = ("a", "b", "a - b", "± 95 %", "p (Holm)", "of", "tasks", "seeds", "compares")
    title = (
        "Differences on the same test tasks, in points or the metric's unit (intervals hold "
        "together in 95 % of cases; p corrected for `of` comparisons)"
    )
    trainings = (*methods[:3], OVER_TASKS, *methods[6:])
    parts = {
        True: (title, methods),
        False: (f"{TRAININGS} (in points or the metric's unit)", trainings),
    }
    sections = []
    for tested, (words, header) in parts.items():
        lines = tuple(_pair(r) for r in pairs if (r.p is not None) == tested)
        if lines:
            sections.append(Section(words, header, lines, left=2, of="setting"))
    return sections


def short_sections(rows: Sequence[AcrossRow]) -> list[Section]:
    """Lay out what was run, with its cost: for a page that is read through."""
    words = ("Methods side by side, accuracy in %", "Methods side by side on other tasks")
    parts = _kinds([r for r in rows if r.row.measured.mean is not None], *words)
    return [
        _short(f"{title} (rank within a setting, full budget only)", own) for title, own in parts
    ]


def _kinds(
    rows: Sequence[AcrossRow], episodes: str, others: str
) -> Iterator[tuple[str, list[AcrossRow]]]:
    """Yield the rows of episodes of classes, and those of other tasks, where there are any."""
    for words, classes in ((episodes, True), (others, False)):
        if own := [r for r in rows if (r.setting.ways > 0) is classes]:
            yield words, own


def _short(title: str, rows: Sequence[AcrossRow]) -> Section:
    header = (
        *("method", "paper", "here", "± tasks", "seeds", "budget", "rank", "training"),
        "s / episode",
        *("peak memory", "operations", "hardware"),
    )
    lines: dict[tuple[str, ...], Line] = {}
    for r in rows:
        metric, measured, runs = r.row.metric, r.row.measured, r.row.runs
        _, _, _, *cost, hardware = _spent(r).columns
        here = (number(metric, measured.mean), width(metric, measured.task_interval))
        key = (str(r.setting), r.method, metric, r.tests, runs.budget)
        old = lines[key].columns[1].split("; ") if key in lines else []
        both = "; ".join([*old, r.row.published_words])
        seeds = r.row.seeds_words or str(len(runs.seeds))
        ran = (*here, seeds, runs.budget, "" if r.rank is None else str(r.rank))
        columns = (_named(r.method, metric), both, *ran, *cost, hardware)
        lines[key] = Line(str(r.setting), columns)
    return Section(title, header, tuple(lines.values()), left=1, of="setting")


def seconds(value: float | None) -> str:
    """Print seconds, minutes or hours, to two or three digits; '' = None."""
    if value is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"


def operations(value: float | None) -> str:
    """Print a count of operations with its prefix; '' = None."""
    if value is None:
        return ""
    for size, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.3g} {unit}FLOP"
    return f"{value:.3g} FLOP"


def _accuracy(r: AcrossRow) -> Line:
    row = r.row
    table = _cut(f"{row.paper}, {row.line.table}") if row.line and row.line.table else ""
    return Line(
        str(r.setting),
        (
            *(_named(r.method, row.metric), table, row.published_words),
            *(number(row.metric, row.measured.mean), *intervals(row), r.tests[:CODE]),
            *(row.runs.budget, "" if r.rank is None else str(r.rank)),
        ),
        f"not ranked: {r.not_ranked}" if r.not_ranked else "",
    )


def _pair(r: AcrossPair) -> Line:
    tested: tuple[str, ...] = (width(r.metric_a, r.task_interval),)
    if r.interval is not None and r.p_holm is not None:
        tested = (width(r.metric_a, r.interval), p_value(r.p_holm), str(r.comparisons))
    return Line(
        str(r.setting),
        (
            *(_named(r.a, r.metric_a), _named(r.b, r.metric_b)),
            *(number(r.metric_a, r.difference, sign=True), *tested, str(r.tasks)),
            *(f"{len(r.seeds_a)}, {len(r.seeds_b)}", of_pair(r.compares, r.budget)),
        ),
    )


def _spent(r: AcrossRow) -> Line:
    s, metric = r.spent, r.row.metric
    held = s.peak_device_bytes or s.peak_host_bytes
    where = "device" if s.peak_device_bytes else "host"
    memory = "" if held is None else f"{held / 2**20:.0f} MiB {where}"
    each = s.test_seconds_per_episode
    return Line(
        str(r.setting),
        (
            *(_named(r.method, metric), number(metric, r.row.measured.mean), r.row.runs.budget),
            *(seconds(s.train_seconds), "" if each is None else f"{each:.2g}"),
            *(memory, operations(s.train_operations), s.hardware),
        ),
    )


def _named(method: str, metric: str) -> str:
    """Return the method, with what its accuracy counts where that is not plain."""
    step = read_metric(metric).at
    return _cut(f"{method} @{step}" if step else method)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1].rstrip(" ,;:") + "…"
