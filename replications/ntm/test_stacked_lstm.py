from __future__ import annotations

import pytest
import torch

from replications.ntm.stacked_lstm import StackedLSTM


def network(inputs, outputs, units, layers):
    return StackedLSTM(inputs, outputs, units, layers, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("inputs", "outputs", "units", "printed"),
    [(10, 9, 256, 1_352_969), (8, 7, 512, 5_312_007), (8, 6, 256, 1_344_518), (1, 1, 128, 331_905)],
)
def test_it_has_as_many_parameters_as_graves_et_al_print(inputs, outputs, units, printed):
    """Table 3 of 1410.5401: copy, repeat copy, associative recall, dynamic N-grams."""
    counted = sum(p.numel() for p in network(inputs, outputs, units, 3).parameters())
    assert counted == printed


def test_it_is_what_a_plain_loop_gives():
    net = network(3, 2, 4, 2).double()
    x = torch.randn(5, 6, 3, dtype=torch.float64)
    states = [(start[0].expand(5, -1), start[1].expand(5, -1)) for start in net.start]
    wanted = []
    for now in x.unbind(1):
        below = torch.cat([now, torch.ones(5, 1, dtype=torch.float64)], 1)
        heard = []
        for k, layer in enumerate(net.layers):
            hidden, cell = states[k]
            entering = torch.cat([below, *heard[-1:]], 1)
            total = entering @ layer.weight_ih_l0.T + hidden @ layer.weight_hh_l0.T
            enter, forget, candidate, leave = total.chunk(4, 1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            states[k] = (leave.sigmoid() * cell.tanh(), cell)
            heard.append(states[k][0])
        wanted.append(net.output(torch.cat(heard, 1)))
    torch.testing.assert_close(net(x), torch.stack(wanted, 1))


def test_weights_come_from_the_generator_alone():
    one = network(3, 2, 4, 2).state_dict()
    torch.manual_seed(1)
    other = network(3, 2, 4, 2).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
