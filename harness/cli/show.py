"""`harness show CELL`: published lines, every protocol switch, expected cost, the command."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import Any

from harness.catalog import SECTIONS, Cell, find_cell
from harness.errors import HarnessError
from harness.interval_kinds import kind_words
from harness.protocol import Testing, Training, ranges
from harness.tasks.registry import shared_task_source

SUMMARY = "show a cell: published lines with source, every switch, expected time and memory"
EXAMPLES = (
    "harness show maml/sinusoid-5shot",
    "harness show maml/omniglot-5way-1shot --no-measure",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `show`."""
    parser.add_argument("cell", metavar="CELL", help="paper/cell, as `harness list` shows them")
    parser.add_argument("--variant", metavar="V", help="one variant only")
    parser.add_argument(
        "--no-measure", action="store_true", help="do not time a few training steps here"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def main(arguments: argparse.Namespace) -> int:
    """Print all that is known about a cell before it is run."""
    cell = find_cell(arguments.cell)
    names = [arguments.variant] if arguments.variant else list(cell.variants)
    written = {name: cell.written(name) for name in names}
    print(f"{cell.key}: {cell.title}\n")
    _print_published(cell)
    if not cell.variants:
        print("nothing here runs this cell: published numbers only")
        return 0
    _print_switches(written, _ranges(cell, names, not arguments.no_measure))
    if not arguments.no_measure:
        _print_cost(cell, names, arguments.device)
    print("command:")
    for name in names:
        print(f"  harness run {cell.key} --variant {name}")
    return 0


def _print_published(cell: Cell) -> None:
    print("published:" if cell.published else "published: nothing for this cell")
    for line in cell.published:
        value = f"{line.value:g}" + ("" if line.interval is None else f" ± {line.interval:g}")
        kind = kind_words(line.interval_kind, line.seeds, line.episodes)
        who = ", ".join(line.variants) or "context"
        print(f"  {line.metric} = {value} ({kind}) for {who}")
        note = f"; {line.note}" if line.note else ""
        print(f"    {line.table}, {line.source}; confidence {line.confidence}{note}")
    print()


def _print_switches(written: dict[str, dict[str, Any]], known: dict[str, str]) -> None:
    """Print switches that all variants share once, and the others by variant, as they are written:
    no code of the paper is needed for it."""
    protocols = list(written.values())
    print("switches:")
    for section in SECTIONS:
        names = list(dict.fromkeys(k for p in protocols for k in p[section]))
        for name in names:
            values = [p[section].get(name) for p in protocols]
            stated = known.get(f"{section}.{name}")
            aside = f"  # {stated}" if stated else ""
            if all(v == values[0] for v in values):
                print(f"  {section}.{name} = {_text(values[0])}{aside}")
                continue
            print(f"  {section}.{name}:{aside}")
            for variant, value in zip(written, values, strict=True):
                if value is not None:
                    print(f"    {variant}: {_text(value)}")
    print()


def _ranges(cell: Cell, names: list[str], with_code: bool) -> dict[str, str]:
    """Return the range of each `section.switch` that is a number. The ranges of the method, and of
    tasks that are the paper's own, need the paper's code, which is imported; a switch that cannot
    be read has no range."""
    kinds: dict[str, list[type]] = {"training": [Training], "testing": [Testing]}
    for name in names:
        with suppress(HarnessError):
            if with_code:
                source, method = cell.classes(name)
                kinds.setdefault("method", []).append(method.Settings)
            else:
                source = shared_task_source(str(cell.written(name)["task_source"]))
            kinds.setdefault("tasks", []).append(source.Settings)
    return {
        f"{section}.{switch}": words
        for section, settings in kinds.items()
        for kind in settings
        for switch, words in ranges(kind).items()
    }


def _print_cost(cell: Cell, names: list[str], device: str) -> None:
    from harness.progress import duration
    from harness.run.estimate import estimate

    print("expected here, at full budget (a few steps timed just now):")
    for name in names:
        try:
            cost = estimate(cell.variant(name), device)
        except HarnessError as e:
            print(f"  {name}: not measured: {e}")
            continue
        again = "; then again as long" if cost.phases > 1 else ""
        print(
            f"  {name}: {duration(cost.train_seconds)} of training "
            f"({1000 * cost.seconds_per_step:.3g} ms a step; {cost.length}{again}), "
            f"{cost.device}, "
            f"{cost.peak_bytes / 2**20:.0f} MiB at the peak so far"
        )
    print()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
