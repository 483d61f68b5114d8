"""How numbers are printed: accuracies in percent with two decimals, the rest by digits."""

from __future__ import annotations


def is_accuracy(metric: str) -> bool:
    """Return whether `metric` is an accuracy in percent (higher is better); others are losses."""
    return metric.startswith("accuracy")


def number(metric: str, value: float | None, sign: bool = False) -> str:
    """Print a value of `metric`: two decimals, or four significant digits for losses; '' = None."""
    if value is None:
        return ""
    text = f"{value:{'+' if sign else ''}{'.2f' if is_accuracy(metric) else '#.4g'}}"
    return text.rstrip(".")


def width(metric: str, value: float | None) -> str:
    """Print a half-width: two decimals, or three significant digits for losses; '' = None."""
    if value is None:
        return ""
    return (f"{value:.2f}" if is_accuracy(metric) else f"{value:#.3g}").rstrip(".")


def published(metric: str, value: float | None, interval: float | None) -> str:
    """Print a published value as papers do, e.g. `98.7 ± 0.4`, `0.35`; '' = None.

    Accuracies have one decimal, or two where the second is not 0.
    """
    if value is None:
        return ""

    def text(x: float) -> str:
        if not is_accuracy(metric):
            return f"{x:.4g}"
        two = f"{x:.2f}"
        return two[:-1] if two.endswith("0") else two

    return text(value) if interval is None else f"{text(value)} ± {text(interval)}"


def span(metric: str, low: float, high: float) -> str:
    """Print an interval, e.g. `[-0.31, +0.42]`."""
    return f"[{number(metric, low, sign=True)}, {number(metric, high, sign=True)}]"


def p_value(p: float) -> str:
    """Print a p-value: two significant digits, `<0.001` below that."""
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def axis_label(metric: str) -> str:
    """Name a metric with its unit for an axis: `accuracy@3` -> `accuracy (%)`."""
    name = metric.split("@")[0]
    known = {"accuracy": "accuracy (%)", "mse": "mean squared error", "loss": "loss"}
    return known.get(name, f"{name} (%)" if is_accuracy(metric) else name)
