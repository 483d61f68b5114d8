from __future__ import annotations

import math

import pytest
import torch

from harness.paper_tests.starts import assert_law
from replications.mann.memory import MemoryState, least_used, start, step

T, N, W, R, DECAY = 2, 6, 3, 2, 0.9


def controls(steps, seed=0):
    g = torch.Generator().manual_seed(seed)
    keys = torch.randn(steps, T, R, W, generator=g, dtype=torch.float64)
    return keys, torch.rand(steps, T, R, generator=g, dtype=torch.float64)


def run(keys, gates):
    state = start(T, N, W, R, keys)
    reads = []
    for k, g in zip(keys, gates, strict=True):
        read, state = step(state, k, g, DECAY)
        reads.append(read)
    return torch.stack(reads), state


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def plain(keys, gates):
    """The paper's formulas for one sequence, number by number; keys [steps][R][W]."""
    memory = [[1e-6] * W for _ in range(N)]
    read_weights = [[float(i == 0) for i in range(N)] for _ in range(R)]
    usage = [float(i == 0) for i in range(N)]
    reads = []
    for key, gate in zip(keys, gates, strict=True):
        by_usage = sorted(range(N), key=lambda i: usage[i])
        write_weights = [
            [
                gate[h] * read_weights[h][i] + (1 - gate[h]) * float(i in by_usage[:R])
                for i in range(N)
            ]
            for h in range(R)
        ]
        memory[by_usage[0]] = [0.0] * W
        for i in range(N):
            for h in range(R):
                for w in range(W):
                    memory[i][w] += write_weights[h][i] * key[h][w]
        read_weights = []
        for h in range(R):
            length = math.sqrt(dot(key[h], key[h]))
            e = [math.exp(dot(key[h], row) / (length * math.sqrt(dot(row, row)))) for row in memory]
            read_weights.append([x / sum(e) for x in e])
        reads.append(
            [[dot(rw, [row[w] for row in memory]) for w in range(W)] for rw in read_weights]
        )
        for i in range(N):
            usage[i] *= DECAY
            usage[i] += sum(read_weights[h][i] + write_weights[h][i] for h in range(R))
    return reads, memory, read_weights, usage


def test_it_is_what_a_plain_loop_gives():
    keys, gates = controls(9)
    reads, state = run(keys, gates)
    for t in range(T):
        wanted = plain(keys[:, t].tolist(), gates[:, t].tolist())
        for ours, other in zip((reads[:, t], *(s[t] for s in state)), wanted, strict=True):
            torch.testing.assert_close(ours, torch.tensor(other, dtype=torch.float64))


def test_ties_go_to_the_first_location():
    marked, rarest = least_used(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.3, 0.2, 0.1, 0.0]]), 2)
    assert marked.tolist() == [[0, 1, 1, 0], [0, 0, 1, 1]]
    assert rarest.tolist() == [[1], [3]]


@pytest.mark.parametrize("gate", [0.0, 1.0])
def test_the_gate_chooses_between_last_read_and_least_used(gate):
    memory = torch.eye(4, dtype=torch.float64)[None]
    read = torch.tensor([[[1.0, 0, 0, 0]]], dtype=torch.float64)
    usage = torch.tensor([[3.0, 1.0, 0.0, 2.0]], dtype=torch.float64)
    key = torch.full((1, 1, 4), 2.0, dtype=torch.float64)
    gates = torch.full((1, 1), gate, dtype=torch.float64)
    _, state = step(MemoryState(memory, read, usage), key, gates, 1.0)
    wanted = memory[0].clone()
    wanted[2] = 0.0  # the least used location is emptied before anything is written
    wanted[0 if gate else 2] += 2.0
    assert torch.equal(state.memory[0], wanted)


def test_gradients_are_those_of_finite_differences():
    keys, gates = controls(4, seed=3)
    inputs = (keys.requires_grad_(), gates.requires_grad_())
    assert torch.autograd.gradcheck(lambda k, g: run(k, g)[0], inputs)


def test_nothing_that_was_given_is_changed():
    keys, gates = controls(2)
    state = start(T, N, W, R, keys)
    before = [part.clone() for part in state]
    step(state, keys[0], gates[0], DECAY)
    assert all(torch.equal(a, b) for a, b in zip(state, before, strict=True))


def test_the_memory_starts_nearly_empty():
    """tristandeleu/ntm-one-shot: constant 1e-6, every head on the first location. The paper does
    not say."""
    state = start(2, 128, 40, 4, torch.zeros(()))
    assert_law(state.memory.float(), float(torch.tensor(1e-6)), "memory")
    assert state.read_weights.shape == (2, 4, 128)
    assert state.usage.shape == (2, 128)
    for weights in (state.read_weights, state.usage):
        assert_law(weights[..., 0], 1, "first location")
        assert_law(weights[..., 1:], 0, "other locations")
