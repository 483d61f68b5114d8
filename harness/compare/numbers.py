"""How numbers are printed: percentages with two decimals, the rest by digits.

`metric` is the name of a metric, or '' for a plain number such as a ratio of costs.
"""

from __future__ import annotations

from harness.metric import read_metric


def _is_percent(metric: str) -> bool:
    return metric != "" and read_metric(metric).is_percent


def number(metric: str, value: float | None, sign: bool = False) -> str:
    """Return a value of `metric` as text: two decimals, or four significant digits for what is no
    percentage; '' for None."""
    if value is None:
        return ""
    text = f"{value:{'+' if sign else ''}{'.2f' if _is_percent(metric) else '#.4g'}}"
    return text.rstrip(".")


def width(metric: str, value: float | None) -> str:
    """Return a half-width as text: two decimals, or three significant digits for what is no
    percentage; '' for None."""
    if value is None:
        return ""
    return (f"{value:.2f}" if _is_percent(metric) else f"{value:#.3g}").rstrip(".")


def published(metric: str, value: float | None, interval: float | None) -> str:
    """Return a published value as papers print it, e.g. `98.7 ± 0.4`, `0.35`; '' for None.

    Percentages have one decimal, or two where the second is not 0.
    """
    if value is None:
        return ""

    def text(x: float) -> str:
        if not _is_percent(metric):
            return f"{x:.4g}"
        two = f"{x:.2f}"
        return two[:-1] if two.endswith("0") else two

    return text(value) if interval is None else f"{text(value)} ± {text(interval)}"


def span(metric: str, low: float, high: float) -> str:
    """Return an interval as text, e.g. `[-0.31, +0.42]`."""
    return f"[{number(metric, low, sign=True)}, {number(metric, high, sign=True)}]"


def p_value(p: float) -> str:
    """Return a p-value as text: two significant digits, `<0.001` below that."""
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def axis_label(metric: str) -> str:
    """Return the name of a metric with its unit, for an axis: `accuracy@3` -> `accuracy (%)`."""
    return read_metric(metric).label
