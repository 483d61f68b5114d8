from __future__ import annotations

import os

import numpy as np
import pytest

from harness.data.datasets import load_store
from harness.data.glyphs import make_glyphs
from harness.data.lake_runs import RUN_DRAWERS, read_lake_runs
from replications.siamese.verification_split import verification_split


def test_glyphs_are_parted_by_alphabet_and_by_drawer() -> None:
    store = make_glyphs(16)
    parts = verification_split(store)
    assert {name: len(p.names) for name, p in parts.items()} == {"train": 4, "val": 1, "test": 3}
    assert not {*parts["train"].names} & {*parts["val"].names, *parts["test"].names}
    drawers = [set(p.drawers.ravel().tolist()) for p in parts.values()]
    assert [len(d) for d in drawers] == [12, 4, 4]
    assert set.union(*drawers) == set(range(20))
    for part in parts.values():
        for name, first, count in zip(part.names, part.first, part.characters, strict=True):
            own = [i for i, c in enumerate(store.class_names) if c.split("/")[0] == name]
            assert own == list(range(first, first + count))


@pytest.mark.omniglot
@pytest.mark.skipif(not os.environ.get("HARNESS_DATA"), reason="HARNESS_DATA is not set")
def test_alphabets_and_drawers_of_lakes_runs_are_those_of_the_test_part() -> None:
    """A drawing of a run is looked for among all drawings, at the size that other tests use."""
    store = load_store("omniglot", 28, "nearest")
    runs = read_lake_runs(28, "nearest")
    parts = verification_split(store)
    assert [len(p.names) for p in parts.values()] == [30, 10, 10]
    assert [p.drawers.shape[1] for p in parts.values()] == [12, 4, 4]
    background = {n.split("/")[0] for n, p in zip(store.class_names, store.part, strict=True) if p}
    assert set(parts["train"].names) == background
    evaluation = np.flatnonzero(store.part == 0)
    rows = np.packbits(store.images[evaluation] > 127, axis=-1).reshape(len(evaluation) * 20, -1)
    where = {row.tobytes(): divmod(i, 20) for i, row in enumerate(rows)}
    drawers_of: dict[str, set[int]] = {}
    for drawings in (runs.support, runs.query):
        packed = np.packbits(drawings > 127, axis=-1).reshape(400, -1)
        for one in packed:
            place, drawer = where[one.tobytes()]
            alphabet = store.class_names[evaluation[place]].split("/")[0]
            drawers_of.setdefault(alphabet, set()).add(drawer)
    assert drawers_of == {name: set(drawers) for name, drawers in RUN_DRAWERS.items()}
    assert set(parts["test"].names) == set(drawers_of)
    for name, drawers in zip(parts["test"].names, parts["test"].drawers, strict=True):
        assert set(drawers.tolist()) == drawers_of[name]
