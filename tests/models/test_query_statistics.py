from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch.func import functional_call

from harness.models.query_statistics import QueryStatistics, query_outputs
from harness.models.strided_conv4 import StridedConv4

NET = StridedConv4(1, 4, 5, torch.Generator().manual_seed(0)).double()
TASKS, SUPPORT, QUERIES = 2, 5, 3


def outputs(params, x):
    return functional_call(NET, params, (x,))


def task_params():
    g = torch.Generator().manual_seed(1)
    return {
        k: v.detach() * (1 + 0.1 * torch.rand(TASKS, *v.shape, generator=g, dtype=v.dtype))
        for k, v in NET.named_parameters()
    }


def images(seed, count):
    g = torch.Generator().manual_seed(seed)
    return torch.rand(TASKS, count, 1, 28, 28, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("how", get_args(QueryStatistics))
def test_outputs_are_those_of_each_image_in_its_company(how):
    params, support, query = task_params(), images(2, SUPPORT), images(3, QUERIES)
    found = query_outputs(outputs, params, support, query, how)
    for t in range(TASKS):
        own = {k: v[t] for k, v in params.items()}
        for q in range(QUERIES):
            one = query[t, q : q + 1]
            company = {
                "transductive": query[t],
                "support-plus-one": torch.cat([support[t], one]),
                "one-at-a-time": one,
            }[how]
            row = q if how == "transductive" else -1
            torch.testing.assert_close(found[t, q], outputs(own, company)[row])


@pytest.mark.parametrize(
    ("how", "shares"),
    [("transductive", True), ("support-plus-one", False), ("one-at-a-time", False)],
)
def test_query_images_share_statistics_only_where_the_name_says_so(how, shares):
    params, support, query = task_params(), images(2, SUPPORT), images(3, QUERIES)
    other = query.clone()
    other[:, 1:] = 1 - other[:, 1:]
    first = query_outputs(outputs, params, support, query, how)[:, 0]
    changed = query_outputs(outputs, params, support, other, how)[:, 0]
    assert torch.allclose(first, changed, atol=1e-9) != shares
