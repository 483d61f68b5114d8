"""Folders that a setting names, with `~` for the user's home."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError


def expanded(text: str, setting: str) -> Path:
    """Return the folder that `text` names; HarnessError where its home folder is not known, as for
    a user id without a name and without HOME. `setting` is the variable that can name another."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise HarnessError(
            f"found no home folder for {text}, wanted one; set HOME, or {setting} to a folder that "
            f"is there."
        ) from None
