"""Decodes colour images with Pillow and fits them to one size."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from harness.data.omniglot_decode import ResizeFilter
from harness.data.picture import loaded, open_picture, pillow
from harness.errors import HarnessError

ColorResizeFilter = Literal["none", ResizeFilter]
COLOR_RESIZE_FILTERS: tuple[str, ...] = get_args(ColorResizeFilter)


def decode_color(content: bytes, where: str) -> Any:
    """Decode a JPEG or PNG to a Pillow image of mode "RGB"; `where` names it in messages.

    Raises HarnessError where Pillow is missing, the file is corrupt or absurdly large, or has
    another depth than 8 bits a channel.
    """
    image = loaded(open_picture(content, where), where)
    return image if image.mode == "RGB" else image.convert("RGB")


def fit(image: Any, size: int, resize_filter: str, where: str) -> np.ndarray:
    """Return uint8 [3, size, size] of an RGB image that is at least as large.

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
