"""Reads the pickles of CIFAR's python archive without running anything that they say.

A pickle may name any function to call. Here the only names that resolve are numpy's three, and they
resolve to inert stand-ins that note shape, type and bytes: not even numpy's own unpickling runs,
which trusts what it is given. Anything else is refused.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import HarnessError

MOST_BYTES = 200_000_000
"""Of one file; CIFAR-100's `train` has 155 million."""


def read_array_pickle(path: Path) -> dict[bytes, Any]:
    """Give the dict that the pickle at `path` holds: of lists, numbers, bytes and uint8 arrays.

    Raises HarnessError for a file that is damaged, too large, or names anything but numpy arrays.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise HarnessError(f"{path} is larger than {MOST_BYTES:,} bytes; take a fresh copy.")
        with path.open("rb") as f:
            found = dict(_Reader(f, encoding="bytes").load())
        return {k: v.to_numpy() if isinstance(v, _Array) else v for k, v in found.items()}
    except HarnessError:
        raise
    except Exception as e:  # a damaged pickle raises nearly anything
        raise HarnessError(
            f"{path} is not a readable pickle of CIFAR's archive ({e}); take a fresh copy."
        ) from e


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
        if kind.arguments[0] not in ("u1", b"u1") or fortran or not isinstance(content, bytes):
            raise ValueError("an array that is not plain uint8")
        if len(content) != math.prod(shape):
            raise ValueError(f"an array of shape {shape} with {len(content)} bytes")
        return np.frombuffer(content, np.uint8).reshape(shape)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "dtype"): _Type,
            ("numpy", "ndarray"): _Array,
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        }
        if (module, name) not in known:
            raise ValueError(f"it names {module}.{name}, which is refused")
        return known[module, name]
