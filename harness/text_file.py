"""Text files that people write: UTF-8, with the mark that some editors put first or without."""

from __future__ import annotations

import codecs
from pathlib import Path

from harness.errors import HarnessError
from harness.plain_file import read_plain

MOST_BYTES = 64 << 20  # of one file; the longest ones here have less than one MiB


def read_text(path: Path, wanted: str) -> str:
    """Return the text of `path`; `wanted` names what it should be, as in `a readable record`.

    HarnessError for a file that cannot be read, for what is no file (a pipe would be waited for),
    for one that is larger than `MOST_BYTES`, or that is not UTF-8.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise HarnessError(f"{path}: not {wanted}: found {size} bytes, at most {MOST_BYTES}.")
        data = read_plain(path)
    except (FileNotFoundError, IsADirectoryError):
        raise HarnessError(f"{path}: not {wanted}: found no file there.") from None
    except OSError as e:
        raise HarnessError(f"{path}: not {wanted}: {e.strerror or e}.") from None
    return decoded(data, str(path))


def decoded(data: bytes, where: str) -> str:
    """Return UTF-8 `data` as text, without a mark at its start; `where` names it in messages."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise HarnessError(f"{where}: found UTF-16, wanted UTF-8; save it as UTF-8 in your editor.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise HarnessError(
            f"{where}:{line}: found the byte 0x{data[e.start]:02x}, which is not UTF-8; save the "
            f"file as UTF-8 in your editor."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise HarnessError(f"{where}:{line}: found a NUL character, wanted text in UTF-8.")
    return text
