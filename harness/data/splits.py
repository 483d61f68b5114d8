"""Class splits: which classes are for training, validation and test.

In colour, each dataset has one split, which is part of its name (`dataset_split`). Omniglot has
several, by name (`class_split`):

- `random-1200-423`, `random-1100-100-423`, `random-1150-50-423`: train-(val-)test counts of a
  random shuffle. The authors' own shuffles start from the order in which `os.listdir` gave the
  folders on their machine, so they cannot be redone; ours is a numpy shuffle from
  `SeedSequence(split_seed)`. For one seed, all three have the same test classes.
- `vinyals-1028-172-423`: the fixed split of Vinyals et al. (2016), whose 1,200 training classes
  are parted in 1028 + 172 (see `omniglot_classes.py`).
- `alphabet-background-evaluation`: the background alphabets of Lake et al. (2015) for training
  (964 classes), the evaluation alphabets for test (659).

`split_seed` changes only the random ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from harness.data.omniglot_classes import omniglot_classes
from harness.data.store import ImageStore
from harness.errors import HarnessError, closest
from harness.shown import shown

ClassSplitName = Literal[
    "random-1200-423",
    "random-1100-100-423",
    "random-1150-50-423",
    "vinyals-1028-172-423",
    "alphabet-background-evaluation",
]
CLASS_SPLITS: tuple[str, ...] = get_args(ClassSplitName)
_COUNTS = {
    "random-1200-423": (1200, 0, 423),
    "random-1100-100-423": (1100, 100, 423),
    "random-1150-50-423": (1150, 50, 423),
    "vinyals-1028-172-423": (1028, 172, 423),
}


@dataclass(frozen=True, eq=False)
class ClassSplit:
    """Class indices into a store, int64, sorted; `val` is empty where a split has none."""

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray

    def __post_init__(self) -> None:
        every = np.concatenate([self.train, self.val, self.test])
        if len(np.unique(every)) != len(every):
            raise HarnessError(f"class split {self.name}: a class is in two of train, val, test.")

    @property
    def trainval(self) -> np.ndarray:
        """Return the classes of train and val together, sorted."""
        return np.sort(np.concatenate([self.train, self.val]))

    def classes(self, split: str) -> np.ndarray:
        """Return the class indices of 'train', 'val', 'trainval' or 'test'."""
        indices: np.ndarray = getattr(self, split)
        return indices


def class_split(name: str, store: ImageStore, split_seed: int) -> ClassSplit:
    """Return the split called `name` of the classes of `store`, Omniglot or glyphs.

    Generated glyphs are parted under the same names in about the same proportions, with at least
    20 validation classes where the split has any. Raises HarnessError for an unknown name.
    """
    if name not in CLASS_SPLITS:
        raise HarnessError(
            f"found class split {shown(name)}{closest(name, CLASS_SPLITS)}; "
            f"wanted one of {', '.join(CLASS_SPLITS)}."
        )
    everything = np.arange(len(store.class_names))
    if name == "alphabet-background-evaluation":
        none = everything[:0]
        return ClassSplit(name, everything[store.part == 1], none, everything[store.part == 0])
    if name.startswith("random"):
        rng = np.random.default_rng(np.random.SeedSequence(split_seed))
        return _cut(name, rng.permutation(everything), store)
    if store.synthetic:
        return _cut(name, everything, store)
    where = np.array([c.vinyals for c in omniglot_classes()])
    return ClassSplit(name, *(everything[where == s] for s in ("train", "val", "test")))


def dataset_split(store: ImageStore) -> ClassSplit:
    """Return the one split that a colour dataset has."""
    return ClassSplit(store.dataset, *(np.flatnonzero(store.part == p) for p in range(3)))


def _cut(name: str, order: np.ndarray, store: ImageStore) -> ClassSplit:
    """Take test classes from the end of `order` and val classes before them."""
    _, val, test = _COUNTS[name]
    if store.synthetic:
        total = len(omniglot_classes())
        val = max(20, round(val * len(order) / total)) if val else 0
        test = round(test * len(order) / total)
    train = len(order) - val - test
    parts = np.split(order, [train, train + val])
    return ClassSplit(name, *(np.sort(p) for p in parts))
