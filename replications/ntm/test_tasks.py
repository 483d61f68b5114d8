from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.errors import HarnessError
from replications.ntm.tasks import CopyBatch, CopySequences, CopySequenceSettings


def source(**changed: Any) -> CopySequences:
    settings = {"bits": 3, "shortest": 1, "longest": 4, "longest_at_test": 9} | changed
    return CopySequences(CopySequenceSettings(**settings), 1, 2, torch.device("cpu"))


def test_lengths_and_bits_are_uniform() -> None:
    batch = source().batch("train", 0, 4000)
    counts = batch.lengths.bincount(minlength=5)
    assert counts[0] == 0
    assert ((counts[1:] - 1000).abs() < 120).all()  # four standard deviations
    assert set(batch.vectors.unique().tolist()) == {0.0, 1.0}
    assert float(batch.vectors.mean()) == pytest.approx(0.5, abs=0.01)


def test_a_task_depends_on_nothing_but_its_index() -> None:
    tasks = source()
    batch = tasks.batch("train", 250, 20)
    later = source().batch("train", 260, 3)
    assert torch.equal(later.vectors, batch.vectors[10:13])
    assert torch.equal(later.lengths, batch.lengths[10:13])
    # Bits have a stream of their own: other lengths are tried on the same ones.
    other = source(shortest=4).batch("train", 250, 20)
    assert torch.equal(other.vectors, batch.vectors)
    assert (other.lengths == 4).all()


def test_tasks_of_the_test_have_vectors_for_longer_sequences() -> None:
    tasks = source()
    assert tasks.batch("train", 0, 2).vectors.shape == (2, 4, 3)
    validation = tasks.batch("val", 0, 50)
    assert validation.vectors.shape == (50, 9, 3)
    assert int(validation.lengths.max()) == 4
    assert (validation.prefix(9).lengths == 9).all()
    assert torch.equal(validation.prefix(6).targets(), validation.vectors[:, :6])


def test_what_is_shown_and_what_is_asked() -> None:
    vectors = torch.tensor([[[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]]).expand(2, -1, -1)
    batch = CopyBatch(vectors, torch.tensor([2, 1]))
    nothing = [0.0, 0.0, 0.0]
    assert batch.inputs().tolist() == [
        [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], nothing, nothing],
        [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], nothing, nothing, nothing],
    ]
    assert batch.targets().tolist() == [[[1.0, 1.0], [0.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]]]
    assert batch.asked().tolist() == [[1.0, 1.0], [1.0, 0.0]]
    steps = torch.arange(5).expand(2, -1)
    assert (batch.answers(steps) * batch.asked()).tolist() == [[3.0, 4.0], [2.0, 0.0]]


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("longest", 2, 3), ("longest_at_test", 3, 4)],
)
def test_impossible_counts_are_refused(name: str, value: int, least: int) -> None:
    wanted = f"tasks.{name}: found {value}, wanted at least {least}"
    with pytest.raises(HarnessError, match=wanted):
        source(**({"shortest": 3} | {name: value}))
