"""Image datasets by name. One store is shared by everything in the process that asks for it."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from harness.data.decode_color import COLOR_RESIZE_FILTERS
from harness.data.omniglot_decode import RESIZE_FILTERS
from harness.data.once import Once
from harness.data.store import ImageStore
from harness.errors import HarnessError, closest
from harness.shown import shown


@dataclass(frozen=True)
class Dataset:
    """What a dataset is, and the sizes and filters it comes in."""

    title: str
    image_size: int
    """Pixels a side in most papers; `harness data verify` looks at this size by default."""
    resize_filter: str
    color: bool
    largest: int
    """The most pixels a side."""

    @property
    def resize_filters(self) -> tuple[str, ...]:
        """Return the resize filters that can be asked for."""
        return COLOR_RESIZE_FILTERS if self.color else RESIZE_FILTERS


DATASETS = {
    "omniglot": Dataset(
        "1,623 handwritten characters, 20 drawings each (Lake et al. 2015)",
        image_size=28,
        resize_filter="nearest",
        color=False,
        largest=105,
    ),
    "mini-imagenet": Dataset(
        "100 ImageNet classes, 600 images each, 64/16/20 (Ravi and Larochelle 2017)",
        image_size=84,
        resize_filter="lanczos",
        color=True,
        largest=224,
    ),
    "cifar-fs": Dataset(
        "CIFAR-100, 600 images a class, 64/16/20 at random (Bertinetto et al. 2019)",
        image_size=32,
        resize_filter="none",
        color=True,
        largest=32,
    ),
    "fc100": Dataset(
        "CIFAR-100, 600 images a class, 60/20/20 by superclass (Oreshkin et al. 2018)",
        image_size=32,
        resize_filter="none",
        color=True,
        largest=32,
    ),
    "glyphs": Dataset(
        "160 generated classes, 20 drawings each; for tests, never for a verdict",
        image_size=28,
        resize_filter="nearest",
        color=False,
        largest=105,
    ),
    "textures": Dataset(
        "100 generated colour classes, 40 images each; for tests, never for a verdict",
        image_size=32,
        resize_filter="none",
        color=True,
        largest=224,
    ),
}
GENERATED = ("glyphs", "textures")


def known_dataset(name: str) -> Dataset:
    """Return the dataset called `name`; HarnessError for an unknown one."""
    if name not in DATASETS:
        raise HarnessError(
            f"found dataset {shown(name)}{closest(name, DATASETS)}; wanted one of "
            f"{', '.join(DATASETS)}."
        )
    return DATASETS[name]


def check_size(kind: Dataset, image_size: int) -> None:
    """Refuse a size that images of this kind do not come in."""
    if not 8 <= image_size <= kind.largest:
        raise HarnessError(f"found image size {image_size}, wanted 8 to {kind.largest} pixels.")


@Once
def load_store(dataset: str, image_size: int, resize_filter: str) -> ImageStore:
    """Return the packed store of `dataset` at `image_size` pixels a side.

    Images that are not the known ones of the dataset are used, with a warning on stderr. Raises
    HarnessError as `unwarned_store` does.
    """
    store = unwarned_store(dataset, image_size, resize_filter)
    if store.data_note:
        warn_of_other_data(store.data_note, store.made_of)
    return store


def unwarned_store(dataset: str, image_size: int, resize_filter: str) -> ImageStore:
    """Return the packed store without a warning, for callers that report what was found.

    Raises HarnessError for an unknown name, size or filter, and where the images are not found or
    broken. Generated images are drawn at the size asked for, so their filter changes nothing.
    """
    kind = known_dataset(dataset)
    if resize_filter not in kind.resize_filters:
        raise HarnessError(
            f"found resize filter {shown(resize_filter)}"
            f"{closest(resize_filter, kind.resize_filters)}; "
            f"wanted one of {', '.join(kind.resize_filters)}."
        )
    check_size(kind, image_size)
    return _load(dataset, image_size, resize_filter)


def warn_of_other_data(note: str, where: str) -> None:
    """Say on stderr that data are not the known ones, so that nobody is surprised by a table."""
    print(
        f"harness: warning: {note}, in {where}: what is measured on it is not comparable with the "
        "papers; take a fresh copy.",
        file=sys.stderr,
    )


def _load(dataset: str, image_size: int, resize_filter: str) -> ImageStore:
    if dataset == "glyphs":
        from harness.data.glyphs import make_glyphs

        return make_glyphs(image_size)
    if dataset == "textures":
        from harness.data.textures import make_textures

        return make_textures(image_size)
    if dataset == "omniglot":
        from harness.data.omniglot import load_omniglot

        return load_omniglot(image_size, resize_filter)
    from harness.data.color_store import load_color

    return load_color(dataset, image_size, resize_filter)
