from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from harness.catalog import find_cell, papers
from harness.costs.grid import grid
from harness.costs.published import read_claims
from harness.errors import HarnessError
from harness.explain.explain import explain
from harness.explain.kept import Kept
from harness.explain.question import Question
from harness.meta_gradient.engines import engine
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan
from harness.records.schema import read_record
from harness.records.store import verify_files
from harness.run.loop import run
from harness.tasks.batch import SupervisedBatch
from replications.anil.method import by_cosine

OMNIGLOT, MINI = "omniglot-20way-1shot", "mini-imagenet-5way-1shot"
SMALL = {"method.filters": 4, "training.meta_batch": 2}
STAND_IN = {
    OMNIGLOT: {"tasks.dataset": "glyphs", "tasks.class_split": "random-1100-100-423"},
    MINI: {
        "tasks.dataset": "textures",
        "tasks.image_size": 32,
        "tasks.resize_filter": "none",
        "tasks.train_queries": 3,
        "method.test_steps": 2,
    },
}


def plan(tmp_path, cell, variant, **changed):
    return smoke_plan(tmp_path, f"anil/{cell}", variant, SMALL | STAND_IN[cell], **changed)


def build(cell=MINI, variant="anil", **changed):
    return smoke_method(f"anil/{cell}", variant, SMALL | STAND_IN[cell], **changed)


@pytest.mark.parametrize(
    ("cell", "variant"),
    [*[(MINI, v) for v in ("maml", "maml-freeze-1-2", "anil", "random-nil")], (OMNIGLOT, "nil")],
)
def test_smoke_run_of(tmp_path, cell, variant):
    made = plan(tmp_path, cell, variant)
    record = read_record(run(made) / "record.json")
    assert record.status == "finished"
    nil = made.setup.variant.method.test_head == "cosine"
    steps = made.setup.variant.method.test_steps
    assert set(record.metrics) == (
        {"accuracy"} if nil else {f"accuracy@{k}" for k in range(steps + 1)}
    )


def double(method, batch):
    method.model.double()
    return SupervisedBatch(
        batch.support_x.double(), batch.support_y, batch.query_x.double(), batch.query_y
    )


def loss_by_hand(model, batch, task, steps, rate):
    """ANIL's query loss of one task with the head's inner gradient in closed form: with logits z =
    W f + b and softmax p, the summed cross-entropy has the gradients (p - y)ᵀ f and Σ (p - y)."""
    ways = model.head.out_features
    support, query = model.features(batch.support_x[task]), model.features(batch.query_x[task])
    targets = F.one_hot(batch.support_y[task], ways).double()
    shots = len(targets) / ways
    w, b = model.head.weight, model.head.bias
    for _ in range(steps):
        off = ((support @ w.T + b).softmax(-1) - targets) / shots
        w, b = w - rate * off.T @ support, b - rate * off.sum(0)
    logs = (query @ w.T + b).log_softmax(-1)
    return -ways * logs.gather(1, batch.query_y[task][:, None]).mean()


@pytest.mark.parametrize("which", ["batched", "func"])
@pytest.mark.parametrize("cell", [MINI, OMNIGLOT])
def test_meta_gradient_is_that_of_the_closed_form(cell, which):
    method, tasks = build(cell)
    batch = double(method, tasks.batch("train", 0, 2))
    meta_gradient = engine(which)(method.problem, method.params, batch, method.inner)
    steps, rate = method.inner.steps, method.inner.rate
    losses = [loss_by_hand(method.model, batch, t, steps, rate) for t in range(2)]
    wanted = torch.autograd.grad(sum(losses) / 2, list(method.params.values()))
    torch.testing.assert_close(meta_gradient.loss, sum(losses).detach() / 2)
    largest = max(float(g.abs().max()) for g in wanted)
    for (name, ours), theirs in zip(meta_gradient.gradients.items(), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-11 * largest, msg=name)


def test_the_body_is_meta_trained_though_it_does_not_adapt():
    method, tasks = build()
    before = {k: v.clone() for k, v in method.weights().items()}
    assert {k for k in before if k not in method.inner.frozen} == {"head.weight", "head.bias"}
    method.train_step(tasks.batch("train", 0, 2), 0)
    # A convolution's bias is taken away by the batch norm that follows.
    moved = {k for k in before if not torch.equal(before[k], method.weights()[k])}
    assert moved >= {k for k in before if not (k.startswith("conv") and k.endswith("bias"))}


