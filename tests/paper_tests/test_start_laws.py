from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from harness.paper_tests.starts import (
    LEAST,
    assert_law,
    assert_starts,
    between,
    cut_normal,
    drawn,
    glorot,
    normal,
    torch_default,
    uniform,
)


def draws(seed=0, count=LEAST):
    """By each kind of law, `count` entries of width one."""
    g = torch.Generator().manual_seed(seed)
    return {
        "uniform": torch.empty(count).uniform_(-1, 1, generator=g),
        "normal": torch.empty(count).normal_(generator=g),
        "cut normal": nn.init.trunc_normal_(torch.empty(count), generator=g, a=-2, b=2),
    }


LAWS = {"uniform": uniform(1), "normal": normal(1), "cut normal": cut_normal(1)}


@pytest.mark.parametrize("name", LAWS)
def test_the_right_law_passes_and_another_width_or_mean_does_not(name):
    for seed in range(5):
        entries = draws(seed)[name]
        assert_law(entries, LAWS[name], name)
        for wrong in (2 * entries, entries / 2, 0.3 * entries, entries + entries.std()):
            with pytest.raises(AssertionError, match=name):
                assert_law(wrong, LAWS[name], name)


def test_laws_of_equal_width_are_told_apart_by_their_ends():
    many = draws(count=20_000)
    with pytest.raises(AssertionError, match=r"wanted -2 to 2"):
        assert_law(many["normal"], cut_normal(1), "w")
    with pytest.raises(AssertionError, match=r"wanted -1"):
        assert_law(many["normal"] * many["uniform"].std(), uniform(1), "w")
    with pytest.raises(AssertionError, match="found deviation"):
        assert_law(many["uniform"], normal(1 / math.sqrt(3)), "w")


def test_entries_that_repeat_and_too_few_are_no_evidence():
    with pytest.raises(AssertionError, match="repeat each other"):
        assert_law(draws()["uniform"][: LEAST // 2].repeat(2), uniform(1), "w")
    with pytest.raises(AssertionError, match="found 399 entries, too few"):
        assert_law(draws()["uniform"][1:], uniform(1), "w")


def test_laws_are_what_their_names_say():
    assert glorot(27, 288).support() == pytest.approx((-math.sqrt(6 / 315), math.sqrt(6 / 315)))
    assert torch_default(16).support() == (-0.25, 0.25)
    assert between(0.5, 2).support() == (0.5, 2)
    assert (normal(0.2, 0.5).mean(), normal(0.2, 0.5).std()) == (0.5, 0.2)
    assert cut_normal(0.01).support() == (-0.02, 0.02)
    assert cut_normal(0.01).std() == pytest.approx(0.0088, rel=0.01)


def test_each_weight_has_one_law_and_each_law_a_weight():
    weights = {"a.weight": draws()["uniform"], "a.bias": torch.zeros(3)}
    assert_starts(weights, {"*.weight": uniform(1), "*.bias": 0})
    with pytest.raises(AssertionError, match=r"a\.bias: found the laws \[\]"):
        assert_starts(weights, {"*.weight": uniform(1)})
    with pytest.raises(AssertionError, match="found the laws"):
        assert_starts(weights, {"*.weight": uniform(1), "*.bias": 0, "a.*": 0})
    with pytest.raises(AssertionError, match=r"b: found no weight of that name among a\.weight"):
        assert_starts(weights, {"*.weight": uniform(1), "*.bias": 0, "b": 0})
    with pytest.raises(AssertionError, match="found other numbers than 1"):
        assert_starts(weights, {"*.weight": uniform(1), "*.bias": 1})


def test_weights_of_several_seeds_stand_beside_each_other():
    def make(seed):
        return SimpleNamespace(w=draws(seed)["normal"]).__dict__

    stacked = drawn(make, 3)["w"]
    assert stacked.shape == (3, LEAST)
    assert torch.equal(stacked[2], draws(2)["normal"])
