"""Reads the pickles of CIFAR's python archive without running anything that they say.

A pickle may name any function to call. Here the only names that resolve are those of numpy arrays
and of byte strings saved by Python 3, and they resolve to inert stand-ins that note shape, type and
bytes: not even numpy's own unpickling runs, which trusts what it is given. Anything else is
refused. Before a pickle is read, it is scanned without doing what it says, because a few bytes may
ask for gigabytes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.entries import read_plain
from harness.errors import HarnessError

MOST_BYTES = 260_000_000
"""Bytes of one file; CIFAR-100's `train` has 155 million, and half as many again as text of Python
3."""
MOST_STEPS = 1_000_000
"""Steps of one pickle, and places in its memory; CIFAR-100's `train` has 300,000."""


def read_array_pickle(path: Path) -> dict[bytes, Any]:
    """Return the dict that the pickle at `path` holds: of lists, numbers, bytes and uint8 arrays.

    Raises HarnessError for a file that is damaged, too large, or names anything but numpy arrays.
    """
    content = read_plain(path, MOST_BYTES)
    try:
        _check_steps(content)
        table = _Reader(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(table, dict):
            raise ValueError(f"it holds a {type(table).__name__}, wanted a dict")
        return {
            k.encode("latin-1") if isinstance(k, str) else k: (
                v.to_numpy() if isinstance(v, _Array) else v
            )
            for k, v in table.items()
        }
    except Exception as e:  # a damaged pickle raises nearly anything
        reason = str(e) if len(str(e)) < 200 else type(e).__name__
        raise HarnessError(
            f"{path} is not a readable pickle of CIFAR's archive ({reason}); take a fresh copy."
        ) from e


def _check_steps(content: bytes) -> None:
    """Raise ValueError for a pickle of more steps, or a memory of more places, than any true one:
    it would take gigabytes."""
    for step, (code, argument, _) in enumerate(pickletools.genops(content)):
        place = int(argument or 0) if code.name in ("PUT", "BINPUT", "LONG_BINPUT") else 0
        if step > MOST_STEPS or place > MOST_STEPS:
            raise ValueError(f"more than {MOST_STEPS:,} steps or places in its memory")


class _Type:
    """Stands for `numpy.dtype`: keeps its arguments."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        pass  # byte order and the like: of no meaning for uint8


class _Array:
    """Stands for `numpy.ndarray`: keeps its state (version, shape, type, fortran, bytes)."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def to_numpy(self) -> np.ndarray:
        _, shape, kind, fortran, content = self.state
        plain = isinstance(content, bytes | bytearray)
        if kind.arguments[0] not in ("u1", b"u1") or fortran or not plain:
            raise ValueError("an array that is not plain uint8")
        if len(content) != math.prod(shape):
            raise ValueError(f"an array of shape {shape} with {len(content)} bytes")
        return np.frombuffer(content, np.uint8).reshape(shape)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(content: Any, kind: Any, shape: Any, order: Any) -> _Array:
    """Stands for what Python 3 saves arrays with since its fifth protocol."""
    array = _Array()
    array.state = (1, shape, kind, order != "C", content)
    return array


def _encode(text: Any, how: Any) -> bytes:
    """Stands for `_codecs.encode`, with which Python 3 saves bytes for Python 2."""
    if how not in ("latin1", b"latin1") or not isinstance(text, str):
        raise ValueError("bytes in an odd coding")
    return text.encode("latin1")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "dtype"): _Type,
            ("numpy", "ndarray"): _Array,
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy.core.numeric", "_frombuffer"): _frombuffer,
            ("numpy._core.numeric", "_frombuffer"): _frombuffer,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in known:
            raise ValueError(f"it names {module}.{name}, which is refused")
        return known[module, name]
