"""Decodes and resizes Omniglot drawings with Pillow.

A trap worth knowing: the PNGs have one bit a pixel (Pillow mode "1"), and Pillow resizes mode "1"
by NEAREST whatever filter is asked for. So code that opens a file, asks for LANCZOS and converts
afterwards (github.com/cbfinn/maml, data/omniglot/resize_images.py) really got nearest. The other
filters are therefore applied here to mode "L", where they mean what they say.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from harness.data.picture import loaded, open_picture, pillow
from harness.errors import HarnessError

ResizeFilter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
RESIZE_FILTERS: tuple[str, ...] = get_args(ResizeFilter)


def decode(png: bytes, side: int, where: str) -> Any:
    """Decode one drawing to a Pillow image of mode "1" or "L"; `where` names it in messages.

    Raises HarnessError where Pillow is missing, the file is corrupt, has another depth than 8 bits
    a channel (or 1), or is not `side` x `side`.
    """
    image = open_picture(png, where, kinds=("PNG",))
    if image.size != (side, side):
        raise HarnessError(f"{where} is {image.size} pixels, wanted ({side}, {side}).")
    image = loaded(image, where, kinds=("PNG",))
    return image if image.mode in ("1", "L") else image.convert("L")


def resize(image: Any, size: int, resize_filter: str) -> np.ndarray:
    """Resize to uint8 [size, size] with ink = 255 (files have ink = 0, paper = white).

    "nearest" is what mode "1" gives; the other filters work on mode "L".
    """
    gray = image.convert("L")
    if gray.size != (size, size):
        gray = gray.resize((size, size), getattr(pillow().Resampling, resize_filter.upper()))
    return 255 - np.asarray(gray)
