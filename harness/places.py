"""Where records and checkpoints are by default: beside `replications/`, so that the tables of a
checkout are made from its own records, wherever the command is started."""

from __future__ import annotations

from pathlib import Path

from harness.catalog import replications_folder


def results_folder(given: Path | None) -> Path:
    """Return the folder of records: the one given, or `results/` beside `replications/`."""
    return _beside_papers("results") if given is None else given


def work_folder(given: Path | None) -> Path:
    """Return the folder of checkpoints: the one given, or `runs/` beside `replications/`."""
    return _beside_papers("runs") if given is None else given


def _beside_papers(name: str) -> Path:
    papers = replications_folder()
    # Without papers (an installed wheel) there is no better place than the current folder.
    return papers.parent / name if papers.is_dir() else Path(name)
