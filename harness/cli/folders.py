"""Words that name a folder, refused before any work is done where no folder can be."""

from __future__ import annotations

import argparse
from pathlib import Path
from stat import S_ISDIR

RESULTS = "folder of records (results/ beside replications/)"
WORK = "folder of checkpoints (runs/ beside replications/)"


def folder(text: str) -> Path:
    """Return the folder that `text` names; it is there, or may be made.

    A file, pipe or device in its place, or a loop of links, is an `argparse` error.
    """
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or e
        raise argparse.ArgumentTypeError(f"found {text!r} ({why}), wanted a folder") from None
    if not S_ISDIR(mode):
        raise argparse.ArgumentTypeError(f"found {text!r}, which is no folder, wanted one")
    return path
