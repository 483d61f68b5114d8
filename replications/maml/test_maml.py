from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.models.batch_statistics import BatchStatistics
from harness.models.strided_conv4 import StridedConv4, same_padding
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan
from harness.records.schema import read_record
from harness.run.loop import run
from harness.tasks.batch import SupervisedBatch

GLYPHS = {"tasks.dataset": "glyphs", "training.meta_batch": 2}
TEXTURES = {
    "tasks.dataset": "textures",
    "tasks.image_size": 32,
    "tasks.resize_filter": "none",
    "tasks.train_queries": 3,
    "training.meta_batch": 2,
    "method.hidden": [4, 4, 4, 4],
    "method.test_steps": 5,
}
SMALL = {"sinusoid": {}, "omniglot": GLYPHS, "mini": TEXTURES}


def build(cell, variant, changed=None, **switches):
    """A method and its task source."""
    return smoke_method(f"maml/{cell}", variant, changed, **switches)


@pytest.mark.parametrize(
    ("cell", "variant"),
    [
        *[("sinusoid-5shot", v) for v in find_cell("maml/sinusoid-5shot").variants],
        *[("omniglot-5way-1shot", v) for v in find_cell("maml/omniglot-5way-1shot").variants],
        ("omniglot-20way-1shot", "second-order"),
        ("mini-imagenet-5way-1shot", "first-order"),
        ("mini-imagenet-5way-5shot", "second-order"),
    ],
)
def test_smoke_run_of(tmp_path, cell, variant):
    made = smoke_plan(tmp_path, f"maml/{cell}", variant, SMALL[cell.partition("-")[0]])
    folder = run(made)
    record = read_record(folder / "record.json")
    assert record.status == "finished"
    resolved = made.setup.variant
    expected = resolved.method_class.metrics(resolved.method)
    assert set(expected) <= set(record.metrics)


