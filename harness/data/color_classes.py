"""The classes of mini-ImageNet, CIFAR-FS and FC100, and the set each is in, from two csv files.

- `mini_imagenet_classes.csv`: the split of Ravi and Larochelle (2017), 64 / 16 / 20 classes, from
  github.com/twitter/meta-learning-lstm (data/miniImagenet, MIT licence). Vinyals et al.
  (2016) had another one, which they never released.
- `cifar100_classes.csv`: the 100 fine classes of CIFAR-100 with their superclass. CIFAR-FS
  (Bertinetto et al. 2019), 64 / 16 / 20 classes at random, and FC100 (Oreshkin et al. 2018),
  60 / 20 / 20 classes by superclass, as in github.com/tristandeleu/pytorch-meta (MIT licence).
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

PARTS = ("train", "val", "test")
_FILES = {
    "mini-imagenet": ("mini_imagenet_classes.csv", "split"),
    "cifar-fs": ("cifar100_classes.csv", "cifar_fs"),
    "fc100": ("cifar100_classes.csv", "fc100"),
}


@dataclass(frozen=True)
class ColorClass:
    """One class: `name` is its folder's (a WordNet id or a CIFAR-100 fine class)."""

    name: str
    part: str
    """'train', 'val' or 'test'."""


@functools.cache
def color_classes(dataset: str) -> tuple[ColorClass, ...]:
    """Return the 100 classes of `dataset` (mini-imagenet, cifar-fs or fc100) sorted by name."""
    file, column = _FILES[dataset]
    text = resources.files("harness.data").joinpath(file).read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(sorted((ColorClass(r["class"], r[column]) for r in rows), key=lambda c: c.name))
