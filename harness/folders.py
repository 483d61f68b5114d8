"""Folders of results: what cannot be read is reported, where `Path.glob` silently leaves it out."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError


def entries(folder: Path, ending: str = "") -> list[Path]:
    """Return what lies in `folder` by name, hidden entries left out; none where it is not there.

    HarnessError where the system refuses to open it.
    """
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as e:
        raise HarnessError(
            f"{folder}: cannot be read ({e.strerror or e}), so what lies there would be left out; "
            f"make it readable or move it away."
        ) from None
    return [p for p in paths if not p.name.startswith(".") and p.name.endswith(ending)]
