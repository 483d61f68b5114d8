from __future__ import annotations

import math

import pytest
import torch

from replications.ntm.memory import heads, parts, rotations, step

T, N, W, K = 2, 6, 3, 3
P = sum(parts(W, K))
READ, WRITE = 0, 1


def numbers(steps, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(steps, T, P, generator=g, dtype=torch.float64)


def start(seed=5):
    g = torch.Generator().manual_seed(seed)
    memory = torch.randn(T, N, W, generator=g, dtype=torch.float64)
    return memory, torch.zeros(T, 2, N, dtype=torch.float64)


def run(memory, weighting, told):
    turned = rotations(N, K).to(memory.dtype)
    reads = []
    for now in told:
        read, weighting, memory = step(memory, weighting, now, turned)
        reads.append(read)
    return torch.stack(reads), weighting, memory


def plain(memory, before, told):
    """The paper's equations 2 to 9 for one sequence, number by number; told [steps][P]."""
    before = [list(row) for row in before]
    reads = []
    for now in told:
        vectors, positive, opened, moved = (list(x) for x in split(now))
        softplus = [math.log1p(math.exp(x)) for x in positive]
        sigmoid = [1 / (1 + math.exp(-x)) for x in opened]
        weightings = []
        for h in (READ, WRITE):
            key = vectors[h * W : (h + 1) * W]
            beta, gamma, gate = softplus[h], 1 + softplus[2 + h], sigmoid[h]
            shift = normal([math.exp(x) for x in moved[h * K : (h + 1) * K]])
            cosines = [dot(key, row) / (length(key) * length(row)) for row in memory]
            content = normal([math.exp(beta * c) for c in cosines])
            gated = [gate * c + (1 - gate) * b for c, b in zip(content, before[h], strict=True)]
            turned = [sum(gated[(i - j) % N] * shift[j + 1] for j in (-1, 0, 1)) for i in range(N)]
            weightings.append(normal([w**gamma for w in turned]))
        reads.append(
            [
                sum(w * row[c] for w, row in zip(weightings[READ], memory, strict=True))
                for c in range(W)
            ]
        )
        erase, add = sigmoid[2:], vectors[2 * W :]
        memory = [
            [m * (1 - w * e) + w * a for m, e, a in zip(row, erase, add, strict=True)]
            for w, row in zip(weightings[WRITE], memory, strict=True)
        ]
        before = weightings
    return reads, before, memory


def split(now):
    pieces, first = [], 0
    for count in parts(W, K):
        pieces.append(now[first : first + count])
        first += count
    return pieces


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def length(a):
    return math.sqrt(dot(a, a))


def normal(a):
    return [x / sum(a) for x in a]


def test_it_is_what_a_plain_loop_gives():
    memory, before = start()
    told = numbers(7)
    reads, weighting, after = run(memory, before, told)
    for t in range(T):
        wanted = plain(memory[t].tolist(), before[t].tolist(), told[:, t].tolist())
        for ours, other in zip((reads[:, t, 0], weighting[t], after[t]), wanted, strict=True):
            torch.testing.assert_close(ours, torch.tensor(other, dtype=torch.float64))


def test_gradients_are_those_of_finite_differences():
    memory, _ = start(1)
    before = torch.rand(T, 2, N, dtype=torch.float64).softmax(-1)
    told = numbers(3, seed=2)
    inputs = [x.requires_grad_() for x in (memory, before, told)]
    assert torch.autograd.gradcheck(run, inputs)


def test_a_key_finds_its_location_and_a_shift_goes_on_from_there_around_the_end():
    told = torch.zeros(1, P, dtype=torch.float64)
    memory = torch.eye(N, dtype=torch.float64)[None]
    turned = rotations(N, K).double()
    width = parts(N, K)
    told = torch.zeros(1, sum(width), dtype=torch.float64)
    told[0, N - 1] = 1.0  # the read head's key is the last location's content
    told[0, 3 * N : 3 * N + 4] = 60.0  # strong and sharp
    told[0, 3 * N + 4] = 60.0  # the read head goes by content
    told[0, 3 * N + 5] = -60.0  # the write head stays where it was …
    told[0, sum(width[:3]) : sum(width)] = torch.tensor(
        [0.0, 0.0, 60.0, 60.0, 0.0, 0.0]
    )  # … less 1
    before = torch.zeros(1, 2, N, dtype=torch.float64)
    before[0, :, 0] = 1.0
    read, weighting, _ = step(memory, before, told, turned)
    wanted = torch.zeros(2, N, dtype=torch.float64)
    wanted[READ, 0] = 1.0  # one after the last is the first
    wanted[WRITE, N - 1] = 1.0  # one before the first is the last
    torch.testing.assert_close(weighting[0], wanted, atol=1e-9, rtol=0.0)
    torch.testing.assert_close(read[0, 0], memory[0, 0], atol=1e-9, rtol=0.0)


def test_writing_takes_away_and_adds_where_the_head_looks():
    memory = torch.ones(1, N, W, dtype=torch.float64)
    told = torch.zeros(1, P, dtype=torch.float64)
    told[0, 2 * W : 3 * W] = torch.tensor([5.0, 6.0, 7.0])
    told[0, 3 * W : 3 * W + 4] = 60.0
    told[0, 3 * W + 4 : 3 * W + 6] = -60.0  # stay …
    told[0, 3 * W + 6 : 4 * W + 6] = torch.tensor([60.0, -60.0, 0.0])  # erase all, nothing, half
    told[0, -2] = told[0, -5] = 60.0  # … and do not move
    before = torch.zeros(1, 2, N, dtype=torch.float64)
    before[0, :, 2] = 1.0
    _, _, after = step(memory, before, told, rotations(N, K).double())
    wanted = torch.ones(N, W, dtype=torch.float64)
    wanted[2] = torch.tensor([5.0, 7.0, 7.5])
    torch.testing.assert_close(after[0], wanted, atol=1e-9, rtol=0.0)


def test_a_high_power_of_a_flat_weighting_stays_finite():
    memory = torch.ones(1, N, W)
    told = torch.zeros(1, P)
    told[0, 3 * W + 2 : 3 * W + 4] = 500.0  # (1/6)^501 is 0 in float32
    told.requires_grad_()
    read, weighting, after = step(memory, torch.zeros(1, 2, N), told, rotations(N, K))
    torch.testing.assert_close(weighting, torch.full((1, 2, N), 1 / N))
    (read.sum() + after.sum()).backward()
    assert torch.isfinite(told.grad).all()


@pytest.mark.parametrize("shifts", [1, 5])
def test_rotations_are_those_of_roll(shifts):
    w = torch.rand(7)
    reach = shifts // 2
    wanted = [w.roll(k) for k in range(-reach, reach + 1)]
    assert torch.equal((w @ rotations(7, shifts)).view(shifts, 7), torch.stack(wanted))


def test_what_heads_are_told_lies_in_its_range():
    told = heads(10 * torch.randn(5, P), W, K)
    assert (told.strengths > 0).all()
    assert (told.sharpness >= 1).all()
    assert ((told.gates >= 0) & (told.gates <= 1)).all()
    torch.testing.assert_close(told.shifts.sum(-1), torch.ones(5, 2))
    assert told.erase.shape == told.add.shape == (5, 1, W)


def test_nothing_that_was_given_is_changed():
    memory, before = start()
    told = numbers(1)
    kept = [x.clone() for x in (memory, before, told)]
    run(memory, before, told)
    assert all(torch.equal(a, b) for a, b in zip(kept, (memory, before, told), strict=True))
