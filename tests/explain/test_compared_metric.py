from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from harness.explain.compared_metric import compared_metric


def kept(printed: list[str], watched: str):
    lines = [SimpleNamespace(metric=m, variants=("here",)) for m in printed]
    lines.insert(0, SimpleNamespace(metric="accuracy@7", variants=("another",)))
    protocol = {"training": {"validation_metric": watched}}
    return SimpleNamespace(
        cell=SimpleNamespace(published=lines),
        record=SimpleNamespace(variant="here", protocol=protocol),
    )


@pytest.mark.parametrize(
    ("printed", "watched", "expected"),
    [
        (["accuracy@1", "accuracy@2", "accuracy@5"], "accuracy@2", "accuracy@2"),
        (["accuracy@1", "accuracy@5"], "loss", "accuracy@1"),
        (["accuracy@best", "accuracy@5"], "loss", "accuracy@5"),
        (["accuracy@best"], "accuracy@best", "accuracy@best"),
        ([], "loss", "loss"),
        ([], "another", "accuracy@1"),
    ],
)
def test_the_metric_is_the_printed_one_and_of_several_the_one_watched(printed, watched, expected):
    names = ("accuracy@1", "accuracy@2", "accuracy@5", "accuracy@7", "accuracy@best", "loss")
    scores = {name: np.zeros(3) for name in names}
    assert compared_metric(kept(printed, watched), None, scores) == expected
