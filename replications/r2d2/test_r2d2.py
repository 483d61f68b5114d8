"""R2-D2: the closed form against other computations, episodes, resume, and smoke runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan
from harness.records.schema import read_record
from harness.run.loop import run
from harness.run.scores import evaluate
from harness.tasks.batch import SupervisedBatch
from replications.r2d2.method import reshuffled, ridge_logits

SMALL = {"method.filters": [4, 4, 6, 6], "tasks.val_queries": 3, "tasks.test_queries": 3}
GLYPHS = SMALL | {"tasks.dataset": "glyphs", "tasks.train_ways": 10}
TEXTURES = SMALL | {"tasks.dataset": "textures", "tasks.resize_filter": "none"}


def build(variant="r2d2", **changed):
    return smoke_method("r2d2/omniglot-5way-1shot", variant, GLYPHS, **changed)


@pytest.mark.parametrize(
    ("cell", "variant", "changed"),
    [
        ("omniglot-5way-1shot", "r2d2", GLYPHS),
        ("omniglot-20way-5shot", "conv64", GLYPHS),
        ("cifar-fs-5way-1shot", "fixed-ridge", TEXTURES),
        ("mini-imagenet-5way-5shot", "r2d2", TEXTURES | {"tasks.image_size": 20}),
    ],
)
def test_smoke_run_of(tmp_path, cell, variant, changed):
    plan = smoke_plan(tmp_path, f"r2d2/{cell}", variant, changed)
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    assert math.isfinite(record.metrics["accuracy"].mean)


def regression(tasks=2, shots=6, ways=3, size=4):
    g = torch.Generator().manual_seed(0)
    support = torch.randn(tasks, shots, size, generator=g, dtype=torch.float64)
    queries = torch.randn(tasks, 5, size, generator=g, dtype=torch.float64)
    labels = F.one_hot(torch.arange(shots) % ways).double().expand(tasks, -1, -1)
    return support, labels, queries


@pytest.mark.parametrize("size", [2, 9])
def test_the_head_is_ridge_regression_task_by_task(size):
    """Against the normal equations of mean |X W - Y|² + λ |W|², with fewer and more features."""
    support, labels, queries = regression(size=size)
    ridge = torch.tensor(0.7, dtype=torch.float64)
    logits = ridge_logits(support, labels, queries, ridge)
    for i in range(len(support)):
        x = torch.cat([support[i], torch.ones(6, 1)], 1)
        w = torch.linalg.inv(x.T @ x / 6 + ridge * torch.eye(size + 1)) @ x.T @ labels[i] / 6
        by_hand = torch.cat([queries[i], torch.ones(5, 1)], 1) @ w
        torch.testing.assert_close(logits[i], by_hand)


@pytest.mark.parametrize("size", [2, 9])
def test_the_head_is_the_least_squares_of_numpy(size):
    """Ridge regression is least squares with sqrt(n λ) I below the examples and zeros as labels."""
    support, labels, queries = regression(size=size)
    logits = ridge_logits(support, labels, queries, torch.tensor(0.7, dtype=torch.float64))
    for i, (x, y, q) in enumerate(
        zip(support.numpy(), labels.numpy(), queries.numpy(), strict=True)
    ):
        rows = np.concatenate([np.c_[x, np.ones(6)], np.sqrt(6 * 0.7) * np.eye(size + 1)])
        targets = np.concatenate([y, np.zeros((size + 1, 3))])
        w, *_ = np.linalg.lstsq(rows, targets)
        np.testing.assert_allclose(logits[i].numpy(), np.c_[q, np.ones(5)] @ w, rtol=1e-9)


def test_derivatives_through_the_solution_are_right():
    support, labels, queries = (t.clone().requires_grad_() for t in regression())
    ridge = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ridge_logits, (support, labels, queries, ridge))


def test_two_examples_by_hand():
    """x = ±1 with labels (1, 0) and (0, 1), λ = 1: the bias is 1/4, the slope ±1/4."""
    support = torch.tensor([[[1.0], [-1.0]]])
    logits = ridge_logits(support, torch.eye(2)[None], torch.tensor([[[2.0]]]), torch.tensor(1.0))
    torch.testing.assert_close(logits, torch.tensor([[[0.75, -0.25]]]))


def test_episodes_keep_their_images_with_other_shots():
    _, tasks = build()
    batch = tasks.batch("train", 0, 2)
    other = reshuffled(batch, 4)
    ways = tasks.ways("train")
    assert (other.support_x.shape[1], other.query_x.shape[1]) == (4 * ways, 6 * ways)
    for c in range(ways):
        before, after = (
            torch.cat([b.support_x[b.support_y == c], b.query_x[b.query_y == c]]).flatten(1).sum(1)
            for b in (batch, other)
        )
        torch.testing.assert_close(before.sort().values, after.sort().values)
    same = reshuffled(batch, 1)
    assert torch.equal(same.support_x, batch.support_x)
    assert torch.equal(same.query_y, batch.query_y)


def test_training_episodes_have_one_to_nine_shots():
    method, _ = build()
    assert {method._shots(i) for i in range(300)} == set(range(1, 10))


def test_shots_are_a_stream_of_their_own():
    """Neither that of another seed, some steps on, nor that of dropout."""
    method, _ = build()
    assert method.shots_seed != method.noise_seed
    drawn = []
    for seed in (5, 6):
        method.shots_seed = seed
        drawn.append([method._shots(i) for i in range(40)])
    assert drawn[0][1:] != drawn[1][:-1]


def test_the_rate_is_halved_every_2000_episodes():
    method, tasks = build()
    rates = []
    for i in (0, 1999, 2000, 4000):
        method.train_step(tasks.batch("train", i, 1), i)
        rates.append(method.optimiser.param_groups[0]["lr"])
    assert rates == [0.005, 0.005, 0.0025, 0.00125]


@pytest.mark.parametrize(
    "changed",
    [
        {"method__dropout": 0.4},
        {"method__leaky_slope": 0.9},
        {"method__batch_norm_scale": "one"},
        {"method__ridge": 5.0},
        {"method__scale": 1.0},
    ],
    ids=str,
)
def test_each_switch_changes_the_loss(changed):
    (plain, tasks), (other, _) = build(), build(**changed)
    batch = tasks.batch("train", 0, 1)
    assert not torch.isclose(plain.train_step(batch, 0), other.train_step(batch, 0), rtol=1e-4)


def test_batch_norm_scales_start_uniform_as_in_torch_0_3():
    scale, one = (
        build(**changed)[0].weights()["encoder.norms.0.weight"]
        for changed in ({}, {"method__batch_norm_scale": "one"})
    )
    assert (one == 1).all()
    assert ((scale >= 0) & (scale < 1)).all()


def test_the_ridge_weight_is_learned_unless_fixed():
    for variant, moves in (("r2d2", True), ("fixed-ridge", False)):
        method, tasks = build(variant)
        method.train_step(tasks.batch("train", 0, 1), 0)
        weights = method.weights()
        assert (weights["ridge"].item() != 50.0) == moves
        assert weights["scale"].item() != 10.0


def test_a_query_image_is_scored_without_the_others():
    method, tasks = build()
    batch = tasks.batch("val", 0, 2)
    method.train_step(tasks.batch("train", 0, 1), 0)
    together = method.evaluate(batch)["loss"]
    alone = [
        method.evaluate(
            SupervisedBatch(
                batch.support_x,
                batch.support_y,
                batch.query_x[:, i : i + 1],
                batch.query_y[:, i : i + 1],
            )
        )["loss"]
        for i in range(batch.query_y.shape[1])
    ]
    torch.testing.assert_close(torch.stack(alone).mean(0), together)


def test_training_goes_on_bit_for_bit_with_dropout():
    tasks = build()[1]
    batches = [tasks.batch("train", i, 1) for i in range(4)]
    trained = with_and_without_stop(lambda: build(method__dropout=0.4)[0], batches, 2)
    assert same_weights(*trained)


def test_shots_that_do_not_fit_are_one_sentence():
    with pytest.raises(HarnessError, match=r"found 1 and 10, wanted .* < 10"):
        build(method__shots_max=10)


def test_many_tasks_share_embeddings_and_score_as_each_alone(monkeypatch):
    method, tasks = smoke_method("r2d2/cifar-fs-5way-1shot", "r2d2", TEXTURES)
    embedded = []
    embed = method.embed
    monkeypatch.setattr(method, "embed", lambda x: embedded.append(len(x)) or embed(x))
    images = len(tasks.rows("val"))
    tasks_of_it = images // (5 * 4)
    few = evaluate(method, tasks, "val", tasks_of_it, 16)
    assert sum(embedded) == images, "each image of each task"
    embedded.clear()
    many = evaluate(method, tasks, "val", tasks_of_it + 40, 16)
    assert sum(embedded) == images + 1, "each image of the split, and one for its shape"
    for name, alone in few.items():
        assert len(many[name]) == tasks_of_it + 40
        np.testing.assert_allclose(many[name][:tasks_of_it], alone, rtol=1e-4)
