"""How CUDA multiplies float32 numbers: as they are, or rounded to TF32 (10 bits in place of 23)."""

from __future__ import annotations

from typing import Any

import torch


def kinds_of_products() -> dict[str, Any]:
    """Return torch's settings of matrix products, convolutions and recurrences, by name.

    From torch 2.9 each has `fp32_precision`; before, `allow_tf32` stands for cuDNN's two together.
    """
    cudnn: Any = torch.backends.cudnn
    return {
        "matrix products": torch.backends.cuda.matmul,
        "convolutions": getattr(cudnn, "conv", cudnn),
        "recurrences": getattr(cudnn, "rnn", cudnn),
    }


def use_tf32(use: bool) -> None:
    """Round all products of float32 numbers on CUDA to TF32, or none.

    By default torch rounds in convolutions and recurrences, but not in matrix products.
    """
    for settings in kinds_of_products().values():
        if hasattr(settings, "fp32_precision"):
            settings.fp32_precision = "tf32" if use else "ieee"
        else:
            settings.allow_tf32 = use