class Constant(nn.Module):
    """Predicts one number: everything about it can be worked out by hand."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self, x):
        return self.w.expand(len(x), 1)


@pytest.mark.parametrize("which", ENGINES)
@pytest.mark.parametrize("first_order", [False, True])
def test_meta_gradient_of_a_constant_by_hand(which, first_order):
    """Support target a, query target b: w' = w - 2α(w - a), dL/dw = 2(w' - b)(1 - 2α)^steps."""
    w, rate, steps = 0.3, 0.1, 2
    a = torch.tensor([1.0, -2.0], dtype=torch.float64)
    b = torch.tensor([0.5, 3.0], dtype=torch.float64)
    x = torch.zeros(2, 1, 1, dtype=torch.float64)
    batch = SupervisedBatch(x, a.view(2, 1, 1), x, b.view(2, 1, 1))
    problem = Problem(Constant(w), F.mse_loss, F.mse_loss)
    params = {"w": torch.tensor(w, dtype=torch.float64)}
    meta_gradient = engine(which)(problem, params, batch, InnerLoop(steps, rate, first_order))
    shrink = (1 - 2 * rate) ** steps
    adapted = a + (w - a) * shrink
    by_hand = (2 * (adapted - b) * (1 if first_order else shrink)).mean()
    torch.testing.assert_close(meta_gradient.gradients["w"], by_hand)


def test_the_authors_inner_loss_steps_ways_times_as_far():
    outputs = torch.randn(10, 5, requires_grad=True)
    targets = torch.arange(5).repeat_interleave(2)
    from harness.meta_gradient.losses import CrossEntropy

    mean = CrossEntropy("mean")(outputs, targets)
    summed = CrossEntropy("sum-over-classes")(outputs, targets)
    # The authors divide the sum over examples by the shots, 2 here.
    by_hand = F.cross_entropy(outputs, targets, reduction="sum") / 2
    torch.testing.assert_close(summed, by_hand)
    torch.testing.assert_close(summed, 5 * mean)


def test_padding_is_tensorflows():
    assert [same_padding(n) for n in (28, 14, 7, 4)] == [(0, 1), (0, 1), (1, 1), (0, 1)]
    net = StridedConv4(1, 4, 5, torch.Generator().manual_seed(0))
    sizes = []
    for conv in net.convolutions:
        conv.register_forward_hook(lambda m, given, out: sizes.append(out.shape[-1]))
    net(torch.rand(3, 1, 28, 28))
    assert sizes == [14, 7, 4, 2]


def test_batch_norm_offsets_do_not_adapt_but_are_meta_trained():
    method, tasks = build("omniglot-5way-1shot", "second-order", GLYPHS)
    assert method.inner.frozen == {f"norms.{i}.bias" for i in range(4)}
    before = {k: v.clone() for k, v in method.weights().items()}
    method.train_step(tasks.batch("train", 0, 2), 0)
    assert all(not torch.equal(before[k], method.weights()[k]) for k in method.inner.frozen)


def test_batch_statistics_are_those_of_the_batch_with_the_authors_epsilon():
    x = torch.randn(6, 3, 4, 4, dtype=torch.float64)
    norm = BatchStatistics(3).double()
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(norm(x), (x - mean) / (var + 1e-3).sqrt())


def test_meta_training_learns_sinusoids():
    """200 iterations take the loss after one step well below that of the start."""
    method, tasks = build("sinusoid-5shot", "maml", method__inner_rate=0.01)
    losses = [method.train_step(tasks.batch("train", 25 * i, 25), i).item() for i in range(200)]
    assert sum(losses[-50:]) < 0.9 * sum(losses[:50])


def test_training_state_goes_on_bit_for_bit():
    for variant in ("maml", "pretrained", "multi-task-mean", "multi-task-mean-criterion"):
        changed = {"method__steps_per_network": 4} if variant.startswith("multi") else {}
        if variant.endswith("criterion"):
            # Some have ended when the training stops, and others have not.
            changed |= {"method__looked_at_every": 1, "method__criterion": 1.0}

        def make(variant=variant, changed=changed):
            return build("sinusoid-5shot", variant, **changed)[0]

        method, tasks = build("sinusoid-5shot", variant, **changed)
        batches = [tasks.batch("train", method.first_task(i, 5), 5) for i in range(6)]
        assert same_weights(*with_and_without_stop(make, batches, 3)), variant


def test_multi_task_start_is_the_mean_of_its_networks():
    method, tasks = build("sinusoid-5shot", "multi-task", method__steps_per_network=2)
    for i in range(2):
        method.train_step(tasks.batch("train", 0, 4), i)
    for k, v in method.networks.items():
        torch.testing.assert_close(method.weights()[k], v.detach().mean(0))


def test_a_network_ends_where_it_is_first_below_the_criterion():
    """Beside it the others go on to their last step; the note counts those that never are."""
    own = {"steps_per_network": 4, "looked_at_every": 1, "criterion": 0.5, "learning_rate": 0.1}
    changed = {f"method__{k}": v for k, v in own.items()}
    method, tasks = build("sinusoid-5shot", "multi-task-criterion", **changed)
    batch = tasks.batch("train", 0, 12)
    path, errors = [], []
    for i in range(4):
        method.train_step(batch, i)
        if i < 3:
            path.append({k: v.detach().clone() for k, v in method.networks.items()})
            errors.append(method.errors.clone())
    below = torch.stack(errors) < 0.5
    ended = [i for i in range(12) if below[:, i].any()]
    assert 0 < len(ended) < 12, "or this test says nothing"
    for i in ended:
        first = int(below[:, i].int().argmax())
        assert method.own_errors[i] == errors[first][i]
        for k, v in method.ended.items():
            assert torch.equal(v[i], path[first][k][i])
    for k, v in method.ended.items():
        torch.testing.assert_close(method.weights()[k], v.mean(0))
    above = int((method.own_errors >= 0.5).sum())
    assert method.training_note().startswith(f"12 networks, {above} of them not below 0.5 on")


def test_fine_tuning_step_size_is_the_best_on_validation_tasks():
    method, tasks = build("sinusoid-5shot", "pretrained", method__test_rates=[0.0001, 0.01, 100.0])
    method.train_step(tasks.batch("train", 0, 25), 0)
    batch = tasks.batch("val", 0, 100)
    means = []
    for rate in (0.0001, 0.01, 100.0):
        method.rate.fill_(rate)
        means.append(method.evaluate(batch)["mse@10"].double().mean().item())
    method.finalise(batch)
    finite = [m if math.isfinite(m) else math.inf for m in means]
    best = (0.0001, 0.01, 100.0)[finite.index(min(finite))]
    assert method.weights()["fine_tuning_rate"].item() == pytest.approx(best)


def test_the_step_size_is_tuned_at_a_step_that_is_taken():
    with pytest.raises(HarnessError, match=r"test_tuned_at_step: found 11, wanted at most method"):
        build("sinusoid-5shot", "pretrained", method__test_tuned_at_step=11)


def test_a_loss_that_does_not_fit_the_tasks_is_one_sentence():
    changed = {"method__loss": "cross-entropy", "training__validation_metric": "accuracy@1"}
    with pytest.raises(HarnessError, match=r"method.loss: found 'cross-entropy', wanted 'mse'"):
        build("sinusoid-5shot", "maml", **changed)


@pytest.mark.parametrize(
    ("cell", "variant", "changed", "error"),
    [
        (
            "sinusoid-5shot",
            "maml",
            {"network": "strided-conv4"},
            "found 'strided-conv4' and 'mean'",
        ),
        ("sinusoid-5shot", "maml", {"inner_loss": "sum-over-classes"}, "wanted 'mlp' and 'mean'"),
        ("omniglot-5way-1shot", "first-order", {"batch_norm": False}, "found False and"),
        ("omniglot-5way-1shot", "first-order", {"hidden": [4, 4, 4, 8]}, "four equal numbers"),
        ("omniglot-5way-1shot", "first-order", {"hidden": [4] * 3}, "four equal numbers"),
        ("omniglot-5way-1shot", "first-order", {"hidden": []}, "four equal numbers"),
    ],
)
def test_a_switch_that_would_do_nothing_is_refused(cell, variant, changed, error):
    with pytest.raises(HarnessError, match=error):
        build(cell, variant, **{f"method__{k}": v for k, v in changed.items()})


def test_running_statistics_are_estimated_and_used_while_adapting_too():
    scores = {}
    for how in ("transductive", "running", "running-queries"):
        method, tasks = build(
            "omniglot-5way-1shot",
            "first-order",
            **{"tasks__dataset": "glyphs", "method__test_batch_norm": how, "method__test_steps": 3},
        )
        batch = tasks.batch("val", 0, 4)
        before = method.evaluate(batch)
        if how != "transductive":
            assert method.calibration_tasks == 256
            method.calibrate(tasks.batch("train", 0, 8))
        scores[how] = [v.clone() for v in method.evaluate(batch).values()]
        same = [torch.equal(a, b) for a, b in zip(before.values(), scores[how], strict=True)]
        assert all(same) == (how == "transductive"), "without an estimate: query images together"
    assert torch.equal(scores["running"][0], scores["running-queries"][0]), "no step yet"


def test_one_at_a_time_is_refused_where_a_batch_norm_cannot_take_one():
    """After dense layers; a convolution's maps have values enough, and no batch norm no trouble."""
    alone = {"method__test_batch_norm": "one-at-a-time"}
    glyphs = alone | {"tasks__dataset": "glyphs"}
    with pytest.raises(HarnessError, match=r"found 'one-at-a-time', wanted another.*support-plus"):
        build("omniglot-5way-1shot", "no-conv", **glyphs)
    build("sinusoid-5shot", "maml", **alone)
    method, tasks = build("omniglot-5way-1shot", "first-order", **glyphs, method__test_steps=3)
    assert method.evaluate(tasks.batch("val", 0, 2))["accuracy@3"].shape == (2,)


