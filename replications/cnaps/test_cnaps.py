"""CNAPs: FiLM against the plain extractor, sets without order, phases, resume, and smoke runs."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.catalog import find_cell, papers
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan
from harness.paper_tests.toy_episodes import (
    coarse_images,
    generator,
    noisy_copies,
    one_task,
)
from harness.protocol import read_switches
from harness.records.schema import read_record
from harness.run.loop import run
from harness.tasks.batch import EpisodeBatch, SupervisedBatch
from replications.cnaps.extractor import Extractor
from replications.cnaps.method import Cnaps
from replications.cnaps.networks import FilmLayer, LinearClassifier, SetEncoder

CELL = find_cell("cnaps/omniglot-5way-1shot")
VARIANTS = tuple(CELL.variants)
IDS = np.array([2, 3, 5, 8, 11, 13])


def build(variant: str = "film", seed: int = 0, **switches: Any) -> Any:
    table = CELL.variants[variant]["method"]
    small = {"widths": [6, 8, 4], "encoder_filters": 5, "encoder_blocks": 2}
    settings = read_switches(Cnaps.Settings, {**table, **small, **switches}, "test")
    tasks = SimpleNamespace(image_shape=(1, 12, 12), class_ids=lambda split: IDS)
    return Cnaps(settings, tasks, torch.device("cpu"), "", generator(seed))


def batch(tasks: int, ways: int, shots: int, queries: int, seed: int = 0) -> EpisodeBatch:
    """Noisy copies of one image for each of six classes: tasks that can be learnt."""
    g = generator(seed)
    known = coarse_images(len(IDS), scale=3, g=generator(77))
    chosen = torch.stack([torch.randperm(len(IDS), generator=g)[:ways] for _ in range(tasks)])
    b, ids = noisy_copies(known[chosen], shots, queries, g), torch.from_numpy(IDS)[chosen]
    return EpisodeBatch(b.support_x, b.support_y, b.query_x, b.query_y, ids)


def trained_extractor() -> Extractor:
    """An extractor whose running statistics, scales and offsets are not those of the start."""
    net = Extractor(2, (6, 8, 4), generator()).double()
    for norm in net.norms:
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.normal_(norm.weight, generator=generator(1))
        nn.init.normal_(norm.bias, generator=generator(2))
        norm.running_mean.normal_(generator=generator(3))
        norm.running_var.uniform_(0.5, 2, generator=generator(4))
    return net.eval()


def sets(seed: int = 5) -> Tensor:
    return torch.randn(3, 4, 2, 12, 12, generator=generator(seed), dtype=torch.float64)


def test_film_of_one_and_zero_is_the_frozen_extractor() -> None:
    net, x = trained_extractor(), sets()
    plain = torch.stack([net(task) for task in x])
    neutral = [(torch.ones(3, n).double(), torch.zeros(3, n).double()) for n in (6, 8, 4)]
    torch.testing.assert_close(net.embed(x, neutral), plain)
    torch.testing.assert_close(net.embed(x, [None] * 3), plain)


def test_film_acts_after_batch_norm_and_before_relu_task_by_task() -> None:
    net, x = trained_extractor(), sets()
    g = generator(6)
    films = [tuple(torch.randn(2, 3, n, generator=g).double()) for n in (6, 8, 4)]
    by_hand = []
    for t, h in enumerate(x):
        for conv, norm, (gamma, beta) in zip(net.convolutions, net.norms, films, strict=True):
            h = norm(conv(h))
            h = F.relu(gamma[t].view(-1, 1, 1) * h + beta[t].view(-1, 1, 1))
            h = F.max_pool2d(h, 2)
        by_hand.append(h.mean((-2, -1)))
    torch.testing.assert_close(net.embed(x, films), torch.stack(by_hand))


def test_without_its_learned_sizes_film_leaves_the_extractor_as_it_is() -> None:
    method, plain, b = build(), build("no-adaptation"), batch(2, 3, 2, 2)
    plain.extractor.load_state_dict(method.extractor.state_dict())
    plain.model["classifier"].load_state_dict(method.model["classifier"].state_dict())
    assert not torch.equal(method._logits(b), plain._logits(b))
    with torch.no_grad():
        for layer in method.model["films"]:
            for size in layer.sizes.values():
                size.zero_()
    torch.testing.assert_close(method._logits(b), plain._logits(b))


def test_the_set_encoder_does_not_see_an_order_nor_other_tasks() -> None:
    net = SetEncoder(2, 5, 2, generator()).double()
    x = sets()
    encoded = net(x)
    torch.testing.assert_close(net(x[:, [2, 0, 3, 1]]), encoded, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(net(x[:, :3]), encoded)
    torch.testing.assert_close(net(x[1:2]), encoded[1:2])


@pytest.mark.parametrize("local", [0, 6])
def test_film_parameters_do_not_see_an_order(local: int) -> None:
    layer = FilmLayer(5, local, 8, generator()).double()
    g = generator(1)
    task = torch.randn(3, 5, generator=g, dtype=torch.float64)
    support = torch.randn(3, 4, 6, generator=g, dtype=torch.float64) if local else None
    moved = None if support is None else support[:, [2, 0, 3, 1]]
    for one, other in zip(layer(task, support), layer(task, moved), strict=True):
        torch.testing.assert_close(one, other)
    alone = layer(task[1:2], None if support is None else support[1:2])
    torch.testing.assert_close(alone[0], layer(task, support)[0][1:2])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_order_of_the_support_set_does_not_matter(variant: str) -> None:
    method, b = build(variant), batch(2, 3, 3, 2)
    order = torch.randperm(9, generator=generator(3))
    other = SupervisedBatch(b.support_x[:, order], b.support_y[:, order], b.query_x, b.query_y)
    torch.testing.assert_close(method._logits(other), method._logits(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_query_does_not_see_the_others(variant: str) -> None:
    method, b = build(variant), batch(2, 3, 1, 4)
    half = SupervisedBatch(b.support_x, b.support_y, b.query_x[:, :5], b.query_y[:, :5])
    torch.testing.assert_close(method._logits(half), method._logits(b)[:, :5])


def test_auto_regressive_films_see_what_lies_below_as_adapted() -> None:
    method, b = build("film-auto-regressive"), batch(1, 3, 2, 1)
    with torch.no_grad():
        method.model["films"][0].sizes["beta"].fill_(5.0)
    x = method.extractor.block(0, b.support_x, None)
    films, features = method._adapt(b.support_x, x)
    task = method.model["encoder"](b.support_x)
    h = method.extractor.block(1, x, films[0])
    by_hand = method.model["films"][1](task, h.mean((-2, -1)))
    torch.testing.assert_close(films[1], by_hand)
    unadapted = method.extractor.block(1, x, None)
    assert not torch.allclose(
        films[1][1], method.model["films"][1](task, unadapted.mean((-2, -1)))[1]
    )
    again = method.extractor.embed(b.support_x, [None, *films])
    torch.testing.assert_close(again, features)


def test_classifier_is_inferred_class_by_class() -> None:
    net = LinearClassifier(4, generator()).double()
    means = torch.randn(2, 3, 4, generator=generator(1), dtype=torch.float64)
    weight, bias = net(means)
    assert (weight.shape, bias.shape) == ((2, 3, 4), (2, 3, 1))
    torch.testing.assert_close(net(means[:, 1:2])[0], weight[:, 1:2])
    by_hand = means[0, 2]
    for i in (0, 2, 4):
        by_hand = net.weight[i](by_hand)
        by_hand = F.elu(by_hand) if i < 4 else by_hand
    torch.testing.assert_close(weight[0, 2], by_hand + means[0, 2])


def test_pretraining_is_plain_classification_of_all_training_classes() -> None:
    ours, theirs, b = build(), build(), batch(2, 3, 2, 1)
    images = torch.cat([b.support_x, b.query_x], 1).flatten(0, 1)
    known = [
        IDS.tolist().index(int(b.classes[t, y]))
        for t in range(2)
        for y in (0, 0, 1, 1, 2, 2, 0, 1, 2)
    ]
    logits = theirs.head(theirs.extractor.train()(images))
    wanted = F.cross_entropy(logits, torch.tensor(known))
    assert theirs.head.out_features == len(IDS)
    torch.testing.assert_close(ours.train_step(b, 0), wanted.detach())
    assert ours.optimisers["pretrain"].param_groups[0]["lr"] == 0.001
    ours.train_step(b, 1500)
    assert ours.optimisers["pretrain"].param_groups[0]["lr"] == pytest.approx(0.00025)


def test_all_variants_pretrain_the_same_extractor() -> None:
    methods = [build(variant) for variant in VARIANTS]
    for i in range(3):
        for method in methods:
            method.train_step(batch(2, 3, 2, 2, seed=i), i)
    first, *others = ({**m.extractor.state_dict(), **m.head.state_dict()} for m in methods)
    assert not torch.equal(first["convolutions.0.weight"], build().extractor.convolutions[0].weight)
    assert len(others) == 2
    assert all(same_weights(first, other) for other in others)


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_phase_trains_its_own_part(variant: str) -> None:
    method, b = build(variant, pretrain_iterations=1), batch(2, 3, 2, 2)
    states = [method.weights()]
    for i in range(2):
        method.train_step(b, i)
        states.append(method.weights())
    moved = [{k for k in s if not torch.equal(s[k], n[k])} for s, n in pairwise(states)]
    extractor = {k for k in states[0] if k.startswith("extractor.")}
    assert moved[0] == extractor
    # A softmax does not see what is added to the logits of all classes: no gradient but rounding.
    common = {"classifier.bias.4.bias"}
    assert moved[1] | common == set(states[0]) - extractor
    assert method.head.weight.grad is not None


def test_meta_loss_is_weighed_as_the_authors_do() -> None:
    method, b = build(pretrain_iterations=0, film_penalty=0.3), batch(2, 3, 1, 2)
    logits = method._logits(b)
    loss = F.cross_entropy(logits.flatten(0, 1), b.query_y.flatten(), reduction="sum") / 2
    for layer in method.model["films"]:
        for size in layer.sizes.values():
            loss = loss + 2 * 0.3 * (size**2).sum()
    parameters = list(method.model.parameters())
    wanted = torch.autograd.grad(loss, parameters)
    method.train_step(b, 0)
    for parameter, gradient in zip(parameters, wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_resume_is_bit_exact_in_both_phases() -> None:
    def fresh() -> Any:
        return build("film-auto-regressive", pretrain_iterations=3)

    batches = [batch(2, 3, 1, 2, seed=i) for i in range(6)]
    for stop in (2, 4):
        assert same_weights(*with_and_without_stop(fresh, batches, stop))


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_learns(variant: str) -> None:
    switches = {"pretrain_iterations": 30, "pretrain_rate": 0.01, "learning_rate": 0.01}
    method, held_out = build(variant, **switches), batch(20, 3, 1, 3, seed=1000)
    before = method.evaluate(held_out)
    for i in range(60):
        loss = method.train_step(batch(4, 3, 1, 3, seed=i), i)
        assert loss.shape == ()
        assert not loss.requires_grad
    scores = method.evaluate(held_out)
    assert tuple(scores) == method.metrics(method.settings)
    assert scores["accuracy"].mean() > 70  # chance is 33
    assert scores["loss"].mean() < before["loss"].mean()
    alone = one_task(held_out, 3)
    assert all(torch.equal(v[0], scores[k][3]) for k, v in method.evaluate(alone).items())


@pytest.mark.parametrize(
    ("cell", "variant", "dataset", "size"),
    [
        *[("omniglot-5way-1shot", v, "glyphs", 28) for v in VARIANTS],
        ("mini-imagenet-5way-5shot", "film", "textures", 32),
    ],
)
def test_smoke_run_of(tmp_path: Any, cell: str, variant: str, dataset: str, size: int) -> None:
    changed = {
        "tasks.dataset": dataset,
        "tasks.image_size": size,
        "training.meta_batch": 2,
        "method.widths": [8, 8, 8],
        "method.pretrain_iterations": 1,
    }
    if dataset == "textures":
        changed["tasks.resize_filter"] = "none"
    plan = smoke_plan(tmp_path, f"cnaps/{cell}", variant, changed)
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    assert {"accuracy", "loss"} <= set(record.metrics)


def test_meta_dataset_is_quoted_and_not_run() -> None:
    quoted = papers()["cnaps"].cells["meta-dataset"]
    assert not quoted.variants
    assert len(quoted.published) == 52
    assert not any(line.variants for line in quoted.published)
