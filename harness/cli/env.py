"""`harness env`: what a bug report needs."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from harness.catalog import replications_folder
from harness.measure.environment import environment
from harness.measure.git_state import git_state

SUMMARY = "print versions, hardware and settings: what a bug report needs"
EXAMPLES = ["harness env", "harness env --format json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words after `harness env`."""
    parser.add_argument("--format", choices=("table", "json"), default="table")


def main(arguments: argparse.Namespace) -> int:
    """Print the environment, the commit and the HARNESS_* variables."""
    settings = {k: v for k, v in sorted(os.environ.items()) if k.startswith("HARNESS_")}
    report = {**environment(), **git_state(papers=replications_folder()), "settings": settings}
    if arguments.format == "json":
        print(json.dumps(report, indent=1))
    else:
        rows = list(_rows(report))
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            print(f"{name:{width}}  {value}")
    return 0


def _rows(table: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in table.items():
        label = f"{prefix}{name}".replace("_", " ") if not prefix.startswith("settings") else name
        if isinstance(value, dict):
            rows += _rows(value, f"{name} ")
        else:
            rows.append((label, _words(value)))
    return rows


def _words(value: Any) -> str:
    if value is None:
        return "none"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
