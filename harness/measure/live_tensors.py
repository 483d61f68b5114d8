"""Bytes of the tensors that operations make, and the most that were alive at once.

What a library uses inside one operation (the column buffer of a convolution, say) is not a tensor
and is not seen; on CUDA the allocator's own peak has it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class LiveTensors(TorchDispatchMode):
    """Within `with LiveTensors() as live:`, follow every storage that an operation makes.

    A storage counts once, however many views it has, from the operation that made it until nothing
    holds it any more: no variable, no other tensor, no autograd graph. Storages from before the
    block count nothing, neither held nor freed.
    """

    live: int
    """Bytes alive now."""
    peak: int
    """Most bytes alive at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and count what it made."""
        named = kwargs or {}
        given = (args, tuple(named.values()))
        for tensor in _tensors(given):
            self._see(tensor, made=False)
        result = func(*args, **named)
        # The inputs again: an operation can resize its `out`.
        for tensor in _tensors((result, given)):
            self._see(tensor, made=True)
        return result

    def _see(self, tensor: Tensor, made: bool) -> None:
        if tensor.layout != torch.strided:
            return  # sparse tensors are made of strided ones, which are seen
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            # The reference tells when the memory goes; by then its address may be used again.
            self._known[key] = (weakref.ref(storage, self._forget(key)), size if made else -1)
            self._add(size if made else 0)
        elif made and self._known[key][1] not in (-1, size):  # resized in place
            reference, before = self._known[key]
            self._known[key] = (reference, size)
            self._add(size - before)

    def _add(self, size: int) -> None:
        self.live += size
        self.peak = max(self.peak, self.live)

    def _forget(self, key: int) -> Callable[[Any], None]:
        def forget(_: Any) -> None:
            _, size = self._known.pop(key)
            self.live -= max(size, 0)

        return forget


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples and lists, which operations take and give."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
