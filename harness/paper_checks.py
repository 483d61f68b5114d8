"""What must fit together in a paper's files: names that one table or line uses and another
defines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, closest
from harness.paper_tables import SECTIONS
from harness.published import PublishedLine
from harness.shown import shown
from harness.stated import Stated

if TYPE_CHECKING:
    from harness.catalog import Cell


def check_headline(headline: dict[str, Any], cells: dict[str, Cell], where: str) -> None:
    """Refuse a headline that names a cell or variant that does not exist."""
    known = [f"{cell.name}/{variant}" for cell in cells.values() for variant in cell.variants]
    for system, place in headline.items():
        if place not in known:
            raise HarnessError(
                f"{where} [paper.headline] {shown(system)}: found {shown(place)}"
                f"{closest(str(place), known)}, wanted a cell and a variant of it, `cell/variant`."
            )


def check_used(algorithms: Mapping[str, Stated], cells: dict[str, Cell], where: str) -> None:
    """Refuse statements about an algorithm that no variant has, or about a switch that it lacks."""
    tables = [t for c in cells.values() for t in c.variants.values()]
    used = {str(t.get("algorithm")) for t in tables}
    for name, stated in algorithms.items():
        if name not in used:
            raise HarnessError(
                f"{where} [algorithms.{name}]: found no variant with this algorithm"
                f"{closest(name, used)}; wanted one of {', '.join(sorted(used))}."
            )
        own = [t for t in tables if str(t.get("algorithm")) == name]
        switch = stated.inference_switch
        if switch and any(switch not in t.get("method", {}) for t in own):
            raise HarnessError(
                f"{where} [algorithms.{name}] inference_switch: found {shown(switch)}, wanted a "
                "switch of the method of every variant with this algorithm."
            )
        for section, older in stated.older_records.items():
            having = [t.get(section, {}) for t in own]
            for switch in older:
                if section not in SECTIONS or any(switch not in t for t in having):
                    raise HarnessError(
                        f"{where} [algorithms.{name}] older_records: found {section}.{switch}, "
                        "wanted a switch of every variant with this algorithm."
                    )


def check_lines(lines: tuple[PublishedLine, ...], cells: dict[str, Cell], where: str) -> None:
    """Refuse published lines of cells and variants that do not exist."""
    for line in lines:
        if line.cell not in cells:
            raise HarnessError(
                f"{where} found cell {shown(line.cell)}{closest(line.cell, cells)}; "
                f"wanted one of {', '.join(cells)}."
            )
        for name in line.variants:
            if name not in cells[line.cell].variants:
                raise HarnessError(
                    f"{where} cell {line.cell}: found variant {shown(name)}; "
                    f"wanted some of {', '.join(cells[line.cell].variants)}."
                )
