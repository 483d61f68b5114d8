from __future__ import annotations

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from harness.catalog import find_cell, papers
from harness.errors import HarnessError
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    assert_seen,
    switch_names,
)
from harness.records.schema import read_record
from harness.run.loop import run
from replications.reptile.inner_adam import (
    BETA2,
    EPSILON,
    AdamState,
    adapt,
    carried_on,
    gradients_of,
    minibatches,
)
from replications.reptile.method import ReptileSettings

SEEN = {
    "filters": (THROUGHOUT, (4, 8)),
    "shrink": (THROUGHOUT, ()),
    "outer": (TRAINING, ()),
    "inner_steps": (TRAINING, (2, 3)),
    "inner_batch": (TRAINING, (5, 10)),
    "inner_rate": (THROUGHOUT, (0.02, 0.05)),
    "inner_state": (TRAINING, ()),
    "meta_step": (TRAINING, (1.0, 0.5)),
    "meta_step_final": (TRAINING, (0.0, 0.5)),
    "meta_step_iterations": (TRAINING, (10, 20)),
    "test_steps": (TESTING, (1, 5)),
    "test_batch": (TESTING, (3, 5)),
    "test_batch_norm": (TESTING, ()),
}
"""Where each switch is seen; with its values, where they are not choices by name."""
GLYPHS = {"tasks.dataset": "glyphs", "training.meta_batch": 2, "method.filters": 4}


def build(variant="reptile", **changed):
    return smoke_method("reptile/omniglot-5way-1shot", variant, GLYPHS, **changed)


@pytest.mark.parametrize("variant", find_cell("reptile/omniglot-5way-1shot").variants)
def test_smoke_run_of(tmp_path, variant):
    plan = smoke_plan(tmp_path, "reptile/omniglot-5way-1shot", variant, GLYPHS)
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    assert set(record.metrics) == {"accuracy"}


