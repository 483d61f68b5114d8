"""Checkpoints: written to a temporary name, synced, renamed; the one before is kept.

The file is torch's own format, read with `weights_only=True`, so that nothing untrusted is
unpickled. Beside the state stands a head: the version of the format, whose run it is, and a
digest of both. A checkpoint that cannot be read or does not fit its digest is set aside with a
message, and the one before it is used; one of another run is refused.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.durable import sync_folder
from harness.errors import HarnessError
from harness.run import stop

CURRENT, BEFORE = "checkpoint.pt", "checkpoint-before.pt"
FORMAT = 2
"""1 had no head."""
HEAD = "checkpoint"

Run = Mapping[str, "str | int"]
"""Whose checkpoint it is, e.g. seed, phase and training digest."""


def save(folder: Path, state: dict[str, Any], run: Run | None = None) -> None:
    """Write `state` (nested dicts and lists of tensors, numbers, strings) as the newest one."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "checkpoint.tmp"
    head = {"format": FORMAT, "run": dict(run or {}), "digest": _digest(dict(run or {}), state)}
    try:
        with temporary.open("wb") as f:
            torch.save({**state, HEAD: head}, f)
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


def load(
    folder: Path, run: Run | None = None, check: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any] | None:
    """Read the newest checkpoint that can be read, or None.

    `check` raises ValueError for a state that cannot be one. Raises HarnessError for a checkpoint
    of another run than `run`, or of a newer format: neither is damage.
    """
    for name in (CURRENT, BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            state, old = _read(path, run)
            if check is not None:
                check(state)
            if old:
                stop.say(f"{path} is of an older harness and carries no digest; taken as it is.")
            return state
        except (HarnessError, MemoryError):
            raise
        except PermissionError as e:
            raise HarnessError(
                f"{path}: {e.strerror}; make it readable and run the same command again."
            ) from None
        except Exception as e:  # torch raises many kinds for a broken file; all mean the same here
            aside = path.with_suffix(".broken")
            os.replace(path, aside)
            # The first sentence: torch goes on with advice to unpickle without care.
            reason = str(e).partition(". ")[0].splitlines()[0] if str(e) else type(e).__name__
            older = name == CURRENT and (folder / BEFORE).exists()
            then = "going on from the checkpoint before" if older else "starting anew"
            stop.say(f"{path} cannot be read ({reason}); set aside as {aside.name}, {then}.")
    return None


def _read(path: Path, run: Run | None) -> tuple[dict[str, Any], bool]:
    """Return a state, and whether it is of a harness that wrote no heads."""
    if not path.is_file():
        raise ValueError("it is no file")
    state = torch.load(path, weights_only=True, map_location="cpu")
    if not isinstance(state, dict) or not state:
        raise ValueError(f"found {_kind(state)}, wanted the state of a run")
    if HEAD not in state:
        _check_old(path)
        return state, True
    head = state.pop(HEAD)
    if not isinstance(head, dict) or not isinstance(head.get("format"), int):
        raise ValueError("its head is not that of a checkpoint")
    if head["format"] > FORMAT:
        raise HarnessError(
            f"{path}: found a checkpoint of format {head['format']}, wanted at most {FORMAT}; go "
            f"on with the newer harness that made it, or start anew with `--fresh`."
        )
    whose = head.get("run")
    if not isinstance(whose, dict) or head.get("digest") != _digest(whose, state):
        raise ValueError("its content does not fit its digest")
    if run is not None and whose != dict(run):
        raise HarnessError(
            f"{path}: found a checkpoint of another run ({_words(whose)}), wanted one of "
            f"{_words(run)}; move it away, or start anew with `--fresh`."
        )
    return state, False


def _check_old(path: Path) -> None:
    """Hold the parts of a file without digest to the check sums of its zip."""
    with zipfile.ZipFile(path) as z:
        bad = z.testzip()
    if bad is not None:
        raise ValueError(f"{bad.rpartition('/')[2]!r} in it does not fit its check sum")


def _digest(run: Run, state: dict[str, Any]) -> str:
    """Return the sha256 of a state and whose it is: names, types, shapes and every bit of it."""
    hasher = hashlib.sha256()
    _feed(hasher, {"run": run, "state": state})
    return hasher.hexdigest()


def _feed(hasher: Any, x: Any) -> None:
    if isinstance(x, Tensor):
        flat = x.detach().cpu().contiguous().reshape(-1)
        hasher.update(f"{x.dtype} {tuple(x.shape)};".encode())
        hasher.update(flat.view(torch.uint8).numpy())
    elif isinstance(x, Mapping):
        hasher.update(f"dict {len(x)};".encode())
        for k, v in x.items():
            _feed(hasher, k)
            _feed(hasher, v)
    elif isinstance(x, list | tuple):
        hasher.update(f"{'tuple' if isinstance(x, tuple) else 'list'} {len(x)};".encode())
        for v in x:
            _feed(hasher, v)
    elif x is None or type(x) in (bool, int, float, str):
        text = repr(x)
        hasher.update(f"{type(x).__name__} {len(text)} {text};".encode("utf-8", "surrogatepass"))
    else:
        raise TypeError(f"a checkpoint cannot hold {_kind(x)}")


def _kind(x: object) -> str:
    return "nothing" if isinstance(x, dict) else f"a {type(x).__name__}"


def _words(run: Run) -> str:
    short = {k: str(v)[:12] for k, v in run.items()}
    return ", ".join(f"{k} {v}" for k, v in short.items()) or "no run"
