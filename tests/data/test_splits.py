from __future__ import annotations

import numpy as np
import pytest

from harness.data.datasets import load_store
from harness.data.omniglot_classes import omniglot_classes
from harness.data.splits import CLASS_SPLITS, ClassSplit, class_split
from harness.data.store import ImageStore
from harness.errors import HarnessError

COUNTS = {
    "random-1200-423": (1200, 0, 423),
    "random-1100-100-423": (1100, 100, 423),
    "random-1150-50-423": (1150, 50, 423),
    "vinyals-1028-172-423": (1028, 172, 423),
    "alphabet-background-evaluation": (964, 0, 659),
}


@pytest.fixture
def names_only():
    """Omniglot's class names with one-pixel images."""
    classes = omniglot_classes()
    return ImageStore(
        "omniglot",
        np.zeros((1623, 20, 1, 1), np.uint8),
        tuple(c.name for c in classes),
        np.array([c.background for c in classes], np.uint8),
        "",
        synthetic=False,
    )


def test_class_list():
    classes = omniglot_classes()
    assert len({c.name for c in classes}) == 1623
    assert sum(c.background for c in classes) == 964
    assert len({c.alphabet for c in classes}) == 50
    assert len({c.alphabet for c in classes if c.background}) == 30


@pytest.mark.parametrize("name", CLASS_SPLITS)
@pytest.mark.parametrize("seed", [0, 1])
def test_counts_and_disjoint(names_only, name, seed):
    for store in (names_only, load_store("glyphs", 28, "nearest")):
        split = class_split(name, store, seed)
        sets = [set(s.tolist()) for s in (split.train, split.val, split.test)]
        assert len(set.union(*sets)) == sum(map(len, sets)) == len(store.class_names)
        assert set(split.trainval.tolist()) == sets[0] | sets[1]
        assert bool(sets[1]) == bool(COUNTS[name][1])
        if store is names_only:
            assert tuple(map(len, sets)) == COUNTS[name]


def test_random_splits_follow_the_seed_and_share_the_test_classes(names_only):
    test = [class_split(n, names_only, 3).test for n in CLASS_SPLITS if n.startswith("random")]
    assert all((t == test[0]).all() for t in test)
    assert (class_split("random-1200-423", names_only, 3).test == test[0]).all()
    assert (class_split("random-1200-423", names_only, 4).test != test[0]).any()


def test_fixed_splits_do_not_follow_the_seed(names_only):
    for name in ("vinyals-1028-172-423", "alphabet-background-evaluation"):
        a, b = (class_split(name, names_only, seed) for seed in (0, 1))
        assert (a.train == b.train).all()
        assert (a.test == b.test).all()


def test_vinyals_sets_are_whole_alphabets_but_one(names_only):
    split = class_split("vinyals-1028-172-423", names_only, 0)
    alphabets = [
        {names_only.class_names[i].split("/")[0] for i in s}
        for s in (split.train, split.val, split.test)
    ]
    assert [len(a) for a in alphabets] == [33, 5, 13]
    assert set.union(*alphabets) == {c.alphabet for c in omniglot_classes()}
    # 51 = 50 + 1: Gurmukhi stands in two of the sets, and the test classes of it are not trained.
    assert alphabets[0] & alphabets[2] | alphabets[0] & alphabets[1] == {"Gurmukhi"}


def test_errors():
    store = load_store("glyphs", 28, "nearest")
    with pytest.raises(HarnessError, match="did you mean 'random-1200-423'"):
        class_split("random-1200", store, 0)
    with pytest.raises(HarnessError, match="in two of"):
        ClassSplit("x", np.array([1, 2]), np.array([], int), np.array([2]))
