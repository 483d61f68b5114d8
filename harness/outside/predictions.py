"""What an outside model may answer, and the score of its answer on each task."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError


def scores(answer: Any, targets: Tensor, ways: int | None) -> np.ndarray:
    """Score the answer for T tasks: accuracy in percent, or mean squared error; [T] float64.

    Classification (`ways` given, `targets` [T, Q] int64): `answer` holds class numbers [T, Q] of
    an integer type, or scores [T, Q, ways] of a floating type, whose largest decides. Regression
    (`targets` [T, Q, 1]): `answer` [T, Q, 1] or [T, Q].

    Raises HarnessError for anything else: another type, shape, class number, or a NaN.
    """
    found = _tensor(answer, targets.device)
    if ways is None:
        return _squared_error(found, targets)
    right = _classes(found, targets, ways) == targets
    return 100 * right.double().mean(1).cpu().numpy()


def _tensor(answer: Any, device: torch.device) -> Tensor:
    if isinstance(answer, np.ndarray) and answer.dtype.kind in "iuf":
        answer = torch.from_numpy(np.ascontiguousarray(answer))
    if not isinstance(answer, Tensor):
        kind = type(answer).__name__
        if isinstance(answer, np.ndarray):
            kind = f"an array of {answer.dtype}"
        raise HarnessError(
            f"predictions: found {kind}, wanted one torch tensor or numpy array of numbers; "
            "return class numbers or scores of the query examples."
        )
    return answer.detach().to(device)


def _classes(found: Tensor, targets: Tensor, ways: int) -> Tensor:
    numbers = tuple(targets.shape)
    whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if tuple(found.shape) == (*numbers, ways) and found.is_floating_point():
        if found.isnan().any():
            raise HarnessError(
                "predictions: found NaN among the scores, wanted numbers; see whether the model's "
                "adaptation diverged."
            )
        return found.argmax(-1)
    if tuple(found.shape) == numbers and whole:
        low, high = int(found.min()), int(found.max())
        if low < 0 or high >= ways:
            raise HarnessError(
                f"predictions: found classes {low} to {high}, wanted 0 to {ways - 1}, numbered as "
                "the support labels are."
            )
        return found.long()
    raise HarnessError(
        f"predictions: found {_words(found)}, wanted integer classes of shape {list(numbers)} or "
        f"floating scores of shape {[*numbers, ways]} (tasks, query examples, ways)."
    )


def _squared_error(found: Tensor, targets: Tensor) -> np.ndarray:
    if found.dim() == 2:
        found = found.unsqueeze(-1)
    if found.shape != targets.shape or not found.is_floating_point():
        raise HarnessError(
            f"predictions: found {_words(found)}, wanted floating numbers of shape "
            f"{list(targets.shape)} (tasks, query examples, 1)."
        )
    return (found - targets).double().square().flatten(1).mean(1).cpu().numpy()


def _words(found: Tensor) -> str:
    return f"{str(found.dtype).removeprefix('torch.')} of shape {list(found.shape)}"
