"""Whether weights are those of a method: names, shapes and types."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from harness.errors import HarnessError


def check_shapes(
    path: Path, weights: dict[str, Tensor], wanted: dict[str, Tensor], variant: str
) -> None:
    """Refuse weights of another method, size or type before any of them is loaded."""
    for name in [*wanted, *weights]:
        here, there = (w.get(name) for w in (weights, wanted))
        same_shape = here is not None and there is not None and here.shape == there.shape
        if not same_shape or _type(here) != _type(there):
            raise HarnessError(
                f"{path}: found {_words(here, same_shape)} under {name!r}, "
                f"wanted {_words(there, same_shape)} for {variant}."
            )


def _type(tensor: Tensor | None) -> str:
    return "" if tensor is None else str(tensor.dtype).removeprefix("torch.")


def _words(tensor: Tensor | None, same_shape: bool) -> str:
    if tensor is None:
        return "nothing"
    return f"a tensor of {_type(tensor) if same_shape else f'shape {list(tensor.shape)}'}"