def test_what_does_not_adapt_by_variant():
    for variant, layers in (("maml", 0), ("anil", 4)):
        method, _ = build(variant=variant)
        frozen = {k for k in method.inner.frozen if k.startswith("convolutions")}
        assert frozen == {
            f"convolutions.{i}.{p}" for i in range(layers) for p in ("weight", "bias")
        }
        assert method.inner.frozen - frozen == {f"norms.{i}.bias" for i in range(4)}
    method, _ = build(variant="maml-freeze-1-2")
    assert method.inner.frozen == build(variant="maml")[0].inner.frozen
    assert "convolutions.1.weight" in method.test_inner.frozen
    assert "convolutions.2.weight" not in method.test_inner.frozen


def test_features_once_or_again_at_each_step_give_the_same_scores():
    method, tasks = build(variant="maml-freeze-1-4")
    batch = double(method, tasks.batch("val", 0, 3))
    with torch.no_grad():
        again = list(method.outputs_at_test(batch, "transductive"))
        once = method.by_head(batch)
    assert len(once) == len(again) == 3
    for ours, theirs in zip(once, again, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not torch.equal(once[0], once[-1])


def test_one_training_serves_all_tests_of_it():
    digests = {
        v: plan(Path(), MINI, v).setup.training_digest() for v in find_cell(f"anil/{MINI}").variants
    }
    random, anil = digests.pop("random-nil"), digests.pop("anil")
    assert digests.pop("nil") == anil
    assert len(set(digests.values())) == 1, "all the others are tests of MAML"
    assert len({random, anil, digests["maml"]}) == 3


def test_cosine_weights_the_support_labels():
    angles = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    lengths = torch.tensor([[1.0], [7.0], [0.2], [3.0]], dtype=torch.float64)
    support = (torch.stack([angles.cos(), angles.sin()], -1) * lengths)[None]
    labels = torch.tensor([[0, 0, 1, 1]])
    at = torch.tensor([0.4, 2.7], dtype=torch.float64)
    query = 5 * torch.stack([at.cos(), at.sin()], -1)[None]
    class_scores = by_cosine(support, labels, query, 2)
    # The cosine of two vectors is that of the angle between them, whatever their lengths.
    weights = (at[:, None] - angles).cos().exp()
    by_hand = torch.stack([weights[:, :2].sum(1), weights[:, 2:].sum(1)], -1)
    torch.testing.assert_close(class_scores[0], by_hand / weights.sum(1, keepdim=True))
    assert class_scores.argmax(-1).tolist() == [[0, 1]]


def test_random_features_stay_as_they_started():
    method, tasks = build(variant="random-nil")
    before = {k: v.clone() for k, v in method.weights().items()}
    method.train_step(tasks.batch("train", 0, 2), 0)
    assert all(torch.equal(before[k], v) for k, v in method.weights().items())


def test_clipping_is_in_the_scale_of_the_authors_loss():
    """There the losses of all query images are summed and divided by the shots."""
    method, tasks = build()
    batch = tasks.batch("train", 0, 2)
    theirs = sum(
        F.cross_entropy(method.model(x), y, reduction="sum") / tasks.shots("train")
        for x, y in zip(batch.query_x, batch.query_y, strict=True)
    )
    ours = sum(
        method.problem.query_loss(method.model(x), y)
        for x, y in zip(batch.query_x, batch.query_y, strict=True)
    )
    torch.testing.assert_close(theirs / ours, torch.tensor(10 / method.outer.clip_value))


def test_each_claim_on_cost_has_its_two_points():
    paper = papers()["anil"]
    claims = [c for c in read_claims(paper.folder, paper.cells) if c.point]
    assert {c.cell for c in claims} == set(paper.cells)
    for claim in claims:
        groups = grid(paper.cells[claim.cell], "cpu", ["maml", "anil"], ["batched"], ["second"])
        points = [p for group in groups for p in group if p.inner_steps == 5]
        assert {(p.variant, p.family) for p in points} == {("maml", "maml"), ("anil", "anil")}
        assert {claim.point["variant"], claim.against["variant"]} == {"maml", "anil"}


def test_layers_that_do_not_exist_are_one_sentence():
    with pytest.raises(HarnessError, match=r"method.test_frozen_layers: found 5, wanted 0 to 4"):
        build(method__test_frozen_layers=5)


def test_what_explains_random_features_leaves_out_heads_with_other_metrics(tmp_path):
    made = plan(tmp_path, MINI, "random-nil")
    folder = run(made)
    kept = Kept(find_cell(f"anil/{MINI}"), folder, verify_files(folder), made.setup.device)
    [heads] = [r for r in explain(kept, Question()).rows if r.switch == "method.test_head"]
    assert (heads.instead, heads.effect) == ("adapted", None)
    assert heads.note == "gives accuracy@0, not accuracy"
