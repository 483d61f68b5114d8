"""One store in one safetensors file: written whole or not at all, checked when read.

Two processes may build the same file at once: each writes under its own temporary name and
renames, so that a reader sees a whole file, and both files say the same.

The file is mapped, not read: opening takes milliseconds whatever its size. Its digest is checked
when the file is met for the first time; its size, times and inode are then noted beside it
(`<name>.checked`), and while they stay the same the digest is not taken again. `harness data
verify` and every run take it in any case.

The file says from which files it was packed, and their stamp. Where the files at hand have another
stamp it is packed anew, so that new files are not passed over for an old pack.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.entries import is_plain
from harness.data.paths import cache_folder
from harness.data.stamp import Located
from harness.data.store import ChannelStatistics, ImageStore, store_digest
from harness.errors import DataNotAtHand, HarnessError

FORMAT = "3"
SUFFIX = ".safetensors"
AtHand = tuple[Located, Callable[[], ImageStore]]
"""Files of a dataset, and what builds a store of them."""


def cache_file(dataset: str, image_size: int, resize_filter: str) -> Path:
    """Return the path of a packed store in the cache."""
    name = f"{dataset}-{image_size}-{resize_filter}-v{FORMAT}{SUFFIX}"
    return cache_folder() / "stores" / name


def load_or_build(path: Path, at_hand: Callable[[], AtHand]) -> ImageStore:
    """Return the store at `path`, or build it and keep it there.

    `at_hand` finds the files. If they are not those that the store was made from, it is built
    again; if they are gone or broken, the store is used, and a line on stderr says so. Raises
    HarnessError where there is no store and no way to build it; a cache that cannot be written is
    told on stderr.
    """
    store = read_store(path)
    try:
        files, build = at_hand()
        stamp = files.stamp()
        if store is not None:
            if stamp == store.source_stamp:
                return store
            _tell(f"{files.where} changed since {path.name} was packed; packing it anew.")
        built = replace(build(), made_of=files.where, source_stamp=stamp)
    except HarnessError as e:
        if store is None:
            raise
        why = "" if isinstance(e, DataNotAtHand) else f"{str(e).rstrip('.')}; "
        _tell(f"{why}going on with the {store.dataset} packed earlier from {store.made_of}.")
        return store
    try:
        save_store(built, path)
    except OSError as e:
        # A read-only cache costs time at the next start; it is no reason to stop a run.
        _tell(f"cannot keep {path} ({e.strerror}); going on.")
        return built
    return read_store(path) or built  # the mapped file: the memory of the built one is free again


def _tell(line: str) -> None:
    print(f"harness: {line}", file=sys.stderr)


def packed_from(path: Path) -> str:
    """Return, for a list, what the store at `path` was packed from, without reading the images."""
    from safetensors import SafetensorError, safe_open

    try:
        if not is_plain(path):
            return ", no plain file"
        with safe_open(path, framework="np") as f:
            said = f.metadata() or {}
    except (OSError, HarnessError, SafetensorError):
        return ", which cannot be read"
    if said.get("format") != FORMAT:
        return ", in an older format: not used any more, it may be deleted"
    return f" from {said.get('made_of')}"


def save_store(store: ImageStore, path: Path) -> None:
    """Write `store` to `path` (temporary name, sync, rename). Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are for one user only, and a cache may be shared by several.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as f:
            for piece in _pieces(store, path.name):
                f.write(piece)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _pieces(store: ImageStore, name: str) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a safetensors file: length of the header, header, arrays.

    Written by hand because the library's writers hold a second copy of the images in memory.
    """
    arrays = {"images": store.images, "part": store.part}
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "name": name,
            "dataset": store.dataset,
            "class_names": json.dumps(store.class_names),
            "source_digest": store.source_digest,
            "names_digest": store.names_digest,
            "made_of": store.made_of,
            "source_stamp": store.source_stamp,
            "train_statistics": json.dumps(
                store.train_statistics and asdict(store.train_statistics)
            ),
            "digest": store.digest,
        }
    }
    first = 0
    for key, array in arrays.items():
        offsets = [first, first + array.size]
        header[key] = {"dtype": "U8", "shape": array.shape, "data_offsets": offsets}
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
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as e:
        _tell(f"{path} cannot be read ({e.strerror}); building it again.")
        return None
    except Exception as e:  # whatever a broken file makes safetensors or json raise
        aside = path.with_name(path.name + ".broken")
        try:
            os.replace(path, aside)
        except OSError:
            aside = path  # another process set it aside first, or the folder is read-only
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        _tell(f"{path} is broken ({reason}); kept as {aside.name}.")
        return None


def _read(path: Path) -> ImageStore:
    from safetensors import safe_open

    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for without end
        raise ValueError("not a plain file")
    with path.open("rb") as f:  # for the plain OSErrors, and before the file is mapped
        s = os.fstat(f.fileno())
    with safe_open(path, framework="pt") as f:  # torch's tensors lie in the mapped file
        said = f.metadata() or {}
        if said.get("format") != FORMAT:
            raise ValueError(f"format {said.get('format')!r}, wanted {FORMAT!r}")
        if said["name"] != path.name:
            raise ValueError(f"it was packed as {said['name']}")
        images, part = f.get_tensor("images").numpy(), f.get_tensor("part").numpy()
    names = tuple(json.loads(said["class_names"]))
    statistics = json.loads(said["train_statistics"])
    stamp = path.with_name(path.name + ".checked")
    # The time of change of the inode cannot be set back as that of the content can.
    met = json.dumps([said["digest"], s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino])
    if not _says(stamp, met):
        if store_digest(images, names, part) != said["digest"]:
            raise ValueError("its digest does not match its content")
        with suppress(OSError):  # a read-only cache: the digest is taken every time
            if is_plain(stamp) or not stamp.exists():
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
        names_digest=said["names_digest"],
        made_of=said["made_of"],
        source_stamp=said["source_stamp"],
    )


def _says(stamp: Path, text: str) -> bool:
    try:
        return is_plain(stamp) and stamp.read_text("utf-8") == text
    except (OSError, HarnessError, UnicodeDecodeError):
        return False
