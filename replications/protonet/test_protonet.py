"""Prototypical Networks: analytic checks, the authors' schedule, resume, and a smoke training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.catalog import papers
from harness.models.pooled_conv4 import PooledConv4
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    assert_seen,
    switch_names,
)
from harness.paper_tests.toy_episodes import batch, generator, labels, one_task
from harness.protocol import read_switches
from harness.records.schema import read_record
from harness.run.loop import run
from harness.tasks.batch import SupervisedBatch
from replications.protonet.method import ProtoNet, logits, prototypes

CELLS = papers()["protonet"].cells
SEEN: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "distance": (THROUGHOUT, ()),
    "filters": (THROUGHOUT, (4, 8)),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "halve_every": (TRAINING, (1, 2)),
    "batch_norm_scale": (THROUGHOUT, ()),
    "batch_norm_test": (TESTING, ()),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


def build(seed: int = 0, **switches: Any) -> Any:
    table = CELLS["omniglot-5way-1shot"].variants["euclidean"]["method"]
    settings = read_switches(ProtoNet.Settings, {**table, "filters": 8, **switches}, "test")
    tasks = SimpleNamespace(image_shape=(1, 28, 28))
    return ProtoNet(settings, tasks, torch.device("cpu"), "", generator(seed))


def permuted(b: SupervisedBatch, order: Tensor) -> SupervisedBatch:
    """The same tasks with class c called `order[c]`, in the order of the new names."""

    def one(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        new = order[y]
        rows = new.argsort(dim=1, stable=True)
        return torch.stack([t[r] for t, r in zip(x, rows, strict=True)]), new.gather(1, rows)

    return SupervisedBatch(*one(b.support_x, b.support_y), *one(b.query_x, b.query_y))


def test_linear_embedding_by_hand() -> None:
    # Embedding x -> A x. Class 0 has (0,0) and (2,0), class 1 has (0,4) and (2,4).
    a = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    support = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]]]) @ a.T
    query = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]) @ a.T
    centres = prototypes(support, torch.tensor([[0, 0, 1, 1]]), 2)
    assert centres.tolist() == [[[1.0, 0.0], [1.0, 2.0]]]
    assert logits(query, centres, "squared-euclidean").tolist() == [[[-1.0, -1.0], [-8.0, -4.0]]]


def test_prototypes_do_not_need_ordered_support() -> None:
    x = torch.randn(2, 6, 3, generator=generator(), dtype=torch.float64)
    y = labels(2, 3, 2)
    order = torch.tensor([5, 0, 3, 1, 4, 2])
    torch.testing.assert_close(prototypes(x[:, order], y[:, order], 3), prototypes(x, y, 3))


def test_euclidean_is_a_linear_classifier() -> None:
    # Paper, section 2.4, equation 8: logits 2 c·x - |c|², but for a term that is the same for all.
    g = generator()
    q = torch.randn(3, 7, 5, generator=g, dtype=torch.float64)
    c = torch.randn(3, 4, 5, generator=g, dtype=torch.float64)
    linear = 2 * q @ c.transpose(1, 2) - c.square().sum(-1).unsqueeze(1)
    ours = logits(q, c, "squared-euclidean")
    torch.testing.assert_close(ours.softmax(-1), linear.softmax(-1), rtol=1e-12, atol=1e-12)


def test_cosine_logits() -> None:
    q = torch.tensor([[[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]])
    c = torch.tensor([[[5.0, 0.0]]])
    assert logits(q, c, "cosine").flatten().tolist() == [0.0, -1.0, -2.0]


@pytest.mark.parametrize("distance", ["squared-euclidean", "cosine"])
def test_class_names_do_not_matter(distance: str) -> None:
    method, b = build(distance=distance), batch(2, 5, 2, 3)
    other = permuted(b, torch.tensor([3, 0, 4, 2, 1]))
    for name, values in method.evaluate(b).items():
        torch.testing.assert_close(method.evaluate(other)[name], values)
    loss = method.train_step(b, 0)
    torch.testing.assert_close(build(distance=distance).train_step(other, 0), loss)


def test_encoder_is_the_plain_network() -> None:
    # Written as the paper draws it: convolution, batch norm, ReLU, pool, in contiguous memory.
    encoder = PooledConv4(3, 8, "uniform", generator()).double()
    x = torch.randn(4, 3, 32, 32, generator=generator(1), dtype=torch.float64)
    plain = nn.Sequential()
    for block, channels in zip(encoder.blocks, (3, 8, 8, 8), strict=True):
        conv, norm = nn.Conv2d(channels, 8, 3, padding=1).double(), nn.BatchNorm2d(8).double()
        conv.load_state_dict(block.convolution.state_dict())
        norm.load_state_dict(block.norm.state_dict())
        plain.extend([conv, norm, nn.ReLU(), nn.MaxPool2d(2)])
    plain.append(nn.Flatten())
    weight = torch.randn(4, 32, generator=generator(2), dtype=torch.float64)
    (encoder(x) * weight).sum().backward()
    (plain(x) * weight).sum().backward()
    for ours, theirs in zip(encoder.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(encoder.eval()(x), plain.eval()(x))  # running statistics moved alike


@pytest.mark.parametrize(("size", "numbers"), [(28, 64), (84, 1600)])
def test_embedding_size(size: int, numbers: int) -> None:
    encoder = PooledConv4(1, 64, "one", generator()).eval()
    assert encoder(torch.zeros(1, 1, size, size)).shape == (1, numbers)


def test_initial_weights_are_a_function_of_the_generator() -> None:
    torch.manual_seed(1)
    first, state = build(seed=7).weights(), torch.get_rng_state()
    torch.manual_seed(2)
    second, third = build(seed=7).weights(), build(seed=8).weights()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(
        first["blocks.0.convolution.weight"], third["blocks.0.convolution.weight"]
    )
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())  # the global state was not touched


def test_initial_weights_follow_torch() -> None:
    ours = PooledConv4(1, 64, "uniform", generator()).blocks
    for block, channels in zip(ours, (1, 64, 64, 64), strict=True):
        theirs = nn.Conv2d(channels, 64, 3).weight
        bound = (9 * channels) ** -0.5
        assert block.convolution.weight.abs().max() <= bound
        assert theirs.abs().max() <= bound
        assert block.convolution.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
        assert block.norm.weight.min() >= 0
        assert block.norm.weight.mean().item() == pytest.approx(0.5, abs=0.15)
    assert (PooledConv4(1, 8, "one", generator()).blocks[0].norm.weight == 1).all()


class _StepLR04:
    """StepLR of torch 0.4, after what its source does: after construction `last_epoch` is -1,
    and `step` raises it by one before it sets the rate."""

    def __init__(self, base: float, step_size: int, gamma: float) -> None:
        self.base, self.step_size, self.gamma, self.last_epoch = base, step_size, gamma, -1
        self.rate = base

    def step(self) -> None:
        self.last_epoch += 1
        self.rate = self.base * self.gamma ** (self.last_epoch // self.step_size)


def test_learning_rate_is_the_authors() -> None:
    method = build()
    schedule = _StepLR04(0.001, 20, 0.5)
    for epoch in range(250):
        schedule.step()  # the authors' `on_start_epoch`
        assert method.learning_rate(100 * epoch) == schedule.rate
        assert method.learning_rate(100 * epoch + 99) == schedule.rate
    assert method.learning_rate(1999) == 0.001
    assert method.learning_rate(2000) == 0.0005
    assert method.learning_rate(20000) < 1e-6
    method.before_step(4000)
    assert method.optimiser.param_groups[0]["lr"] == 0.00025


def test_train_step_is_the_textbook_step() -> None:
    # In float64: float32 hides nothing and proves nothing.
    ours, theirs, b = build(), build(), batch(1, 6, 2, 3)
    b = SupervisedBatch(b.support_x.double(), b.support_y, b.query_x.double(), b.query_y)
    ours.model.double()
    theirs.model.double()
    z = theirs.model.train()(torch.cat([b.support_x[0], b.query_x[0]]))
    centres = z[:12].view(6, 2, -1).mean(1)
    distances = torch.cdist(z[12:], centres, compute_mode="donot_use_mm_for_euclid_dist").square()
    log_p = F.log_softmax(-distances, 1)
    loss = -log_p.gather(1, b.query_y[0].unsqueeze(1)).mean()
    loss.backward()
    before = [p.detach().clone() for p in theirs.model.parameters()]
    ours.before_step(2000)
    torch.testing.assert_close(ours.train_step(b, 2000), loss.detach())
    pairs = zip(ours.model.parameters(), theirs.model.parameters(), before, strict=True)
    for mine, plain, start in pairs:
        torch.testing.assert_close(mine.grad, plain.grad, rtol=1e-8, atol=1e-12)
        # Adam's first step is rate * g / (|g| + eps); at episode 2000 the rate is halved.
        step = 0.0005 * mine.grad / (mine.grad.abs() + 1e-8)
        torch.testing.assert_close(mine.detach(), start - step, rtol=1e-9, atol=1e-9)


def test_resume_is_bit_exact() -> None:
    batches = [batch(1, 6, 1, 2, seed=i) for i in range(6)]
    straight, stopped = with_and_without_stop(build, batches, 3, lambda: build(seed=99))
    assert same_weights(straight, stopped)
    assert any("running_var" in k for k in straight)


def test_weights_are_copies_in_plain_layout() -> None:
    method = build()
    kept = method.weights()
    copies = {k: v.clone() for k, v in kept.items()}
    method.train_step(batch(1, 5, 1, 1), 0)
    assert all(torch.equal(kept[k], copies[k]) and kept[k].is_contiguous() for k in kept)


@pytest.mark.parametrize("statistics", ["running", "transductive"])
def test_evaluation_leaves_no_trace_and_does_not_depend_on_company(statistics: str) -> None:
    method, b = build(batch_norm_test=statistics), batch(3, 5, 1, 4)
    method.train_step(batch(1, 5, 1, 2, seed=5), 0)
    before = method.weights()
    together = method.evaluate(b)
    assert tuple(together) == method.metrics(method.settings)
    for i in range(3):
        for name, values in method.evaluate(one_task(b, i)).items():
            assert torch.equal(values[0], together[name][i])
    assert all(torch.equal(before[k], v) for k, v in method.weights().items())


@pytest.mark.parametrize("switch", switch_names(ProtoNet.Settings))
def test_each_switch_is_seen_where_it_works(switch: str) -> None:
    steps, test = [batch(1, 5, 2, 3, seed=i) for i in range(3)], batch(2, 5, 2, 3, seed=9)

    def make(**changed: Any) -> Any:
        # Running statistics of a few steps leave next to nothing of an embedding.
        return build(**{"batch_norm_test": "transductive", **changed})

    assert_seen(SEEN, ProtoNet.Settings, switch, make, steps, test)


def test_running_statistics_are_inductive() -> None:
    # A query's loss must not depend on the other queries, and does when testing is transductive.
    b = batch(1, 5, 1, 2)
    for statistics, same in (("running", True), ("transductive", False)):
        method = build(batch_norm_test=statistics)
        together, alone = method.evaluate(b)["loss"], 0.0
        for x, y in zip(b.query_x.split(1, 1), b.query_y.split(1, 1), strict=True):
            one = SupervisedBatch(b.support_x, b.support_y, x, y)
            alone += float(method.evaluate(one)["loss"]) / b.query_y.numel()
        assert (float(together) == pytest.approx(alone, rel=1e-4)) is same


def test_batch_norms_start_as_the_name_says() -> None:
    for how in ("one", "uniform"):
        scales = torch.cat([x.norm.weight for x in build(batch_norm_scale=how).model.blocks])
        assert bool((scales == 1).all()) is (how == "one")


def by_hand(encoder: PooledConv4, images: Tensor, source: slice) -> Tensor:
    """Embed images, each batch norm by the statistics of those in `source`."""
    x = images
    for block in encoder.blocks:
        x, norm = block.convolution(x), block.norm
        mean = x[source].mean((0, 2, 3)).view(-1, 1, 1)
        deviation = (x[source].var((0, 2, 3), correction=0) + norm.eps).sqrt().view(-1, 1, 1)
        x = (x - mean) / deviation * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
        x = F.max_pool2d(F.relu(x), 2)
    return x.flatten(1)


def test_query_images_are_normalised_as_the_name_says() -> None:
    b = batch(1, 5, 1, 4)
    support, query = b.support_x[0], b.query_x[0]
    for how in ("support-only", "support-plus-one", "one-at-a-time"):
        method = build(batch_norm_test=how)
        encoder = method.model.eval()
        with torch.no_grad():
            embedded = method._embedded(support, query)
            wanted = [by_hand(encoder, support, slice(None))]
            for x in query.unsqueeze(1):
                both = torch.cat([support, x])
                source = {"support-only": slice(0, 5), "one-at-a-time": slice(5, 6)}
                # One image alone: the support set may stand beside it, and has no say.
                wanted.append(by_hand(encoder, both, source.get(how, slice(None)))[-1:])
        torch.testing.assert_close(embedded, torch.cat(wanted), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("distance", ["squared-euclidean", "cosine"])
def test_smoke_training(distance: str) -> None:
    method = build(distance=distance)
    held_out = batch(4, 5, 1, 3, seed=1000)
    before = method.evaluate(held_out)["loss"].mean()
    for i in range(30):
        loss = method.train_step(batch(1, 10, 1, 2, seed=i), i)
        assert loss.shape == ()
        assert not loss.requires_grad
    scores = method.evaluate(held_out)
    assert scores["accuracy"].shape == (4,)
    assert scores["accuracy"].mean() > 60  # chance is 20
    assert scores["loss"].mean() < before


def test_cells_share_their_training() -> None:
    for shots in (1, 5):
        for variant in ("euclidean", "cosine"):
            five = CELLS[f"omniglot-5way-{shots}shot"].variants[variant]
            twenty = CELLS[f"omniglot-20way-{shots}shot"].variants[variant]
            assert five["method"] == twenty["method"]
            assert five["training"] == twenty["training"]
            assert {**five["tasks"], "test_ways": 20} == twenty["tasks"]
            assert {five["tasks"][f"{s}_shots"] for s in ("train", "val", "test")} == {shots}


def test_published_lines_on_omniglot_answer_to_euclidean_only() -> None:
    omniglot = {k: c for k, c in CELLS.items() if k.startswith("omniglot")}
    values = {k: c.published[0].value for k, c in omniglot.items()}
    assert list(values.values()) == [98.8, 99.7, 96.0, 98.9]
    assert {v for c in omniglot.values() for p in c.published for v in p.variants} == {"euclidean"}


@pytest.mark.parametrize(
    ("shots", "best", "euclidean"), [(1, 49.42, {5, 20, 30}), (5, 68.20, {5, 20})]
)
def test_mini_imagenet_rows_are_those_of_the_tables(
    shots: int, best: float, euclidean: set[int]
) -> None:
    cell = CELLS[f"mini-imagenet-5way-{shots}shot"]
    table = {name: cell.variant(name) for name in cell.variants}
    ways = {name: v.tasks.train_ways for name, v in table.items()}
    assert {w for name, w in ways.items() if name.startswith("euclidean")} == euclidean
    assert {w for name, w in ways.items() if name.startswith("cosine")} == {5, 20}
    for name, v in table.items():
        assert v.method.distance == ("cosine" if "cosine" in name else "squared-euclidean")
        assert name in ("euclidean", f"{name.split('-')[0]}-{ways[name]}way")
        assert v.tasks.train_shots == v.tasks.test_shots == shots
        assert (v.tasks.train_queries, v.tasks.test_queries, v.testing.tasks) == (15, 15, 600)
        assert v.training.selection == "best-validation"
        assert f"trained {ways[name]}-way {shots}-shot" in {
            part
            for line in cell.published
            if name in line.variants
            for part in line.note.replace(";", ",").split(",")
        }
    assert ways["euclidean"] == max(ways.values())
    assert [p.value for p in cell.published if "euclidean" in p.variants] == [best]


@pytest.mark.parametrize("cell", ["mini-imagenet-5way-1shot", "mini-imagenet-5way-5shot"])
def test_smoke_run_on_colour_images(cell: str, tmp_path: Path) -> None:
    small = {
        "tasks.dataset": "textures",
        "tasks.image_size": 16,
        "tasks.resize_filter": "none",
        "tasks.train_ways": 6,
        "tasks.train_queries": 2,
        "tasks.val_queries": 2,
        "tasks.test_queries": 3,
        "method.filters": 4,
        "training.validate_every": 1,
    }
    plan = smoke_plan(tmp_path, f"protonet/{cell}", "euclidean", small)
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    assert record.selected_iteration == 1  # the validation look; there is no second training
    assert set(record.metrics) == {"accuracy", "loss"}
