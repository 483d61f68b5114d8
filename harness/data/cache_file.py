"""One store in one safetensors file: written whole or not at all, checked when read.

Two processes may build the same file at once: each writes under its own temporary name and
renames, so that a reader sees a whole file, and both files say the same.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

import numpy as np

from harness.data.store import ImageStore, store_digest

FORMAT = "1"


def save_store(store: ImageStore, path: Path) -> None:
    """Write `store` to `path` (temporary name, sync, rename). Raises OSError."""
    from safetensors.numpy import save

    content = save(
        {"images": store.images, "background": store.background.astype(np.uint8)},
        metadata={
            "format": FORMAT,
            "dataset": store.dataset,
            "class_names": json.dumps(store.class_names),
            "source_digest": store.source_digest,
            "digest": store.digest,
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are for one user only, and a cache may be shared by several.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_store(path: Path) -> ImageStore | None:
    """Read and check the store at `path`; None where there is none.

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

    path.open("rb").close()  # for the plain OSErrors
    with safe_open(path, framework="numpy") as f:
        said = f.metadata() or {}
        images, background = f.get_tensor("images"), f.get_tensor("background").astype(bool)
    if said.get("format") != FORMAT:
        raise ValueError(f"format {said.get('format')!r}, wanted {FORMAT!r}")
    names = tuple(json.loads(said["class_names"]))
    digest = store_digest(images, names, background)
    if digest != said["digest"]:
        raise ValueError("its digest does not match its content")
    return ImageStore(
        dataset=said["dataset"],
        images=images,
        class_names=names,
        background=background,
        source_digest=said["source_digest"],
        synthetic=False,
        digest=digest,
    )
