from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.tasks.batch import SupervisedBatch

TASKS, SUPPORT, QUERY = 3, 4, 5


def fields(**changed: object) -> dict[str, object]:
    right: dict[str, object] = {
        "support_x": torch.zeros(TASKS, SUPPORT, 2),
        "support_y": torch.zeros(TASKS, SUPPORT, 1),
        "query_x": torch.zeros(TASKS, QUERY, 2),
        "query_y": torch.zeros(TASKS, QUERY, 1),
    }
    return right | changed


def test_sets_of_different_sizes_make_a_batch():
    assert len(SupervisedBatch(**fields())) == TASKS


def ragged() -> list[Tensor]:
    return [torch.zeros(n, 2) for n in (4, 2, 3)]


MISTAKES = {
    "list": ({"support_x": ragged()}, "support_x: found list, wanted one dense tensor"),
    "nested": (
        {"query_x": torch.nested.as_nested_tensor(ragged(), layout=torch.jagged)},
        "query_x: found a nested tensor, wanted one dense tensor .* batches of their own",
    ),
    "support size": (
        {"support_x": torch.zeros(TASKS, 3, 2)},
        r"support set: found support_x of shape \(3, 3, 2\) and support_y of shape \(3, 4, 1\), w",
    ),
    "query size": (
        {"query_y": torch.zeros(TASKS, 6, 1)},
        r"query set: found query_x of shape \(3, 5, 2\) and query_y of shape \(3, 6, 1\), wanted",
    ),
    "support tasks": (
        {"support_y": torch.zeros(2, SUPPORT, 1)},
        r"support_y of shape \(2, 4, 1\), wanted the same two first axes: tasks, examples",
    ),
    "no task axis": (
        {"support_x": torch.zeros(TASKS), "support_y": torch.zeros(TASKS)},
        r"found support_x of shape \(3,\) and support_y of shape \(3,\), wanted the same two",
    ),
    "both sets": (
        {"query_x": torch.zeros(2, QUERY, 2), "query_y": torch.zeros(2, QUERY, 1)},
        "batch: found support sets of 3 tasks and query sets of 2, wanted both for every task",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_sets_that_do_not_fit_are_one_sentence(mistake):
    changed, sentence = MISTAKES[mistake]
    with pytest.raises(HarnessError, match=sentence) as caught:
        SupervisedBatch(**fields(**changed))
    assert "\n" not in str(caught.value)
