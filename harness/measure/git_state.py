"""Which code ran: the commit of the checkout that holds `harness/`, and whether it was clean."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def git_state(checkout: Path = _CHECKOUT) -> dict[str, Any]:
    """Give `{"commit": str | None, "clean": bool | None}`.

    `results/` does not count for `clean`: it holds data only, and the first of three seeds must not
    make the others look as if the code had been changed. Where there is no history (an export, a
    container) `HARNESS_COMMIT` names the commit, and whether it was clean stays unknown.
    """
    # A harness installed into an environment inside another project is not that project's commit.
    top = _git(checkout, "rev-parse", "--show-toplevel")
    commit = _git(checkout, "rev-parse", "HEAD")
    if top is None or commit is None or Path(top).resolve() != checkout.resolve():
        return {"commit": os.environ.get("HARNESS_COMMIT") or None, "clean": None}
    changes = _git(checkout, "status", "--porcelain", "--", ".", ":(exclude)results")
    return {"commit": commit, "clean": None if changes is None else changes == ""}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            # Optional locks off: looking must not get in the way of a commit made meanwhile.
            ["git", "--no-optional-locks", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
