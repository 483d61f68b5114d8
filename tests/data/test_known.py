"""What is said about images that are not the known copy."""

from __future__ import annotations

import dataclasses

import pytest

from harness.data.glyphs import make_glyphs
from harness.data.known import KNOWN, caveat, note
from harness.data.lake_runs import runs_of_glyphs
from harness.errors import HarnessError


@pytest.mark.parametrize("dataset", ["omniglot", "lake-runs", "cifar-fs", "fc100"])
def test_a_lossless_dataset_is_the_known_one_or_another(dataset):
    assert (note(dataset, KNOWN[dataset].digest), caveat(dataset, KNOWN[dataset].digest)) == (
        "",
        "",
    )
    assert note(dataset, "f" * 64).startswith(
        f"{dataset} with other pixels than the known copy (sh"
    )
    assert caveat(dataset, "f" * 64) == ""


def test_mini_imagenet_was_encoded_by_many_hands():
    known = KNOWN["mini-imagenet"]
    assert note("mini-imagenet", known.digest) == caveat("mini-imagenet", known.digest) == ""
    assert note("mini-imagenet", "f" * 64, known.names) == ""
    assert caveat("mini-imagenet", "f" * 64, known.names).startswith(
        "mini-imagenet in another copy"
    )
    assert "so perhaps other images" in note("mini-imagenet", "f" * 64, "e" * 64)
    assert caveat("mini-imagenet", "f" * 64, "e" * 64) == ""


def test_generated_images_are_no_copy_of_anything():
    store = make_glyphs(16)
    assert (store.data_note, store.data_caveat) == ("", "")
    runs = runs_of_glyphs(store)
    assert (runs.data_note, runs.data_caveat) == ("", "")
    assert dataclasses.replace(runs, source_digest="f" * 64).data_note.startswith("lake-runs with")


def test_pixels_that_changed_behind_a_digest_are_found():
    store = make_glyphs(16)
    store.check()
    with pytest.raises(HarnessError, match="the packed glyphs no longer fits its digest"):
        dataclasses.replace(store, images=0 * store.images).check()