def test_no_batch_norm_no_calibration():
    method, _ = build("sinusoid-5shot", "maml", method__test_batch_norm="running")
    assert method.calibration_tasks == 0


def test_mini_imagenet_is_clipped_in_the_scale_of_the_authors_loss():
    """There query losses are summed and divided by the shots: 15 times ours at 1 shot, 3 at 5."""
    for cell, factor in (("mini-imagenet-5way-1shot", 15), ("mini-imagenet-5way-5shot", 3)):
        changed = TEXTURES | {"tasks.train_queries": 15}
        assert build(cell, "second-order", changed)[0].outer.clip_value == 10 / factor
    method, tasks = build("mini-imagenet-5way-1shot", "second-order", TEXTURES)
    batch = tasks.batch("train", 0, 2)
    outputs, y = method.problem.outputs(method.params, batch.query_x[0]), batch.query_y[0]
    theirs = F.cross_entropy(outputs, y, reduction="sum") / tasks.shots("train")
    ours = method.problem.query_loss(outputs, y)
    torch.testing.assert_close(theirs / ours, torch.tensor(10 / method.outer.clip_value))


def test_clipping_reaches_the_optimiser():
    changed = TEXTURES | {"method.outer_clip": 1e-4}
    method, tasks = build("mini-imagenet-5way-1shot", "second-order", changed)
    method.train_step(tasks.batch("train", 0, 2), 0)
    largest = max(float(p.grad.abs().max()) for p in method.params.values())
    assert largest == pytest.approx(method.outer.clip_value)
    assert largest < 1e-4
