from __future__ import annotations

import dataclasses
import re

import pytest

from harness.data.duplicates import equal_images, shared
from harness.data.glyphs import make_glyphs
from harness.data.known import KNOWN, Known
from harness.data.omniglot import load_omniglot
from harness.data.splits import class_split
from harness.data.verify_omniglot import check_source, facts
from harness.errors import HarnessError


def test_facts_of_glyphs():
    text = "\n".join(facts(make_glyphs(28), 0))
    assert "160 classes, 20 images each, 28 x 28 pixels" in text
    assert "vinyals-1028-172-423: train 98, val 20, trainval 118, test 42; 0 test images" in text
    assert make_glyphs(28).digest in text


def test_duplicates_across_splits_are_found():
    store = make_glyphs(28)
    split = class_split("random-1100-100-423", store, 0)
    images = store.images.copy()
    train, test, other = split.train[0], split.test[0], split.test[1]
    images[test, 3] = images[train, 7]
    images[test, 4] = images[test, 5]  # within a class: no leak
    images[test, 6] = images[other, 6]  # both in test: no leak
    groups = equal_images(dataclasses.replace(store, images=images, digest=""))
    assert sorted(sorted(g.classes.tolist()) for g in groups) == sorted(
        [sorted([train, test]), [test, test], sorted([test, other])]
    )
    assert shared(groups, split) == 1


def test_other_pixels_than_the_known_ones_are_refused(make_zips, monkeypatch):
    make_zips()
    store = load_omniglot(28, "box")
    with pytest.raises(
        HarnessError, match="found other pixels than those of the known copy"
    ) as caught:
        list(check_source(store, "box"))
    match = re.search(r"sha256 (\w{12}), wanted", str(caught.value))
    assert match
    digest = store.source_digest
    assert digest.startswith(match[1])
    monkeypatch.setitem(KNOWN, "omniglot", Known(digest))
    lines = list(check_source(store, "box"))
    assert lines[0].endswith(f"the known drawings, sha256 {digest}")
    assert lines[1].startswith("found no all_runs.zip")
    other = dataclasses.replace(store, images=255 - store.images, digest="")
    with pytest.raises(HarnessError, match="the packed omniglot holds other images than"):
        list(check_source(other, "box"))
