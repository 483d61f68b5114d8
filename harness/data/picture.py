"""Opens PNG and JPEG files with Pillow, which is imported only here and when used.

What a file says of itself is looked at before anything is allocated: a few bytes may declare an
image of gigabytes. Only 8 bits a channel are taken (or fewer, as in Omniglot): Pillow turns 16-bit
greys into white.
"""

from __future__ import annotations

import io
import struct
from typing import Any

from harness.errors import HarnessError

MOST_PIXELS = 50_000_000
"""Of one image; the largest of ImageNet have about 20 million."""
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_DEPTH = 24  # the byte of a PNG that says how many bits a channel has


def open_picture(content: bytes, where: str, kinds: tuple[str, ...] = ("JPEG", "PNG")) -> Any:
    """Return the Pillow image of `content` with nothing but its head read; `where` names it.

    Raises HarnessError where Pillow is missing, the head is corrupt or of another kind, the image
    is absurdly large or has more than 8 bits a channel.
    """
    pillow()
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    # Not PIL.Image.open, which warns about large images, or raises, before their size is known.
    kind = {_PNG: "PNG", _JPEG: "JPEG"}.get(content[: 8 if content[:1] == _PNG[:1] else 3], "")
    if kind not in kinds:
        raise _unreadable(where, kinds, _not_one_of(kinds))
    if kind == "PNG" and content[12:16] != b"IHDR":
        raise _unreadable(where, kinds, "no head")
    try:
        file = io.BytesIO(content)
        image = PngImageFile(file) if kind == "PNG" else JpegImageFile(file)
    except _DAMAGE as e:
        raise _unreadable(where, kinds, e) from e
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise HarnessError(
            f"{where} says that it is {width:,} x {height:,} pixels, wanted {MOST_PIXELS:,} "
            "at most; take a fresh copy."
        )
    if kind == "PNG" and content[_DEPTH] > 8:
        raise HarnessError(
            f"{where} has {content[_DEPTH]} bits a channel, wanted 8, as the original images have; "
            "take a fresh copy."
        )
    return image


def loaded(image: Any, where: str, kinds: tuple[str, ...] = ("JPEG", "PNG")) -> Any:
    """Decode the whole image; HarnessError where it is corrupt or not opaque."""
    try:
        image.load()
    except _DAMAGE as e:
        raise _unreadable(where, kinds, e) from e
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
        if lowest < 255:
            raise HarnessError(
                f"{where} has transparent pixels, wanted opaque ones, as the original images "
                "have; take a fresh copy."
            )
    return image


def pillow() -> Any:
    """Import Pillow's Image module; HarnessError where Pillow is missing."""
    try:
        from PIL import Image
    except ImportError as e:
        raise HarnessError(
            "Pillow is needed to read images; run `pip install 'metalearning-replications[data]'`."
        ) from e
    return Image


# Truncated or damaged files raise any of these.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
)


def _not_one_of(kinds: tuple[str, ...]) -> str:
    return f"neither {' nor '.join(kinds)}" if len(kinds) > 1 else f"no {kinds[0]}"


def _unreadable(where: str, kinds: tuple[str, ...], reason: object) -> HarnessError:
    what = kinds[0] if len(kinds) == 1 else "image"
    return HarnessError(f"{where} is not a readable {what} ({reason}); take a fresh copy.")
