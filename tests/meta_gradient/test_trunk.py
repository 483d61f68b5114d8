"""Frozen layers at the beginning of a model are done once by engine `batched`: equal results."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.meta_gradient.batched.engine.engine import Batched, passes
from harness.meta_gradient.batched.rules.convolution import Convolution
from harness.meta_gradient.engines import engine
from harness.meta_gradient.problem import InnerLoop
from tests.meta_gradient.problems import distance, norms, omniglot, resnet, start

orders = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
BEGINNINGS = {
    "body": (omniglot, ("convolutions", "norms")),
    "two-layers": (omniglot, ("convolutions.0", "convolutions.1", "norms")),
    "two-layers-norms-adapt": (omniglot, ("convolutions.0", "norms.0", "convolutions.1")),
    "one-block": (resnet, ("blocks.0",)),
    "within-a-block": (resnet, ("blocks.0", "blocks.1.first")),
    "one-of-two-paths": (resnet, ("blocks.0.shortcut", "blocks.0.shortcut_norm")),
}


def inner_loop(problem, beginning, first_order, steps=2):
    frozen = frozenset(k for k in start(problem) if k.startswith(beginning))
    assert frozen
    return InnerLoop(steps, 0.05, first_order, frozen)


@orders
@pytest.mark.parametrize("name", BEGINNINGS)
def test_agrees_with_higher(name, first_order):
    case, beginning = BEGINNINGS[name]
    problem, batch = case()
    inner = inner_loop(problem, beginning, first_order)
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner) for e in ("higher", "batched")
    )
    assert distance(meta_gradient, reference) < 1e-9


@orders
def test_losses_at_every_step_and_joint_statistics_agree_with_higher(first_order):
    problem, batch = omniglot()
    problem = replace(problem, query_statistics="support-and-query")
    inner = inner_loop(problem, ("convolutions", "norms"), first_order)
    inner = replace(inner, query_weights=(0.3, 0.2, 0.5))
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner) for e in ("higher", "batched")
    )
    assert distance(meta_gradient, reference) < 1e-9


@orders
def test_each_set_goes_through_frozen_layers_once(first_order, monkeypatch):
    problem, batch = omniglot()
    inner = inner_loop(problem, ("convolutions", "norms"), first_order, steps=5)
    mine = Batched()
    mine(problem, start(problem), batch, inner)  # chooses its chunks
    calls = {"forward": 0, "backward": 0, "tangent": 0}
    for name in calls:
        plain = getattr(Convolution, name)

        def counted(self, *given, _name=name, _plain=plain):
            calls[_name] += 1
            return _plain(self, *given)

        monkeypatch.setattr(Convolution, name, counted)
    mine(problem, start(problem), batch, inner)
    # Four layers, support and query. In first order nothing
    # comes back to the support set.
    assert calls == {"forward": 8, "backward": 4 if first_order else 8, "tangent": 0}


def test_where_a_model_is_parted():
    problem, batch = omniglot()
    graph = passes(problem, batch.support_x[0]).graph
    body, head = graph.parted({"head.weight", "head.bias"})
    assert head.names == ["head.weight", "head.bias"]
    assert sorted(body.names + head.names) == sorted(start(problem))
    # As MAML's code has it nothing but offsets is frozen: there is no beginning to save.
    assert graph.parted(set(start(problem)) - norms(problem)) is None
    problem, batch = resnet()
    graph = passes(problem, batch.support_x[0]).graph
    # Two paths leave the first block: what is frozen in one of them is no beginning of both.
    second = {k for k in graph.names if k.startswith(("blocks.1", "head"))}
    before, _ = graph.parted(second)
    assert {k.partition(".")[0] + k[6:8] for k in before.names} == {"blocks.0"}
    within, _ = graph.parted(second - {"blocks.1.first.weight"})
    assert within.names == before.names
