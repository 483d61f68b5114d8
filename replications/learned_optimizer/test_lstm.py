from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from replications.learned_optimizer.lstm import CoordinatewiseLSTM, Unroll

UNITS, STEPS, ROWS = 6, 5, 9


def network() -> CoordinatewiseLSTM:
    lstm = CoordinatewiseLSTM((UNITS, UNITS), torch.Generator().manual_seed(0))
    lstm.weights = {k: w.double() for k, w in lstm.weights.items()}
    return lstm


def torch_twin(own: CoordinatewiseLSTM) -> tuple[nn.LSTM, nn.Linear]:
    """torch's modules with our weights: its gates are (input, forget, candidate, output)."""
    lstm = nn.LSTM(1, UNITS, 2).double()
    linear = nn.Linear(UNITS, 1).double()
    weights = own.weights
    with torch.no_grad():
        for layer in range(2):
            w = to_torch_order(weights[f"lstm_{layer + 1}"])
            getattr(lstm, f"weight_ih_l{layer}").copy_(w[:, 1:-UNITS])
            getattr(lstm, f"weight_hh_l{layer}").copy_(w[:, -UNITS:])
            getattr(lstm, f"bias_ih_l{layer}").copy_(w[:, 0])
            getattr(lstm, f"bias_hh_l{layer}").zero_()
        linear.bias.copy_(weights["linear"][:, 0])
        linear.weight.copy_(weights["linear"][:, 1:])
    return lstm, linear


def to_torch_order(w: Tensor) -> Tensor:
    i, f, o, g = w.split(UNITS)
    return torch.cat([i, f, g, o])


def test_updates_state_and_gradients_are_those_of_torch() -> None:
    own = network()
    lstm, linear = torch_twin(own)
    generator = torch.Generator().manual_seed(1)
    gradients, d_updates = torch.randn(2, STEPS, ROWS, generator=generator, dtype=torch.float64)
    h0, c0 = torch.randn(2, 2, UNITS, ROWS, generator=generator, dtype=torch.float64)

    unroll = Unroll(own, STEPS, ROWS)
    for _ in range(2):  # buffers are used again
        unroll.start(list(zip(h0, c0, strict=True)))
        updates = torch.stack([unroll.step(t, gradients[t]) for t in range(STEPS)])
        by_weight = dict(zip(own.weights, unroll.backward(d_updates), strict=True))

    start = (h0.mT.contiguous(), c0.mT.contiguous())
    hidden, (h, c) = lstm(gradients[..., None], start)
    expected = linear(hidden)[..., 0]
    torch.testing.assert_close(updates, expected.detach(), rtol=1e-12, atol=1e-14)
    for layer, (own_h, own_c) in enumerate(unroll.state()):
        torch.testing.assert_close(own_h, h[layer].T.detach(), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(own_c, c[layer].T.detach(), rtol=1e-12, atol=1e-14)

    (expected * d_updates).sum().backward()
    for layer in range(2):
        w = to_torch_order(by_weight[f"lstm_{layer + 1}"])
        for columns, name in ((w[:, 0], "bias_ih"), (w[:, 1:-UNITS], "weight_ih")):
            assert_near(columns, getattr(lstm, f"{name}_l{layer}").grad)
        assert_near(w[:, -UNITS:], getattr(lstm, f"weight_hh_l{layer}").grad)
    assert linear.bias.grad is not None
    assert linear.weight.grad is not None
    assert_near(by_weight["linear"][:, 0], linear.bias.grad)
    assert_near(by_weight["linear"][:, 1:], linear.weight.grad)


def assert_near(gradient: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(gradient, expected, rtol=1e-11, atol=1e-13)


def test_initial_weights_are_sonnets() -> None:
    weights = CoordinatewiseLSTM((20, 20), torch.Generator().manual_seed(0)).weights
    assert {k: tuple(w.shape) for k, w in weights.items()} == {
        "lstm_1": (80, 22),
        "lstm_2": (80, 41),
        "linear": (1, 21),
    }
    w = weights["lstm_2"].clone()
    w[20:40, 0] -= 1.0
    assert float(w.abs().max()) <= 2 / math.sqrt(40) + 1e-6
    # A normal cut at two standard deviations has 0.88 of its sd.
    assert abs(float(w.std()) * math.sqrt(40) - 0.88) < 0.03
    assert float(weights["linear"][0, 0]) == 0.0
