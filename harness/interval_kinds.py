"""What the ± of a published number means: the words of `interval_kind` in `published.csv`."""

from __future__ import annotations

KINDS = {
    "ci95": "95 % interval over test tasks",
    "sem": "standard error of the mean",
    "std-seeds": "standard deviation over seeds",
    "std-tasks": "standard deviation over test tasks",
    "bound": "bound of rounding or digitisation",
    "unknown": "not said what ± means",
    "none": "no ±",
}
"""Each word and how it is said where no count is known."""


def kind_words(kind: str, seeds: int | None = None, episodes: int | None = None) -> str:
    """Return what a ± means, e.g. `standard deviation over 3 seeds`; `seeds` and `episodes` are the
    trainings and test tasks behind the number, where they are known."""
    words = KINDS[kind]
    if kind == "std-seeds" and seeds is not None:
        return words.replace("over seeds", f"over {seeds} seed{'s' * (seeds > 1)}")
    if kind in ("ci95", "std-tasks") and episodes is not None:
        return words.replace("over test tasks", f"over {episodes:,} test tasks")
    return words
