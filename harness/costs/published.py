"""Published claims on cost: `published_costs.csv` of a replication, a ratio of two points each.

Seconds and bytes of another machine say nothing here, so a claim is held against ours as a ratio:
*point* over *against*, both from the same machine, session and engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.catalog import Cell
from harness.costs.grid import ORDERS
from harness.errors import HarnessError, closest
from harness.meta_gradient.engines import ENGINES
from harness.published import CONFIDENCE
from harness.shown import shown
from harness.table_file import read_count, read_number, read_table, read_width

FILE = "published_costs.csv"
COLUMNS = (
    *("cell", "claim", "quantity", "value", "unit", "margin", "point", "against", "setting"),
    *("source", "confidence", "obstacle", "note"),
)
NEEDED = ("cell", "claim", "quantity", "value", "unit", "setting", "source", "confidence")
QUANTITIES = ("seconds", "memory", "operations")
UNITS = ("times", "percent less", "percent more")
Selector = dict[str, str | int]


@dataclass(frozen=True)
class CostClaim:
    """One published claim. `value` and `margin` are in `unit`."""

    paper: str
    cell: str
    claim: str
    quantity: str
    """`seconds` and `operations` of a meta-step, or `memory` that it adds."""
    value: float
    unit: str
    """point / against as `times`, or how many percent less or more than against point has."""
    margin: float | None
    """Margin of equivalence; None where nothing is to be judged."""
    point: Selector
    """`order`, `engine`, `variant`, `inner_steps` of the point; what is not named is equal on both
    sides (inner steps: those of the cell). Empty: quoted for context, nothing here answers."""
    against: Selector
    setting: str
    """What the authors measured: data, network, hardware."""
    source: str
    confidence: str
    obstacle: str
    """Why our ratio is not comparable with theirs; '' where the comparison is fair."""
    note: str

    def in_unit(self, ratio: float) -> float:
        """Return point / against in the claim's unit."""
        return {
            "times": ratio,
            "percent less": 100 * (1 - ratio),
            "percent more": 100 * (ratio - 1),
        }[self.unit]


def read_claims(folder: Path, cells: dict[str, Cell]) -> list[CostClaim]:
    """Read a paper's claims on cost, none without such a file; a wrong line is one sentence."""
    path = folder / FILE
    if not path.is_file():
        return []
    return [_claim(row, folder.name, cells, where) for where, row in read_table(path, COLUMNS)]


def _claim(text: dict[str, str], paper: str, cells: dict[str, Cell], where: str) -> CostClaim:
    for needed in NEEDED:
        if not text[needed]:
            raise HarnessError(f"{where}: a claim needs its {needed}; found it empty.")
    known = {"cell": tuple(cells), "quantity": QUANTITIES, "unit": UNITS, "confidence": CONFIDENCE}
    for name, words in known.items():
        _one_of(text[name], words, f"{where}: {name}")
    point, against = (_selector(text[n], cells[text["cell"]], where) for n in ("point", "against"))
    if set(point) != set(against):
        raise HarnessError(
            f"{where}: found {shown(text['point'])} against {shown(text['against'])}; wanted the "
            f"same keys on both sides, or nothing on either."
        )
    judged = bool(point) and not text["obstacle"]
    if judged != bool(text["margin"]):
        raise HarnessError(
            f"{where}: found margin {shown(text['margin'])}; wanted one where there are points and "
            f"no obstacle, and there alone."
        )
    return CostClaim(
        paper=paper,
        cell=text["cell"],
        claim=text["claim"],
        quantity=text["quantity"],
        value=read_number(text["value"], f"{where}: value"),
        unit=text["unit"],
        margin=read_width(text["margin"], f"{where}: margin") if judged else None,
        point=point,
        against=against,
        setting=text["setting"],
        source=text["source"],
        confidence=text["confidence"],
        obstacle=text["obstacle"],
        note=text["note"],
    )


def _selector(text: str, cell: Cell, where: str) -> Selector:
    selector: Selector = {}
    known = {"order": ORDERS, "engine": tuple(ENGINES), "variant": tuple(cell.variants)}
    for part in text.split():
        name, _, value = part.partition("=")
        if name == "inner_steps":
            selector[name] = read_count(value, f"{where}: inner_steps")
        elif name in known:
            selector[name] = _one_of(value, known[name], f"{where}: {name}")
        else:
            raise HarnessError(
                f"{where}: found {shown(part)} in a point; wanted order=, engine=, variant= or "
                f"inner_steps= and a value."
            )
    return selector


def _one_of(text: str, words: tuple[str, ...], where: str) -> str:
    if text not in words:
        raise HarnessError(
            f"{where}: found {shown(text)}{closest(text, words)}; wanted one of {', '.join(words)}."
        )
    return text
