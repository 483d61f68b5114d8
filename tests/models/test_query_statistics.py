from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.models.batch_statistics import norms
from harness.models.mlp import MLP
from harness.models.query_statistics import QueryStatistics, RunningStatistics, query_outputs
from harness.models.strided_conv4 import StridedConv4, same_padding
from replications.maml_plus_plus.network import LeakyPoolConv4
from replications.reptile.network import AffineConv4

NET = StridedConv4(1, 4, 5, torch.Generator().manual_seed(0)).double()
AFFINE = AffineConv4(1, 4, "stride", 28, 5, torch.Generator().manual_seed(0)).double()
LEAKY = LeakyPoolConv4(1, 4, 28, 5, torch.Generator().manual_seed(0)).double()
every_net = pytest.mark.parametrize("net", [NET, AFFINE, LEAKY], ids=lambda n: type(n).__name__)
TASKS, SUPPORT, QUERIES = 2, 5, 3


def outputs_of(net):
    return lambda params, x: functional_call(net, params, (x,))


outputs = outputs_of(NET)


def task_params(net=NET):
    """Not those of the start, where scales at 1 and offsets at 0 would hide themselves."""
    g = torch.Generator().manual_seed(1)
    return {
        k: v.detach() + 0.1 * torch.rand(TASKS, *v.shape, generator=g, dtype=v.dtype)
        for k, v in net.named_parameters()
    }


def images(seed, count):
    g = torch.Generator().manual_seed(seed)
    return torch.rand(TASKS, count, 1, 28, 28, generator=g, dtype=torch.float64)


def layers(params, x, moments):
    """Write the network out: outputs, and the moments of what each batch norm was given; with
    `moments` those normalise instead."""
    met = []
    for i in range(4):
        size = x.shape[-1]
        before, after = same_padding(size)
        x = F.pad(x, (before, after, before, after))
        x = F.conv2d(x, params[f"convolutions.{i}.weight"], params[f"convolutions.{i}.bias"], 2)
        met.append((x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)))
        mean, variance = (m.view(-1, 1, 1) for m in (moments or met)[i])
        x = F.relu((x - mean) / (variance + 1e-3).sqrt() + params[f"norms.{i}.bias"].view(-1, 1, 1))
    return x.mean((2, 3)) @ params["head.weight"].T + params["head.bias"], met


def by_moments(params, support, query):
    """Normalise by what the support set meets."""
    _, met = layers(params, support, None)
    return layers(params, query, met)[0]


def test_support_statistics_alone_are_those_of_the_network_written_out():
    params, support, query = task_params(), images(2, SUPPORT), images(3, QUERIES)
    answers = query_outputs(NET, outputs, params, support, query, "support-only")
    for t in range(TASKS):
        own = {k: v[t] for k, v in params.items()}
        torch.testing.assert_close(answers[t], by_moments(own, support[t], query[t]))


@every_net
@pytest.mark.parametrize("how", ["transductive", "support-plus-one", "one-at-a-time"])
def test_outputs_are_those_of_each_image_in_its_company(how, net):
    params, support, query = task_params(net), images(2, SUPPORT), images(3, QUERIES)
    plain = outputs_of(net)
    answers = query_outputs(net, plain, params, support, query, how)
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
            torch.testing.assert_close(answers[t, q], plain(own, company)[row])


@every_net
@pytest.mark.parametrize(
    ("how", "shares"),
    [
        ("transductive", True),
        ("support-only", False),
        ("support-plus-one", False),
        ("one-at-a-time", False),
    ],
)
def test_query_images_share_statistics_only_where_the_name_says_so(how, shares, net):
    params, support, query = task_params(net), images(2, SUPPORT), images(3, QUERIES)
    other = query.clone()
    other[:, 1:] = 1 - other[:, 1:]
    first = query_outputs(net, outputs_of(net), params, support, query, how)[:, 0]
    changed = query_outputs(net, outputs_of(net), params, support, other, how)[:, 0]
    assert torch.allclose(first, changed, atol=1e-9) != shares


def test_a_given_support_set_is_normalised_as_by_its_own_statistics():
    """Layers with a scale: by moments, a support image has the outputs that it has in its set."""
    for net in (AFFINE, LEAKY):
        params, support = task_params(net), images(2, SUPPORT)
        answers = query_outputs(net, outputs_of(net), params, support, support, "support-only")
        own = {k: v[0] for k, v in params.items()}
        torch.testing.assert_close(answers[0], outputs_of(net)(own, support[0]))


@pytest.mark.parametrize("how", ["support-only", "support-plus-one", "one-at-a-time"])
def test_batch_norm_of_another_kind_is_refused_and_never_passed_over(how):
    net = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten()).double()
    params = {k: v.detach().expand(TASKS, *v.shape) for k, v in net.named_parameters()}
    with pytest.raises(HarnessError, match="by layers that are not BatchStatistics; wanted"):
        query_outputs(net, outputs_of(net), params, images(2, SUPPORT), images(3, QUERIES), how)


def test_running_statistics_are_averages_over_passes_and_tasks():
    params, first, second = task_params(), images(2, SUPPORT), images(3, QUERIES)
    running = RunningStatistics(NET)
    met = []
    for x in (first, second):
        running.add(outputs, params, x)
        met += [layers({k: v[t] for k, v in params.items()}, x[t], None)[1] for t in range(TASKS)]
    average = [
        tuple(torch.stack([m[i][j] for m in met]).mean(0) for j in range(2)) for i in range(4)
    ]
    own = {k: v[0] for k, v in params.items()}
    with running.used():
        answers = outputs(own, second[0])
    torch.testing.assert_close(answers, layers(own, second[0], average)[0])
    after = outputs(own, second[0])
    torch.testing.assert_close(after, layers(own, second[0], None)[0])
    assert all(norm.given is None for norm in norms(NET).values())


def test_running_statistics_of_nothing_change_nothing():
    own = {k: v[0] for k, v in task_params().items()}
    with RunningStatistics(NET).used():
        answers = outputs(own, images(3, QUERIES)[0])
    assert torch.equal(answers, outputs(own, images(3, QUERIES)[0]))


@pytest.mark.parametrize("how", get_args(QueryStatistics))
def test_without_batch_norm_company_changes_not_a_bit(how):
    net = MLP(4, (8,), 1, False, torch.Generator().manual_seed(0))
    params = {k: v.detach().expand(TASKS, *v.shape) for k, v in net.named_parameters()}
    x = torch.rand(2, TASKS, QUERIES, 4)

    answers = query_outputs(net, outputs_of(net), params, x[0], x[1], how)
    whole = query_outputs(net, outputs_of(net), params, x[0], x[1], "transductive")
    assert torch.equal(answers, whole)
