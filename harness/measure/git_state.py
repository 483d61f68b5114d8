"""Which code ran: the commit of the checkout that holds `harness/`, and whether it was clean."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parent.parent.parent

_KEPT = ("GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""Where git and its settings are. All other GIT_* variables say which repository, index or pattern
is meant (hooks and tools set them), and would put another repository's commit on record."""


def git_state(checkout: Path = _CHECKOUT, papers: Path | None = None) -> dict[str, Any]:
    """Return `{"commit": str | None, "clean": bool | None}`.

    `papers` is the folder whose `method.py` runs: one with no file in the commit (outside the
    checkout, or ignored) is code that the commit does not have, so it is not clean.

    `results/` does not count for `clean`: it holds data only, and the first of three seeds must not
    make the others look as if the code had been changed. Where there is no history (an export, a
    container) `HARNESS_COMMIT` names the commit, and whether it was clean stays unknown. A history
    that git does not read is said on standard error, once.
    """
    # A harness installed into an environment inside another project is not that project's commit.
    top, why = _git(checkout, "rev-parse", "--show-toplevel")
    commit, _ = _git(checkout, "rev-parse", "HEAD")
    if top is None or commit is None or Path(top).resolve() != checkout.resolve():
        named = os.environ.get("HARNESS_COMMIT") or None
        if top is None and named is None and (checkout / ".git").exists():
            _say_unread(checkout, why)
        return {"commit": named, "clean": None}
    # Settings of the user's that leave out new files must not make changed code look clean.
    look = ("status", "--porcelain", "--untracked-files=normal", "--", ".", ":(exclude)results")
    changes, _ = _git(checkout, *look)
    if papers is not None and not _git(checkout, "ls-files", "--", str(papers.resolve()))[0]:
        return {"commit": commit, "clean": False}
    return {"commit": commit, "clean": None if changes is None else changes == ""}


def _git(folder: Path, *words: str) -> tuple[str | None, str]:
    """Return what git prints, or None and why not."""
    settings = (
        # The code of this checkout runs already, so a checkout of another owner may be read too;
        # programs that its settings name (fsmonitor) are not started.
        *("-c", f"safe.directory={folder}"),
        *("-c", "core.fsmonitor=false"),
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT}
    try:
        done = subprocess.run(
            # Optional locks off: looking must not get in the way of a commit made meanwhile.
            ["git", "--no-optional-locks", *settings, "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=True,
            env=clean,
        )
    except subprocess.CalledProcessError as e:
        return None, (e.stderr.decode(errors="replace").strip().splitlines() or ["no reason"])[0]
    except (OSError, subprocess.SubprocessError) as e:
        return None, f"{type(e).__name__}: {e}"
    return os.fsdecode(done.stdout).strip(), ""


@cache
def _say_unread(checkout: Path, why: str) -> None:
    print(
        f"harness: git does not give the commit of {checkout} ({why}), wanted it for records; "
        f"mend that, or set HARNESS_COMMIT.",
        file=sys.stderr,
    )
