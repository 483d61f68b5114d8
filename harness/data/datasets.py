"""Image datasets by name. One store is shared by everything in the process that asks for it."""

from __future__ import annotations

import functools

from harness.data.decode import RESIZE_FILTERS
from harness.data.store import ImageStore
from harness.errors import HarnessError, closest

DATASETS = {
    "omniglot": "1,623 handwritten characters, 20 drawings each (Lake et al. 2015)",
    "glyphs": "160 generated classes, 20 drawings each; for tests, never for a verdict",
}


@functools.lru_cache(maxsize=4)
def load_store(dataset: str, image_size: int, resize_filter: str) -> ImageStore:
    """Give the packed store of `dataset` at `image_size` pixels a side.

    Raises HarnessError for an unknown name, size or filter, and where the images are not found or
    broken. Glyphs are drawn at the size asked for, so their filter changes nothing.
    """
    if dataset not in DATASETS:
        raise HarnessError(
            f"found dataset {dataset!r}{closest(dataset, DATASETS)}; "
            f"wanted one of {', '.join(DATASETS)}."
        )
    if resize_filter not in RESIZE_FILTERS:
        raise HarnessError(
            f"found resize filter {resize_filter!r}{closest(resize_filter, RESIZE_FILTERS)}; "
            f"wanted one of {', '.join(RESIZE_FILTERS)}."
        )
    if not 8 <= image_size <= 105:
        raise HarnessError(f"found image size {image_size}, wanted 8 to 105 pixels.")
    if dataset == "glyphs":
        from harness.data.glyphs import make_glyphs

        return make_glyphs(image_size)
    from harness.data.omniglot import load_omniglot

    return load_omniglot(image_size, resize_filter)
