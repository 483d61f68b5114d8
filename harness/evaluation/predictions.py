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
    any integer type, or scores [T, Q, ways] of a floating type, whose largest decides: it has to be
    finite, while -inf rules a class out. Regression (`targets` [T, Q, 1]): `answer` [T, Q, 1] or
    [T, Q]. Answers may be on any device.

    Raises HarnessError for anything else: another type, shape, class number, or a NaN.
    """
    predictions = _tensor(answer, targets.device)
    if ways is None:
        return _squared_error(predictions, targets)
    right = _classes(predictions, targets, ways) == targets
    return 100 * right.double().mean(1).cpu().numpy()


def _tensor(answer: Any, device: torch.device) -> Tensor:
    masked = isinstance(answer, np.ma.MaskedArray)
    if isinstance(answer, np.ndarray) and answer.dtype.kind in "iuf" and not masked:
        answer = _from_numpy(answer)
    if not isinstance(answer, Tensor) or not _has_numbers(answer):
        raise HarnessError(
            f"predictions: found {_kind(answer)}, wanted one torch tensor or numpy array of "
            "numbers; return class numbers or scores of the query examples."
        )
    tensor = answer.detach().to(device)
    # Floating types of one byte have no arithmetic.
    return tensor.float() if tensor.is_floating_point() and tensor.element_size() == 1 else tensor


def _from_numpy(a: np.ndarray) -> Tensor:
    """Copy an array into a tensor: it may be read-only, of another byte order, or too wide."""
    wide = a.dtype.kind == "f" and a.dtype.itemsize > 8
    return torch.from_numpy(np.array(a, np.float64 if wide else a.dtype.newbyteorder("=")))


def _has_numbers(answer: Tensor) -> bool:
    dense = answer.layout == torch.strided and not answer.is_nested
    return dense and not answer.is_quantized and answer.device.type != "meta"


def _kind(answer: Any) -> str:
    if isinstance(answer, np.ndarray):
        masked = "a masked array" if isinstance(answer, np.ma.MaskedArray) else "an array"
        return f"{masked} of {answer.dtype}"
    if not isinstance(answer, Tensor):
        return type(answer).__name__
    if answer.device.type == "meta":
        return "a tensor on the device 'meta', which holds no numbers"
    layout = "nested" if answer.is_nested else str(answer.layout).removeprefix("torch.")
    return f"a {'quantized' if answer.is_quantized else layout} tensor"


def _classes(predictions: Tensor, targets: Tensor, ways: int) -> Tensor:
    numbers = tuple(targets.shape)
    whole = not (
        predictions.is_floating_point()
        or predictions.is_complex()
        or predictions.dtype == torch.bool
    )
    if tuple(predictions.shape) == (*numbers, ways) and predictions.is_floating_point():
        return _largest(predictions)
    if tuple(predictions.shape) == numbers and whole:
        n = predictions.cpu().numpy()  # torch has no smallest of uint16, uint32 and uint64
        low, high = int(n.min()), int(n.max())
        if low < 0 or high >= ways:
            raise HarnessError(
                f"predictions: found classes {low} to {high}, wanted 0 to {ways - 1}, numbered as "
                "the support labels are."
            )
        return predictions.long()
    raise HarnessError(
        f"predictions: found {_words(predictions)}, wanted integer classes of shape "
        f"{list(numbers)} or floating scores of shape {[*numbers, ways]} (tasks, query examples, "
        "ways)."
    )


def _largest(class_scores: Tensor) -> Tensor:
    """Return the class of the largest score, which says nothing where it is not a finite number."""
    largest, classes = class_scores.max(-1)
    if largest.isnan().any():
        raise HarnessError(
            "predictions: found NaN among the scores, wanted numbers; see whether the model's "
            "adaptation diverged."
        )
    if not largest.isfinite().all():
        sign = "inf" if largest.isposinf().any() else "-inf"
        raise HarnessError(
            f"predictions: found a query example whose largest score is {sign} "
            f"({str(class_scores.dtype).removeprefix('torch.')}), wanted a finite one; see whether "
            "the scores overflow or every class is ruled out."
        )
    return classes


def _squared_error(predictions: Tensor, targets: Tensor) -> np.ndarray:
    if predictions.dim() == 2:
        predictions = predictions.unsqueeze(-1)
    if predictions.shape != targets.shape or not predictions.is_floating_point():
        raise HarnessError(
            f"predictions: found {_words(predictions)}, wanted floating numbers of shape "
            f"{list(targets.shape)} (tasks, query examples, 1)."
        )
    return (predictions - targets).double().square().flatten(1).mean(1).cpu().numpy()


def _words(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {list(tensor.shape)}"
