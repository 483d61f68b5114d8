"""How the networks of `harness/models` start: each parameter's law, as its source has it.

Sizes are those of a paper. How the networks of a paper's own folder start, and those that its
methods build, stands in `replications/<paper>/test_<paper>_protocol.py`.
"""

from __future__ import annotations

import math

import pytest
import torch

from replications.reptile.network import AffineConv4
from harness.models.batch_statistics import BatchStatistics
from replications.learned_optimizer.lstm import CoordinatewiseLSTM
from replications.maml_plus_plus.network import LeakyPoolConv4
from replications.mann.memory import start
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.models.mlp import MLP
from harness.models.pooled_conv4 import PooledConv4
from replications.r2d2.network import RidgeFeatures
from harness.models.set_statistics import SetStatistics
from tests.models.small_resnet import SmallResNet
from replications.ntm.stacked_lstm import StackedLSTM
from harness.models.strided_conv4 import StridedConv4
from harness.paper_tests.starts import (
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
    # AntreasAntoniou/HowToTrainYourMAMLPytorch, meta_neural_network_architectures.py: xavier.
    "leaky conv4": (
        lambda g: LeakyPoolConv4(3, 48, 84, 5, g),
        1,
        {
            "convolutions.0.weight": glorot(27, 432),
            "convolutions.[123].weight": glorot(432, 432),
            "head.weight": glorot(1200, 5),
            "norms.*.weight": 1,
            "*.bias": 0,
        },
    ),
    # openai/supervised-reptile, models.py: defaults of tf.layers.
    "affine conv4": (
        lambda g: AffineConv4(1, 64, "stride", 28, 5, g),
        1,
        {
            "convolutions.0.weight": glorot(9, 576),
            "convolutions.[123].weight": glorot(576, 576),
            "head.weight": glorot(256, 5),
            "norms.*.weight": 1,
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
    # bertinetto/r2d2, load_model.py: the same of torch 0.3.
    "ridge features": (
        lambda g: RidgeFeatures(3, (96, 192, 384, 512), 32, 0.1, 0.4, "uniform", g),
        1,
        {
            "convolutions.0.*": torch_default(27),
            "convolutions.1.*": torch_default(864),
            "convolutions.2.*": torch_default(1728),
            "convolutions.3.*": torch_default(3456),
            "norms.*.weight": between(0, 1),
            "norms.*.bias": 0,
            **RUNNING,
        },
    ),
    # He et al. 2015: deviation sqrt(2 / inputs of a unit); the head is ours.
    "small resnet": (
        lambda g: SmallResNet(3, (64, 128), 5, g),
        3,
        {
            "blocks.0.first.weight": normal(math.sqrt(2 / 27)),
            "blocks.0.second.weight": normal(math.sqrt(2 / 576)),
            "blocks.0.shortcut.weight": normal(math.sqrt(2 / 3)),
            "blocks.1.first.weight": normal(math.sqrt(2 / 576)),
            "blocks.1.second.weight": normal(math.sqrt(2 / 1152)),
            "blocks.1.shortcut.weight": normal(math.sqrt(2 / 64)),
            "head.weight": glorot(128, 5),
            "*.bias": 0,
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
    for net in (
        PooledConv4(1, 8, "one", torch.Generator()),
        RidgeFeatures(1, (4, 4, 4, 4), 16, 0.1, 0.0, "one", torch.Generator()),
    ):
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


def test_the_coordinatewise_lstm_starts_as_sonnets_do():
    """google-deepmind/learning-to-learn, networks.py: snt.LSTM and snt.Linear without initializers:
    normals cut at two deviations of 1 / sqrt(inputs and hidden units), LSTM biases too; the linear
    layer's bias 0. Sonnet adds 1 to the forget gate, which stands in its bias here."""
    sizes = {"lstm_1": 21, "lstm_2": 40, "linear": 20}
    weights = drawn(
        lambda seed: CoordinatewiseLSTM((20, 20), torch.Generator().manual_seed(seed)).weights, 25
    )
    assert weights.keys() == sizes.keys()
    for name in ("lstm_1", "lstm_2"):
        forget, law = weights[name][:, 20:40, 0], cut_normal(1 / math.sqrt(sizes[name]))
        others = torch.cat([weights[name][:, :20, 0], weights[name][:, 40:, 0]], 1)
        assert_law(forget - 1, law, f"{name}, biases of the forget gate")
        assert_law(others, law, f"{name}, biases of the other gates")
        assert_law(weights[name][:, :, 1:], law, name)
    assert_law(weights["linear"][:, :, 1:], cut_normal(1 / math.sqrt(20)), "linear")
    assert_law(weights["linear"][:, :, 0], 0, "bias of linear")


def test_the_stacked_lstm_starts_uniform_with_biases_of_zero():
    """1 / sqrt(units), as torch's own LSTM: the paper does not say (replications/ntm/README.md)."""
    net = StackedLSTM(9, 8, 256, 3, torch.Generator().manual_seed(0))
    state, law = net.state_dict(), uniform(1 / 16)
    for k in range(3):
        inward = state.pop(f"layers.{k}.weight_ih_l0")
        assert_law(inward[:, 9], 0, "biases: the weights of the constant input")
        assert_law(torch.cat([inward[:, :9], inward[:, 10:]], 1), law, f"layer {k}, inputs")
    laws = {"layers.*.weight_hh_l0": law, "start": law, "output.weight": law, "output.bias": 0}
    assert_starts(state, laws)


def test_the_least_recently_used_memory_starts_nearly_empty():
    """tristandeleu/ntm-one-shot: constant 1e-6, every head on the first location. The paper does
    not say."""
    state = start(2, 128, 40, 4, torch.zeros(()))
    assert_law(state.memory.float(), float(torch.tensor(1e-6)), "memory")
    assert state.read_weights.shape == (2, 4, 128)
    assert state.usage.shape == (2, 128)
    for weights in (state.read_weights, state.usage):
        assert_law(weights[..., 0], 1, "first location")
        assert_law(weights[..., 1:], 0, "other locations")
