"""Random numbers inside a method that are a function of the seed and the step, or of the task.

A generator that is carried from step to step would have to be in every checkpoint, and its numbers
would depend on how many tasks are scored together. So each training step gets a generator of its
own, and each evaluation task numbers of its own.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor


def draw_seed(generator: torch.Generator) -> int:
    """Draw a seed for `step_generator` from the run's own generator."""
    return int(torch.randint(2**62, (), generator=generator))


def step_generator(seed: int, iteration: int, device: torch.device) -> torch.Generator:
    """Return the generator of training step `iteration`, on `device`; separated by construction."""
    words = np.random.SeedSequence(seed, spawn_key=(iteration,)).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(words[0]))


def task_normals(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return standard normals [T, *shape] float32 for tasks with images [T, …], on their device.

    A task's numbers are a function of its own images: the same in whatever company it is scored,
    and for all methods and seeds. Walks through the tasks one by one, so it is for evaluation.
    """
    rows = [_normals(task, shape) for task in images.detach().cpu().contiguous().numpy()]
    return torch.from_numpy(np.stack(rows)).to(images.device)


def _normals(task: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    digest = int.from_bytes(hashlib.sha256(task.tobytes()).digest())
    return np.random.default_rng(digest).standard_normal(shape, np.float32)
