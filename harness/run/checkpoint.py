"""Checkpoints: written to a temporary name, synced, renamed; the one before is kept.

The file is torch's own format, read with `weights_only=True`, so that nothing untrusted is
unpickled. A checkpoint that cannot be read is set aside with a message, and the one before it is
used.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from harness.durable import sync_folder
from harness.errors import HarnessError

CURRENT, BEFORE = "checkpoint.pt", "checkpoint-before.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` (nested dicts and lists of tensors, numbers, strings) as the newest one."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "checkpoint.tmp"
    try:
        with temporary.open("wb") as f:
            torch.save(state, f)
            f.flush()
            os.fsync(f.fileno())
    except (OSError, RuntimeError) as e:  # torch reports a failed write as a RuntimeError
        temporary.unlink(missing_ok=True)
        raise HarnessError(
            f"could not write a checkpoint to {folder}: {e}; the one before is untouched: "
            f"free some space and run the same command again."
        ) from None
    if (folder / CURRENT).exists():
        os.replace(folder / CURRENT, folder / BEFORE)
    os.replace(temporary, folder / CURRENT)
    sync_folder(folder)


def load(folder: Path) -> dict[str, Any] | None:
    """Read the newest checkpoint that can be read, or None."""
    for name in (CURRENT, BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            found: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            return found
        except Exception as e:  # torch raises many kinds for a broken file; all mean the same here
            aside = path.with_suffix(".broken")
            os.replace(path, aside)
            # The first sentence: torch goes on with advice to unpickle without care.
            reason = str(e).partition(". ")[0].splitlines()[0] if str(e) else type(e).__name__
            older = name == CURRENT and (folder / BEFORE).exists()
            then = "going on from the checkpoint before" if older else "starting anew"
            print(
                f"harness: {path} cannot be read ({reason}); set aside as {aside.name}, {then}.",
                file=sys.stderr,
            )
    return None
