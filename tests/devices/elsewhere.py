"""A device that every machine has: torch's `meta`, held to the rules of CUDA.

A tensor of `meta` has a shape and no numbers, so that work on it needs no GPU and little time. Its
own operations take tensors of the CPU without a word where CUDA's refuse them; `Elsewhere` refuses
them here.
"""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest import mock

import torch
import torch._refs  # which names `torch.Generator`, and is else read on the way
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")
GENERATOR = torch.Generator
aten = torch.ops.aten
READ = aten._local_scalar_dense.default
WHERE = aten.nonzero.default
"""What has a shape that only the numbers know: the host waits for it."""
COPIES = {aten._to_copy.default, aten.copy_.default}
"""What moves numbers from one device to another."""
TAKE_INDICES = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default}
"""What takes indices of the CPU on any device; in turn the CPU takes its own only."""
TAKE_A_NUMBER = {aten.fill_.Tensor, aten.index_put_.default, aten.index_put.default}
"""What takes a number that is a tensor of the CPU, beside all that works point by point."""
FUSED = aten._fused_adam_.tensor_lr
"""What `meta` has not learned; it only writes."""
Reads = dict[str, deque[Any]]


class WrongDevice(RuntimeError):
    """Raised where CUDA would refuse tensors of two devices."""


class Waits(RuntimeError):
    """Raised where a step that may be captured waits for the device."""


class NotKnown(RuntimeError):
    """Raised where a number is read on the host that nobody has told."""


class _Known(type):
    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, GENERATOR)


class EitherGenerator(metaclass=_Known):
    """What stands for `torch.Generator`: one of `meta`, which has none, is one of the CPU."""

    elsewhere: ClassVar[dict[int, torch.Generator]] = {}
    """Those of `meta`, by the address that an operation sees."""

    def __new__(cls, device: Any = "cpu") -> Any:
        """Return a generator of `device`."""
        if torch.device(device) != META:
            return GENERATOR(device)
        made: Any = GENERATOR()
        cls.elsewhere[made._cdata] = made
        return made


class Recorded(TorchDispatchMode):
    """Within, what the host reads on the CPU is kept by the line that reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Reads = defaultdict(deque)
        self._one_hot = F.one_hot

    def __enter__(self) -> Any:
        """Go in; `one_hot` looks at its labels on the CPU alone."""
        F.one_hot = self._unseen_one_hot
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        """Go out."""
        F.one_hot = self._one_hot
        super().__exit__(*error)

    def _unseen_one_hot(self, *args: Any) -> Tensor:
        before = {k: deque(v) for k, v in self.reads.items()}
        found = self._one_hot(*args)
        self.reads.clear()
        self.reads.update(before)
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what is asked for."""
        found = func(*args, **(kwargs or {}))
        if _waits(func, args):
            self.reads[reader()].append(found)
        return found


class Elsewhere(TorchDispatchMode):
    """Within, tensors of the CPU and of `meta` go together only where CUDA takes them.

    `reads` is what the host reads there, from the same work on the CPU. While `captured` is true
    nothing may wait for the device.
    """

    def __init__(self, reads: Reads | None = None) -> None:
        super().__init__()
        self.reads: Reads = reads or {}
        self.building = self.captured = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Check where the tensors are, then do what is asked for."""
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        if _waits(func, args):
            _check(func, tensors)
            return self._read(func, args, kwargs)
        if func in COPIES:
            return self._copied(func, args, kwargs)
        if self.captured and func is aten.lift_fresh.default and args[0].device == META:
            raise Waits(f"{reader()} copies a number to the device")
        _check(func, tensors)
        if func is FUSED and args[0][0].device == META:
            return None
        found = func(*args, **kwargs)
        for drawing in (x for x in leaves if isinstance(x, GENERATOR)):
            for made in (x for x in tree_leaves(found) if isinstance(x, Tensor)):
                if (made.device == META) != (drawing._cdata in EitherGenerator.elsewhere):
                    raise WrongDevice(f"{func} draws on {made.device} by another's generator")
        return found

    def _read(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self.captured:
            raise Waits(f"{reader()} reads a number")
        if args[0].device != META:
            return func(*args, **kwargs)
        if self.building:
            return True  # an optimiser looks whether its rate is one
        known = self.reads.get(reader())
        if not known:
            raise NotKnown(reader())
        found = known.popleft()
        return found.to(META) if isinstance(found, Tensor) else found

    def _copied(self, func: Any, args: Any, kwargs: Any) -> Any:
        if not all(isinstance(x, Tensor) for x in args[:2]):
            return func(*args, **kwargs)  # a number that `vmap` takes along
        anew = func is aten._to_copy.default
        source = args[0] if anew else args[1]
        here = (kwargs.get("device") or source.device) if anew else args[0].device
        if self.captured and here != source.device:
            raise Waits(f"{reader()} copies from {source.device} to {here}")
        if source.device != META or here == META:
            return func(*args, **kwargs)
        # Nobody knows the numbers: any will do to go on with.
        if anew:
            dtype = kwargs.get("dtype") or source.dtype
            return torch.zeros(source.shape, dtype=dtype, device=here)
        return args[0].zero_()


def _waits(func: Any, args: Any) -> bool:
    """Whether the host must know numbers of the device to go on."""
    chosen = func is aten.index.Tensor and any(
        x is not None and x.dtype == torch.bool for x in args[1]
    )
    return func is READ or func is WHERE or chosen


def _check(func: Any, tensors: list[Tensor]) -> None:
    """Raise WrongDevice where CUDA does not take `tensors` together."""
    there = [x for x in tensors if x.device == META]
    here = [x for x in tensors if x.device != META]
    if not there or not here:
        return
    if func in TAKE_INDICES and tensors[0].device == META:
        here = [x for x in here if x.dtype not in (torch.int64, torch.bool)]
    if torch.Tag.pointwise in func.tags or func in TAKE_A_NUMBER:
        written = tensors[0] if func._schema.is_mutable else None
        here = [x for x in here if x.dim() or x is written]
    if here:
        raise WrongDevice(f"{reader()} has tensors of the CPU beside others in {func}")


def reader() -> str:
    """Return the line that asked for the present operation, neither torch's nor of this file."""
    frame = sys._getframe(1)
    while frame.f_back and (
        "/torch/" in frame.f_code.co_filename or frame.f_code.co_filename == __file__
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@contextmanager
def as_on_cuda() -> Iterator[None]:
    """Let optimisers and generators take `meta` for the device that it stands for."""
    fused = "torch.optim.optimizer._get_fused_kernels_supported_devices"

    with (
        mock.patch(fused, return_value=["meta", "cpu"]),
        mock.patch("torch.Generator", EitherGenerator),
    ):
        yield
    EitherGenerator.elsewhere.clear()
