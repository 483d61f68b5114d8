"""Decodes and resizes Omniglot drawings with Pillow, which is imported only here and when used.

A trap worth knowing: the PNGs have one bit a pixel (Pillow mode "1"), and Pillow resizes mode "1"
by NEAREST whatever filter is asked for. So code that opens a file, asks for LANCZOS and converts
afterwards (github.com/cbfinn/maml, data/omniglot/resize_images.py) really got nearest. The other
filters are therefore applied here to mode "L", where they mean what they say.
"""

from __future__ import annotations

import io
from typing import Any, Literal, get_args

import numpy as np

from harness.errors import HarnessError

ResizeFilter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
RESIZE_FILTERS: tuple[str, ...] = get_args(ResizeFilter)


def decode(png: bytes, side: int, where: str) -> Any:
    """Decode one drawing to a Pillow image of mode "1" or "L"; `where` names it in messages.

    Raises HarnessError where Pillow is missing, the file is corrupt or not `side` x `side`.
    """
    image_module = pillow()
    try:
        image = image_module.open(io.BytesIO(png), formats=["PNG"])
        if image.size == (side, side):
            image.load()
            return image if image.mode in ("1", "L") else image.convert("L")
    except (OSError, SyntaxError, ValueError, EOFError) as e:
        raise HarnessError(f"{where} is not a readable PNG ({e}); take a fresh copy.") from e
    raise HarnessError(f"{where} is {image.size} pixels, wanted ({side}, {side}).")


def resize(image: Any, size: int, resize_filter: str) -> np.ndarray:
    """Resize to uint8 [size, size] with ink = 255 (files have ink = 0, paper = white).

    "nearest" is what mode "1" gives; the other filters work on mode "L".
    """
    gray = image.convert("L")
    if gray.size != (size, size):
        gray = gray.resize((size, size), getattr(pillow().Resampling, resize_filter.upper()))
    return 255 - np.asarray(gray)


def pillow() -> Any:
    """Import Pillow's Image module; HarnessError where Pillow is missing."""
    try:
        from PIL import Image
    except ImportError as e:
        raise HarnessError(
            "Pillow is needed to read images; run `pip install 'metalearning-replications[data]'`."
        ) from e
    return Image
