"""One store in one safetensors file: written whole or not at all, checked when read.

Two processes may build the same file at once: each writes under its own temporary name and
renames, so that a reader sees a whole file, and both files say the same.

The file is mapped, not read: opening takes milliseconds whatever its size. Its digest is checked
when the file is met for the first time; size and time of change are then noted beside it
(`<name>.checked`), and while they stay the same the digest is not taken again. `harness data
verify` takes it in any case.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.paths import cache_folder
from harness.data.store import ChannelStatistics, ImageStore, store_digest

FORMAT = "2"


def cache_file(dataset: str, image_size: int, resize_filter: str) -> Path:
    """Give the path of a packed store in the cache."""
    name = f"{dataset}-{image_size}-{resize_filter}-v{FORMAT}.safetensors"
    return cache_folder() / "stores" / name


def load_or_build(path: Path, build: Callable[[], ImageStore]) -> ImageStore:
    """Give the store at `path`, or build it and keep it there.

    Raises HarnessError where `build` does; a cache that cannot be written is told on stderr.
    """
    store = read_store(path)
    if store is not None:
        return store
    store = build()
    try:
        save_store(store, path)
    except OSError as e:
        # A read-only cache costs time at the next start; it is no reason to stop a run.
        print(f"harness: cannot keep {path} ({e.strerror}); going on.", file=sys.stderr)
        return store
    return read_store(path) or store  # the mapped file: the memory of the built one is free again


def save_store(store: ImageStore, path: Path) -> None:
    """Write `store` to `path` (temporary name, sync, rename). Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are for one user only, and a cache may be shared by several.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as f:
            for piece in _pieces(store):
                f.write(piece)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _pieces(store: ImageStore) -> Iterator[bytes | memoryview]:
    """Give the bytes of a safetensors file: length of the header, header, arrays.

    Written by hand because the library's writers hold a second copy of the images in memory.
    """
    arrays = {"images": store.images, "part": store.part}
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "dataset": store.dataset,
            "class_names": json.dumps(store.class_names),
            "source_digest": store.source_digest,
            "train_statistics": json.dumps(
                store.train_statistics and asdict(store.train_statistics)
            ),
            "digest": store.digest,
        }
    }
    first = 0
    for name, array in arrays.items():
        offsets = [first, first + array.size]
        header[name] = {"dtype": "U8", "shape": array.shape, "data_offsets": offsets}
        first += array.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for array in arrays.values():
        yield np.ascontiguousarray(array, np.uint8).data


def read_store(path: Path) -> ImageStore | None:
    """Map and check the store at `path`; None where there is none.

    A file that is broken is set aside as `<name>.broken`, with a message on stderr, and None is
    given, so that the caller builds it again.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        return None
    except PermissionError as e:
        print(f"harness: {path} cannot be read ({e}); building it again.", file=sys.stderr)
        return None
    except Exception as e:  # whatever a broken file makes safetensors or json raise
        aside = path.with_name(path.name + ".broken")
        try:
            os.replace(path, aside)
        except OSError:
            aside = path  # another process set it aside first, or the folder is read-only
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        print(f"harness: {path} is broken ({reason}); kept as {aside.name}.", file=sys.stderr)
        return None


def _read(path: Path) -> ImageStore:
    from safetensors import safe_open

    with path.open("rb") as f:  # for the plain OSErrors, and before the file is mapped
        stat = os.fstat(f.fileno())
    with safe_open(path, framework="pt") as f:  # torch's tensors lie in the mapped file
        said = f.metadata() or {}
        if said.get("format") != FORMAT:
            raise ValueError(f"format {said.get('format')!r}, wanted {FORMAT!r}")
        images, part = f.get_tensor("images").numpy(), f.get_tensor("part").numpy()
    names = tuple(json.loads(said["class_names"]))
    statistics = json.loads(said["train_statistics"])
    stamp = path.with_name(path.name + ".checked")
    met = json.dumps([said["digest"], stat.st_size, stat.st_mtime_ns])
    if not _says(stamp, met):
        if store_digest(images, names, part) != said["digest"]:
            raise ValueError("its digest does not match its content")
        with suppress(OSError):  # a read-only cache: the digest is taken every time
            stamp.write_text(met, "utf-8")
    return ImageStore(
        dataset=said["dataset"],
        images=images,
        class_names=names,
        part=part,
        source_digest=said["source_digest"],
        synthetic=False,
        train_statistics=statistics
        and ChannelStatistics(tuple(statistics["mean"]), tuple(statistics["sd"])),
        digest=said["digest"],
    )


def _says(stamp: Path, text: str) -> bool:
    try:
        return stamp.read_text("utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