@pytest.mark.parametrize("switch", switch_names(ReptileSettings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = build(tasks__train_queries=5)  # scores are nothing but accuracies: many images
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(3)], tasks.batch("train", 50, 20)

    def make(**changed):
        own = {"inner_rate": 0.02, "test_steps": 5, "meta_step_iterations": 10}
        own |= {"test_batch_norm": "transductive", **changed}  # the one that takes least time
        return build(**{f"method__{k}": v for k, v in own.items()})[0]

    assert_seen(SEEN, ReptileSettings, switch, make, steps, test)


def double(method):
    method.model.double()
    params = {k: v.detach().clone() for k, v in method.model.named_parameters()}
    return params, gradients_of(method.model, torch.zeros(10, 1, 28, 28, dtype=torch.float64))


def by_hand(model, params, second, steps, rate, x, y, rows):
    """One task's inner loop with plain autograd."""
    losses = []
    for k, chosen in enumerate(rows):
        leaves = {n: p.clone().requires_grad_() for n, p in params.items()}
        logits = functional_call(model, leaves, (x[chosen],))
        loss = F.cross_entropy(logits, y[chosen], reduction="sum")
        grads = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        second = {n: BETA2 * v + (1 - BETA2) * grads[n] ** 2 for n, v in second.items()}
        scale = rate * (1 - BETA2 ** (steps + k + 1)) ** 0.5
        last = {n: -scale * grads[n] / (second[n].sqrt() + EPSILON) for n in params}
        params = {n: params[n] + last[n] for n in params}
        losses.append(loss.item() / len(chosen))
    return params, last, second, sum(losses) / len(losses)


def test_inner_loop_is_tensorflows_adam_on_each_task():
    method, tasks = build()
    batch = tasks.batch("train", 0, 2)
    params, gradients = double(method)
    g = torch.Generator().manual_seed(0)
    second = {k: torch.rand(v.shape, generator=g, dtype=v.dtype) for k, v in params.items()}
    state = AdamState(second, torch.tensor(7))
    x, y = batch.support_x.double(), batch.support_y
    rows = minibatches(2, 50, 10, 3, g)
    adapted = adapt(gradients, params, state, 0.001, x, y, rows)
    for t in range(2):
        wanted = by_hand(method.model, params, second, 7, 0.001, x[t], y[t], rows[t])
        for ours, theirs in zip(
            (adapted.params, adapted.last, adapted.second), wanted, strict=False
        ):
            for name in params:
                torch.testing.assert_close(ours[name][t], theirs[name], rtol=1e-8, atol=1e-11)
        assert adapted.loss[t].item() == pytest.approx(wanted[3])


def test_second_moments_are_those_of_the_tasks_one_after_the_other():
    g = torch.Generator().manual_seed(0)
    tasks, steps = 3, 4
    squares = torch.rand(tasks, steps, 5, generator=g, dtype=torch.float64)
    start = torch.rand(5, generator=g, dtype=torch.float64)
    chained, apart = start, []
    for t in range(tasks):
        own = start
        for s in squares[t]:
            chained, own = (BETA2 * v + (1 - BETA2) * s for v in (chained, own))
        apart.append(own)
    state = AdamState({"w": start}, torch.tensor(2))
    carried = carried_on(state, {"w": torch.stack(apart)}, steps)
    torch.testing.assert_close(carried.second["w"], chained)
    assert carried.steps.item() == 2 + tasks * steps


@pytest.mark.parametrize(("examples", "size", "count"), [(50, 10, 5), (75, 10, 8), (5, 5, 7)])
def test_minibatches_deal_out_all_examples_before_any_comes_again(examples, size, count):
    rows = minibatches(3, examples, size, count, torch.Generator().manual_seed(0))
    assert rows.shape == (3, count, size)
    for task in rows.flatten(1).tolist():
        for first in range(0, count * size, examples):
            dealt = task[first : first + examples]
            assert len(set(dealt)) == len(dealt)
    assert rows[0].tolist() != rows[1].tolist()


def test_outer_step_goes_the_annealed_share_of_the_way():
    method, _ = build(method__meta_step_iterations=100)
    assert [method.meta_step(i) for i in (0, 25, 50, 99)] == pytest.approx([1, 0.75, 0.5, 0.01])
    # With the whole way on one task Reptile ends where Adam did, first-order MAML one step away.
    for variant, part in (("reptile", "params"), ("first-order-maml", "last")):
        method, tasks = build(variant)
        before = {k: v.clone() for k, v in method.params.items()}
        batch, state = tasks.batch("train", 0, 1), method.generator.get_state()
        method.train_step(batch, 0)
        g = torch.Generator()
        g.set_state(state)
        rows = minibatches(1, 50, 10, 5, g)
        fresh = AdamState.fresh(before)
        x, y = batch.support_x, batch.support_y
        moved = getattr(adapt(method.gradients, before, fresh, 0.001, x, y, rows), part)
        for name, start in before.items():
            wanted = moved[name][0] + (0 if part == "params" else start)
            torch.testing.assert_close(method.params[name], wanted)


def test_adams_state_is_carried_only_where_the_switch_says_so():
    for variant, carried in (("reptile-transductive", True), ("reptile-fresh-adam", False)):
        method, tasks = build(variant)
        method.train_step(tasks.batch("train", 0, 2), 0)
        assert method.state.steps.item() == (10 if carried else 0)
        assert any(v.any() for v in method.state.second.values()) == carried


def test_training_goes_on_bit_for_bit():
    tasks = build()[1]
    batches = [tasks.batch("train", 2 * i, 2) for i in range(4)]
    assert same_weights(*with_and_without_stop(lambda: build()[0], batches, 2))


def test_scores_do_not_depend_on_which_tasks_come_together():
    method, tasks = build(method__test_steps=3)
    together = method.evaluate(tasks.batch("train", 0, 4))["accuracy"]
    apart = [method.evaluate(tasks.batch("train", i, 1))["accuracy"] for i in range(4)]
    assert torch.equal(together, torch.cat(apart))


def test_meta_step_ends_with_training_in_every_cell():
    for cell in papers()["reptile"].cells.values():
        for name in cell.variants:
            v = cell.variant(name)
            assert v.method.meta_step_iterations == v.training.iterations


def test_a_minibatch_larger_than_the_support_set_is_one_sentence():
    with pytest.raises(HarnessError, match=r"method.test_batch: found 6, wanted at most 5"):
        build(method__test_batch=6)


def test_company_of_query_images_changes_scores_and_training_does_not_know_it():
    """The table's two lines differ in nothing else."""
    method, tasks = build(method__test_steps=5)
    batch = tasks.batch("train", 100, 20)
    method.train_step(tasks.batch("train", 0, 2), 0)
    scores = {}
    for variant in ("reptile", "reptile-transductive"):
        other, _ = build(variant, method__test_steps=5)
        other.load_weights(method.weights())
        scores[variant] = other.evaluate(batch)["accuracy"]
    assert not torch.equal(scores["reptile"], scores["reptile-transductive"])


def test_the_test_goes_on_from_the_state_that_training_left():
    """Training leaves second moments of sums over 10 images; test steps see 5."""
    method, tasks = build("reptile-transductive", method__test_steps=3, method__inner_rate=0.02)
    method.train_step(tasks.batch("train", 0, 4), 0)
    batch = tasks.batch("train", 100, 20)
    scores = method.evaluate(batch)["accuracy"]
    [rows] = minibatches(1, batch.support_y.shape[1], 5, 3, torch.Generator().manual_seed(0))

    def accuracy(t, state):
        x, y = batch.support_x[t], batch.support_y[t]
        start, steps = state.second, int(state.steps)
        params, *_ = by_hand(method.model, method.params, start, steps, 0.02, x, y, rows)
        outputs = functional_call(method.model, params, (batch.query_x[t],))
        return 100 * (outputs.argmax(-1) == batch.query_y[t]).float().mean()

    by_state = [
        torch.stack([accuracy(t, state) for t in range(20)])
        for state in (method.state, AdamState.fresh(method.params))
    ]
    assert torch.equal(scores, by_state[0])
    assert not torch.equal(scores, by_state[1])
