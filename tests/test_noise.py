"""Noise is a function of seed and step, or of the task: not of company, not of torch's state."""

import pytest
import torch

from harness.noise import draw_seed, step_generator, task_normals

CPU = torch.device("cpu")


def test_a_step_has_its_own_numbers():
    def numbers(seed, iteration):
        return torch.rand(4, generator=step_generator(seed, iteration, CPU)).tolist()

    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert numbers(3, 5) == numbers(3, 5)
    assert len({tuple(numbers(s, i)) for s in (3, 4) for i in (5, 6)}) == 4
    assert torch.equal(state, torch.get_rng_state())


def test_seeds_come_from_the_runs_generator():
    def seed(of):
        return draw_seed(torch.Generator().manual_seed(of))

    assert seed(0) == seed(0) != seed(1)


def test_a_task_has_the_same_normals_in_any_company():
    images = torch.rand(5, 3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    together = task_normals(images, (100, 3))
    assert torch.equal(task_normals(images[3:4], (100, 3))[0], together[3])
    assert together.shape == (5, 100, 3)
    assert len({row.flatten()[0].item() for row in together}) == 5
    assert together.mean().item() == pytest.approx(0, abs=0.1)
    assert together.std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.cuda
def test_normals_are_the_same_on_cuda():
    if not torch.cuda.is_available():
        pytest.skip("found no CUDA device")
    images = torch.rand(2, 3, 1, 4, 4)
    normals = task_normals(images.cuda(), (7,))
    assert normals.is_cuda
    assert torch.equal(normals.cpu(), task_normals(images, (7,)))
