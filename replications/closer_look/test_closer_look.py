"""A Closer Look's baselines: heads against torch's own modules, smoke runs, resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from harness.catalog import papers
from harness.errors import HarnessError
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan
from harness.paper_tests.toy_episodes import generator
from harness.protocol import read_switches
from harness.records.schema import read_record
from harness.run.loop import run
from harness.run.plan import Plan
from harness.tasks.batch import SupervisedBatch
from replications.closer_look.heads import HeadSGD, fit_heads, head_scores, nearest, new_head
from replications.closer_look.method import Baseline
from replications.closer_look.tasks import LabelledBatch

CELLS = papers()["closer_look"].cells
ONE_SHOT = CELLS["mini-imagenet-5way-1shot"]
SMALL = {
    "tasks.dataset": "textures",
    "tasks.image_size": 16,
    "method.filters": 4,
    "method.test_epochs": 5,
}
SGD = HeadSGD(epochs=3, batch=4, rate=0.05, momentum=0.9, dampening=0.9, weight_decay=0.01)


def plan(tmp_path: Path, variant: str, cell: str = "mini-imagenet-5way-1shot", **more: Any) -> Plan:
    return smoke_plan(tmp_path, f"closer_look/{cell}", variant, SMALL, **more)


def build(variant: str = "baseline", **more: Any) -> tuple[Any, Any]:
    return smoke_method("closer_look/mini-imagenet-5way-1shot", variant, SMALL, **more)


class TorchHead(nn.Module):
    """The classifiers with torch's own modules, as the authors write them."""

    def __init__(self, kind: str, outputs: int, features: int) -> None:
        super().__init__()
        self.cosine = kind == "cosine"
        linear = nn.Linear(features, outputs, bias=not self.cosine, dtype=torch.float64)
        self.linear = weight_norm(linear, dim=0) if self.cosine else linear

    def forward(self, x: Tensor) -> Tensor:
        if self.cosine:
            x = 2 * x / (x.norm(dim=1, keepdim=True) + 1e-5)
        out: Tensor = self.linear(x)
        return out

    def start(self, head: dict[str, Tensor]) -> None:
        """Take our weights; torch's weight normalisation calls them original0 and original1."""
        theirs = dict(self.linear.named_parameters())
        names = {"original0": "length", "original1": "direction"}
        with torch.no_grad():
            for name, p in theirs.items():
                p.copy_(head[names.get(name.split(".")[-1], name)])


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_heads_are_fitted_as_torch_fits_each(kind: str) -> None:
    # Three tasks at once against a loop of torch modules and torch.optim.SGD, in float64.
    z = torch.randn(3, 10, 7, generator=generator(), dtype=torch.float64)
    y = torch.stack([torch.randperm(10, generator=generator(t)) % 5 for t in range(3)])
    start = {k: v.double() for k, v in new_head(kind, 5, 7, generator(1)).items()}
    ours = fit_heads(start, z, y, SGD, 2.0, generator(2))
    queries = torch.randn(3, 6, 7, generator=generator(3), dtype=torch.float64)
    scores = head_scores(ours, queries, 2.0)
    for t in range(3):
        theirs = TorchHead(kind, 5, 7)
        theirs.start(start)
        sgd = torch.optim.SGD(
            theirs.parameters(), lr=0.05, momentum=0.9, dampening=0.9, weight_decay=0.01
        )
        orders = generator(2)
        for _ in range(3):
            for rows in torch.randperm(10, generator=orders).split(4):
                sgd.zero_grad()
                F.cross_entropy(theirs(z[t, rows]), y[t, rows]).backward()
                sgd.step()
        torch.testing.assert_close(scores[t], theirs(queries[t]), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("variant", ["baseline", "baseline-plus-plus", "nearest-neighbour"])
def test_heads_are_fitted_with_the_settings_of_the_authors_code(variant: str) -> None:
    # SMALL sets 5 epochs; the rest is that of the cell.
    method, _ = build(variant)
    assert method._sgd() == HeadSGD(
        epochs=5, batch=4, rate=0.01, momentum=0.9, dampening=0.9, weight_decay=0.001
    )
    other = build(variant, method__test_rate=0.3, method__test_batch=7)[0]._sgd()
    assert (other.rate, other.batch) == (0.3, 7)


def test_one_step_of_a_linear_head_by_hand() -> None:
    # From zero weights every class has probability 1/2; the gradient is (p - onehot) z.
    z = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    start = {"weight": torch.zeros(2, 2), "bias": torch.zeros(2)}
    once = HeadSGD(epochs=1, batch=2, rate=1.0, momentum=0.9, dampening=0.9, weight_decay=0.0)
    head = fit_heads(start, z, torch.tensor([[0, 1]]), once, 1.0, generator())
    assert head["weight"].tolist() == [[[0.25, -0.5], [-0.25, 0.5]]]
    assert head["bias"].tolist() == [[0.0, 0.0]]


def test_cosine_scores_do_not_depend_on_the_length_of_features() -> None:
    head = {k: v.double() for k, v in new_head("cosine", 3, 4, generator()).items()}
    z = torch.randn(5, 4, generator=generator(1), dtype=torch.float64)
    torch.testing.assert_close(head_scores(head, z, 2.0), head_scores(head, 9 * z, 2.0), rtol=1e-4,
                               atol=1e-6)  # fmt: skip
    unit = head["direction"] / head["direction"].norm(dim=1, keepdim=True)
    cosine = F.normalize(z, dim=1) @ unit.T
    wanted = 2 * cosine * head["length"].T
    torch.testing.assert_close(head_scores(head, z, 2.0), wanted, rtol=1e-4, atol=1e-6)


def test_nearest_by_hand() -> None:
    # By cosine [3, 1] is next to [10, 0], though [2, 2] is nearer in the plane.
    z = torch.tensor([[[10.0, 0.0], [2.0, 2.0]]])
    queries = torch.tensor([[[3.0, 1.0], [1.0, 3.0], [0.1, 0.0]]])
    assert nearest(z, torch.tensor([[4, 2]]), queries).tolist() == [[4, 2, 4]]


@pytest.mark.parametrize("variant", ONE_SHOT.variants)
def test_smoke_run(tmp_path: Path, variant: str) -> None:
    record = read_record(run(plan(tmp_path, variant)) / "record.json")
    assert record.status == "finished"
    assert set(record.metrics) == {"accuracy"}
    assert record.measurement["operations_per_step"] > 0


@pytest.mark.parametrize("variant", ["baseline", "baseline-plus-plus", "nearest-neighbour"])
def test_a_short_training_beats_chance_by_far(variant: str) -> None:
    faster = {"method__filters": 8, "method__learning_rate": 0.01}
    method, tasks = build(variant, tasks__train_least_area=1.0, method__test_epochs=200, **faster)
    losses = [float(method.train_step(tasks.batch("train", 32 * i, 32), i)) for i in range(60)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    tasks.end_training()
    assert method.evaluate(tasks.batch("test", 0, 20))["accuracy"].mean() > 40  # chance is 20


def test_train_step_is_adam_on_the_mean_cross_entropy() -> None:
    method, tasks = build("baseline-plus-plus")
    batch = tasks.batch("train", 0, 6)
    batch = LabelledBatch(batch.x.double(), batch.y)
    method.encoder.double()
    for p in method.head.values():
        p.data = p.data.double()
    before = {k: p.detach().clone() for k, p in method.head.items()}
    method.encoder.train()
    cosine = F.normalize(method.encoder(batch.x), dim=1) @ F.normalize(before["direction"], dim=1).T
    loss = F.cross_entropy(2 * cosine * before["length"].T, batch.y)
    torch.testing.assert_close(method.train_step(batch, 0), loss.detach(), rtol=1e-4, atol=1e-5)
    for name, p in method.head.items():
        step = 0.001 * p.grad / (p.grad.abs() + 1e-8)
        torch.testing.assert_close(p.detach(), before[name] - step)


def test_initial_weights_are_the_authors() -> None:
    method, _ = build(method__filters=64, tasks__image_size=84)
    for block in method.encoder.blocks:
        sd = (2 / (9 * 64)) ** 0.5
        assert block.convolution.weight.std().item() == pytest.approx(sd, rel=0.1)
        assert (block.norm.weight == 1).all()
    assert method.head["weight"].shape == (200, 1600)
    assert method.head["weight"].abs().max() <= 1 / 40
    assert not method.head["bias"].any()
    again, _ = build(method__filters=64, tasks__image_size=84)
    assert all(torch.equal(v, again.weights()[k]) for k, v in method.weights().items())


@pytest.mark.parametrize("variant", ["baseline", "baseline-plus-plus"])
def test_training_goes_on_bit_for_bit(variant: str) -> None:
    tasks = build(variant)[1]
    batches = [tasks.batch("train", 16 * i, 16) for i in range(4)]
    assert same_weights(*with_and_without_stop(lambda: build(variant)[0], batches, 2))


@pytest.mark.parametrize("variant", ["baseline", "baseline-plus-plus", "nearest-neighbour"])
def test_scores_do_not_depend_on_company_and_leave_no_trace(variant: str) -> None:
    method, tasks = build(variant, method__test_epochs=3)
    method.train_step(tasks.batch("train", 0, 16), 0)
    tasks.end_training()
    before = method.weights()
    together = method.evaluate(tasks.batch("test", 0, 4))["accuracy"]
    apart = [method.evaluate(tasks.batch("test", i, 1))["accuracy"] for i in range(4)]
    assert torch.equal(together, torch.cat(apart))
    assert all(torch.equal(before[k], v) for k, v in method.weights().items())


def test_a_query_does_not_see_the_others() -> None:
    method, tasks = build()
    method.train_step(tasks.batch("train", 0, 16), 0)
    tasks.end_training()
    b = tasks.batch("test", 0, 1)
    each = [
        SupervisedBatch(b.support_x, b.support_y, b.query_x[:, i : i + 1], b.query_y[:, i : i + 1])
        for i in range(b.query_y.shape[1])
    ]
    alone = torch.stack([method.evaluate(one)["accuracy"] for one in each]).mean(0)
    torch.testing.assert_close(alone, method.evaluate(b)["accuracy"])


def test_cells_and_the_nearest_neighbour_share_the_training_of_the_baseline() -> None:
    digests = {
        name: {plan(Path(), name, cell).setup.training_digest() for cell in CELLS}
        for name in ("baseline", "nearest-neighbour", "baseline-plus-plus")
    }
    assert digests["baseline"] == digests["nearest-neighbour"]
    assert [len(own) for own in digests.values()] == [1, 1, 1]
    assert digests["baseline"] != digests["baseline-plus-plus"]


def test_lengths_are_400_epochs_and_30_000_mini_batches() -> None:
    for cell in CELLS.values():
        for name in cell.variants:
            v = cell.variant(name)
            images = 30_000 * 64 if name == "nearest-neighbour-ravi" else 400 * 64 * 600
            assert v.training.iterations * v.training.meta_batch == images


def test_too_few_outputs_are_one_sentence() -> None:
    with pytest.raises(HarnessError, match=r"method.outputs: found 63, wanted at least 64"):
        build(method__outputs=63)


def test_settings_have_no_default() -> None:
    with pytest.raises(HarnessError, match="'classifier' is not set"):
        read_switches(Baseline.Settings, {}, "method")
