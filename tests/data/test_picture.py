"""What an image says of itself is looked at before anything is allocated."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest

from harness.data.decode_color import decode_color
from harness.data.omniglot_decode import decode
from harness.errors import HarnessError

Image = pytest.importorskip("PIL.Image")


def written(image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def declared(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of few bytes that says what it likes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000, 2**31 - 1])
def test_absurd_sizes_are_one_sentence(side):
    words = rf"^x says that it is {side:,} x {side:,} pixels, wanted 50,000,000 at most"
    with pytest.raises(HarnessError, match=words):
        decode(declared(side, side, colour=0), 105, "x")
    with pytest.raises(HarnessError, match=words):
        decode_color(declared(side, side), "x")


def test_a_large_jpeg_too():
    content = bytearray(written(Image.new("L", (16, 16)), "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(HarnessError, match="x says that it is 60,000 x 60,000 pixels"):
        decode_color(bytes(content), "x")


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_sixteen_bits_a_channel_are_refused(colour):
    content = declared(105, 105, depth=16, colour=colour)
    words = r"^x has 16 bits a channel, wanted 8"
    with pytest.raises(HarnessError, match=words):
        decode(content, 105, "x")
    with pytest.raises(HarnessError, match=words):
        decode_color(content, "x")


def test_a_grey_of_sixteen_bits_does_not_pack_as_white():
    grey = written(Image.fromarray(np.full((105, 105), 30_000, np.uint16)))
    with pytest.raises(HarnessError, match="has 16 bits a channel"):
        decode(grey, 105, "x")


def test_fewer_bits_and_palettes_are_read():
    grey = Image.fromarray(np.tile(np.uint8([0, 255]), (105, 53))[:, :105])
    wanted = np.asarray(grey)
    for image in (grey, grey.convert("1"), grey.convert("P"), grey.convert("RGB")):
        np.testing.assert_array_equal(
            np.asarray(decode(written(image), 105, "x").convert("L")), wanted
        )
    four = written(grey.convert("P", palette=Image.Palette.ADAPTIVE, colors=4), bits=2)
    np.testing.assert_array_equal(np.asarray(decode(four, 105, "x").convert("L")), wanted)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_is_refused(mode):
    opaque = Image.new("L", (105, 105), 7).convert(mode)
    assert np.unique(np.asarray(decode(written(opaque), 105, "x"))).tolist() == [7]
    opaque.putalpha(Image.new("L", (105, 105), 254))
    for read in (lambda c: decode(c, 105, "x"), lambda c: decode_color(c, "x")):
        with pytest.raises(HarnessError, match=r"^x has transparent pixels, wanted opaque"):
            read(written(opaque))


@pytest.mark.parametrize("cut", [8, 12, 16, 20, 25, 30, 33])
def test_a_head_that_is_cut_off(cut):
    with pytest.raises(HarnessError, match=r"^x is not a readable image"):
        decode_color(declared(9, 9)[:cut], "x")
