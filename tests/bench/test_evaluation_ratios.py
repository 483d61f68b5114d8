"""Evaluation of 25 tasks: scores before adaptation and after each of ten steps."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.meta_gradient.problem import InnerLoop
from tests.bench.maml_cells import OMNIGLOT, SINUSOID, method_of, resolve, task_source_of
from tests.bench.meta_gradient_cases import moved
from tests.bench.rivals import evaluations

TASKS = 25
OURS = "MAML.evaluate"


def built(variant, tasks, device="cpu", dtype=torch.float32):
    """Return the method, its test tasks, and its problem's parts for those who do it by hand."""
    source = task_source_of(variant, device)
    method = method_of(variant, source, "func", device)
    method.model.to(dtype)
    source.end_training()
    return method, moved(source.batch("test", 0, tasks), device, dtype)


def scores_by_hand(outputs, batch, loss):
    """Turn query outputs [steps + 1, T, Q, …] into scores [steps + 1, T], as the method does."""
    if loss == "mse":
        return F.mse_loss(outputs, batch.query_y.expand_as(outputs), reduction="none").mean((2, 3))
    return 100 * (outputs.argmax(-1) == batch.query_y).to(outputs.dtype).mean(-1)


def contenders(method, batch):
    params, rivals, left_out = method.weights(), *evaluations()
    inner: InnerLoop = method.test_inner
    scores = {}

    def by_hand(name):
        def run():
            outputs = rivals[name].query_outputs(method.problem, params, batch, inner)
            scores[name] = scores_by_hand(outputs, batch, method.settings.loss)

        return run

    def ours():
        scores[OURS] = torch.stack(list(method.evaluate(batch).values()))

    return {OURS: ours, **{name: by_hand(name) for name in rivals}}, scores, left_out


@pytest.mark.parametrize("cell", [OMNIGLOT, SINUSOID])
def test_contenders_give_the_same_scores(cell):
    changed = {"tasks__dataset": "glyphs"} if cell == OMNIGLOT else {}
    variant = resolve(cell, method__test_steps=3, **changed)
    work, scores, _ = contenders(*built(variant, 4, dtype=torch.float64))
    for run in work.values():
        run()
    for name, own in scores.items():
        # Accuracies are float32; an image is right or not.
        torch.testing.assert_close(own.double(), scores[OURS].double(), rtol=1e-6, atol=0)
        assert own.shape == (4, 4), name
    assert not torch.equal(scores[OURS][0], scores[OURS][3])


@pytest.mark.parametrize("cell", [OMNIGLOT, SINUSOID])
def test_evaluation(cell, device, compare):
    variant = resolve(cell)
    assert variant.method.test_steps == 10
    work, scores, left_out = contenders(*built(variant, TASKS, device))
    data = getattr(variant.tasks, "dataset", "sinusoids")
    title = f"evaluation: maml/{cell} ({data}), {TASKS} tasks, 10 steps"
    compare(f"evaluation-{cell}", title, work, OURS, device, left_out=left_out)
    for name, own in scores.items():
        assert own.shape == (11, TASKS), name
        # Loose: in float32 an image may go over the line. The test above is exact.
        wanted = scores[OURS][0].double().mean()
        torch.testing.assert_close(own[0].double().mean(), wanted, rtol=0.05, atol=0)
