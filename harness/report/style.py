"""How every plot looks and is saved: colours, size, SVG and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.durable import in_place_of
from harness.errors import HarnessError

# Okabe and Ito's palette, told apart by colour-blind readers; black is kept for the paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P")
PAPER_COLOUR = "black"
_ADVICE = "free some space or give another place"


def look(i: int) -> dict[str, Any]:
    """Return colour, dashes and marker of series `i`; the dashes change when colours run out."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "linestyle": DASHES[i // len(COLOURS) % len(DASHES)],
        "marker": MARKERS[i % len(MARKERS)],
    }


def figure(height_inches: float = 4.0, panels: int = 1) -> tuple[Any, list[Any]]:
    """Return a matplotlib figure, 6.4 inches wide, outside pyplot's global state (drawn by Agg),
    and its panels, one above the other with the same x axis."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HarnessError(
            "found no matplotlib, wanted it for plots; "
            "run `pip install 'metalearning-replications[plots]'`."
        ) from None
    made = Figure(figsize=(6.4, height_inches), layout="constrained")
    axes = list(made.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25, linewidth=0.6)
    return made, axes


def save(made: Any, stem: Path) -> Path:
    """Write `stem`.svg and return its path; equal figures give equal files."""
    import matplotlib

    path = stem.with_name(f"{stem.name}.svg")
    with (
        matplotlib.rc_context({"svg.hashsalt": "harness"}),
        in_place_of(path, _ADVICE) as partial,
    ):
        made.savefig(partial, metadata={"Date": None})
    return path
