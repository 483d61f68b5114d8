"""A whole meta-step as training does it: fetch the tasks, meta-gradient, Adam."""

from __future__ import annotations

from itertools import count

import pytest
import torch

from harness.meta_gradient.engines import DEFAULT, ENGINES
from tests.bench.maml_cells import OMNIGLOT, SINUSOID, method_of, resolve, task_source_of
from tests.bench.meta_gradient_cases import moved
from tests.bench.rivals import RIVALS, meta_gradients


def steps(variant, device="cpu", dtype=torch.float32):
    """Return contenders that take one more meta-step at each call, and the losses they leave."""
    names, left_out = meta_gradients(first_order=False)
    losses = {name: [] for name in names}

    def work(name):
        tasks = task_source_of(variant, device)
        method, size, i = (
            method_of(variant, tasks, name, device),
            variant.training.meta_batch,
            count(),
        )
        method.model.to(dtype)

        def run():
            k = next(i)
            batch = moved(tasks.batch("train", k * size, size), device, dtype)
            losses[name].append(method.train_step(batch, k))

        return run

    return {name: work(name) for name in names}, losses, left_out


@pytest.fixture(autouse=True)
def rivals_as_engines(monkeypatch):
    """The method takes its engine by name; for the time of a test it may take any contender."""
    for name, module in RIVALS.items():
        monkeypatch.setitem(ENGINES, name, module)


@pytest.mark.parametrize("cell", [OMNIGLOT, SINUSOID])
def test_contenders_take_the_same_steps(cell):
    changed = {"tasks__dataset": "glyphs"} if cell == OMNIGLOT else {}
    work, losses, _ = steps(resolve(cell, training__meta_batch=2, **changed), dtype=torch.float64)
    for _ in range(2):
        for run in work.values():
            run()
    for name in work:
        own, wanted = torch.stack(losses[name]), torch.stack(losses["loop"])
        torch.testing.assert_close(own, wanted, rtol=1e-8, atol=0, msg=name)
    assert losses["loop"][0] != losses["loop"][1]


@pytest.mark.parametrize("cell", [OMNIGLOT, SINUSOID])
def test_meta_step(cell, device, compare):
    variant = resolve(cell)
    work, losses, left_out = steps(variant, device)
    data = getattr(variant.tasks, "dataset", "sinusoids")
    title = f"meta-step: maml/{cell} ({data}), {variant.training.meta_batch} tasks"
    comparison = compare(f"meta-step-{cell}", title, work, DEFAULT, device, left_out=left_out)
    assert all(len(of) == comparison.timings.rounds + 1 for of in losses.values())
    assert all(torch.stack(of).isfinite().all() for of in losses.values())
