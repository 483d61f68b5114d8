"""Decodes colour images with Pillow and fits them to one size."""

from __future__ import annotations

import io
from typing import Any, Literal, get_args

import numpy as np

from harness.data.decode import ResizeFilter, pillow
from harness.errors import HarnessError

ColorResizeFilter = Literal["none", ResizeFilter]
COLOR_RESIZE_FILTERS: tuple[str, ...] = get_args(ColorResizeFilter)


def decode_color(content: bytes, where: str) -> Any:
    """Decode a JPEG or PNG to a Pillow image of mode "RGB"; `where` names it in messages.

    Raises HarnessError where Pillow is missing or the file is corrupt.
    """
    module = pillow()
    try:
        image = module.open(io.BytesIO(content), formats=["JPEG", "PNG"])
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")
    # Truncated or damaged files raise any of these.
    except (OSError, SyntaxError, ValueError, EOFError, module.DecompressionBombError) as e:
        reason = "neither JPEG nor PNG" if isinstance(e, module.UnidentifiedImageError) else e
        raise HarnessError(f"{where} is not a readable image ({reason}); take a fresh copy.") from e


def fit(image: Any, size: int, resize_filter: str, where: str) -> np.ndarray:
    """Give uint8 [3, size, size] of an RGB image that is at least as large.

    Sides are scaled each for itself, as the published scripts for mini-ImageNet do, so an image
    that is not square loses its proportions. An image of the right size is left as it is, and with
    filter "none" every image has to be.
    """
    if image.size != (size, size):
        width, height = image.size
        if resize_filter == "none":
            raise HarnessError(
                f"{where} is {width} x {height} pixels, wanted {size} x {size}, as resize filter "
                "'none' takes nothing else; choose a filter."
            )
        if min(width, height) < size:
            raise HarnessError(
                f"{where} is {width} x {height} pixels, wanted at least {size} x {size}; "
                "choose a smaller image size or take a larger copy."
            )
        image = image.resize((size, size), getattr(pillow().Resampling, resize_filter.upper()))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
