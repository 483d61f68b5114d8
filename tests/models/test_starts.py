"""How the networks of `harness/models` start: each parameter's law, as its source has it.

Sizes are those of a paper. How the networks of a paper's own folder start, and those that its
methods build, stands in `replications/<paper>/test_<paper>_protocol.py`.
"""

from __future__ import annotations

import pytest
import torch

from harness.models.batch_statistics import BatchStatistics
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.models.mlp import MLP
from harness.models.pooled_conv4 import PooledConv4
from harness.models.set_statistics import SetStatistics
from harness.models.strided_conv4 import StridedConv4
from harness.paper_tests.starts import (
    assert_starts,
    between,
    cut_normal,
    drawn,
    glorot,
    normal,
    torch_default,
)

# What torch's batch norm keeps, before it has seen a batch.
RUNNING = {"*.running_mean": 0, "*.running_var": 1, "*.num_batches_tracked": 0}

# Network by generator, seeds that give entries enough for every law, and laws.
NETWORKS = {
    # cbfinn/maml, maml.py, construct_fc_weights: truncated_normal(stddev=0.01), zeros.
    "mlp": (
        lambda g: MLP(1, (40, 40), 1, False, g),
        10,
        {"*.weight": cut_normal(0.01), "*.bias": 0},
    ),
    "mlp with batch norm": (
        lambda g: MLP(784, (256, 128, 64, 64), 5, True, g),
        2,
        {f"layers.{i}.weight": cut_normal(0.01) for i in (1, 4, 7, 10, 13)} | {"*.bias": 0},
    ),
    # The same, construct_conv_weights: xavier_initializer_conv2d; Omniglot's head random_normal.
    "strided conv4": (
        lambda g: StridedConv4(1, 64, 5, g),
        2,
        {
            "convolutions.0.weight": glorot(9, 576),
            "convolutions.[123].weight": glorot(576, 576),
            "head.weight": normal(1.0),
            "*.bias": 0,
        },
    ),
    "max-pool conv4": (
        lambda g: MaxPoolConv4(3, 32, 84, 5, g),
        1,
        {
            "convolutions.0.weight": glorot(27, 288),
            "convolutions.[123].weight": glorot(288, 288),
            "head.weight": glorot(800, 5),
            "*.bias": 0,
        },
    ),
    # jakesnell/prototypical-networks, few_shot.py: defaults of torch 0.4, batch norm's U[0, 1) too.
    "pooled conv4": (
        lambda g: PooledConv4(1, 64, "uniform", g),
        7,
        {
            "blocks.0.convolution.*": torch_default(9),
            "blocks.[123].convolution.*": torch_default(576),
            "blocks.*.norm.weight": between(0, 1),
            "blocks.*.norm.bias": 0,
            **RUNNING,
        },
    ),
}


def start_of(make, seed):
    return make(torch.Generator().manual_seed(seed)).state_dict()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_start_by_the_law_of_their_source(name):
    make, seeds, laws = NETWORKS[name]
    assert_starts(drawn(lambda seed: start_of(make, seed), seeds), laws)


def test_scales_of_the_embedding_start_at_one_from_torch_1_2_on():
    net = PooledConv4(1, 8, "one", torch.Generator())
    scales = {k: v for k, v in net.state_dict().items() if "norm" in k and "weight" in k}
    assert len(scales) == 4
    assert_starts(scales, {"*": 1})


def test_batch_norms_start_at_the_identity():
    for norm in (
        BatchStatistics(5),
        BatchStatistics(5, scale=True),
        SetStatistics(5, 1e-5, scaled=False),
        SetStatistics(5, 1e-5, scaled=True),
    ):
        laws = {"weight": 1, "scale": 1, "bias": 0, "offset": 0}
        state = norm.state_dict()
        assert_starts(state, {name: laws[name] for name in state})
    assert BatchStatistics(5).eps == 1e-3  # tf.contrib.layers.batch_norm, tf.layers
