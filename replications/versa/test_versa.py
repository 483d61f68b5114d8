"""VERSA: closed forms of the predictive, the network set by set, noise, resume, and smoke runs."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.catalog import papers
from harness.models.class_means import class_means
from harness.noise import step_generator, task_normals
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan
from harness.paper_tests.toy_episodes import batch, generator, one_task
from harness.protocol import read_switches
from harness.records.schema import read_record
from harness.run.loop import run
from replications.versa.features import Features, dropped, truncated_glorot_
from replications.versa.method import Versa
from replications.versa.posterior import Amortised, log_predictive, logit_moments, sampled_logits

CELLS = papers()["versa"].cells


def build(seed: int = 0, size: int = 28, **switches: Any) -> Any:
    table = CELLS["omniglot-5way-1shot"].variants["versa"]["method"]
    settings = read_switches(Versa.Settings, {**table, "filters": 8, **switches}, "test")
    tasks = SimpleNamespace(image_shape=(1, size, size))
    return Versa(settings, tasks, torch.device("cpu"), "", generator(seed))


def without_variance(posterior: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: torch.full_like(v, -math.inf) if "var" in k else v for k, v in posterior.items()}


def test_without_variance_it_is_a_linear_head() -> None:
    g = generator()
    amortised = Amortised(6, g).double()
    support = torch.randn(2, 8, 6, generator=g, dtype=torch.float64)
    queries = torch.randn(2, 7, 6, generator=g, dtype=torch.float64)
    y = torch.arange(4).repeat_interleave(2).expand(2, -1)
    posterior = without_variance(amortised(class_means(support, y)))
    normals = torch.randn(2, 10, 7, 4, generator=g, dtype=torch.float64)
    scores = log_predictive(sampled_logits(posterior, queries, normals))
    for t in range(2):
        means = torch.stack([support[t, 2 * c : 2 * c + 2].mean(0) for c in range(4)])
        networks = amortised.networks
        head = nn.Linear(6, 4).double()
        with torch.no_grad():
            head.weight.copy_(networks["weight_mean"](means))
            head.bias.copy_(networks["bias_mean"](means).flatten())
        torch.testing.assert_close(scores[t], F.log_softmax(head(queries[t]), -1))


def test_predictive_of_two_classes_against_a_numerical_integral() -> None:
    # Scalar feature f, weights w_c ~ N(m_c, s_c²), biases b_c ~ N(k_c, r_c²). The difference of the
    # two logits is Gaussian, so p(class 0) is an integral of the logistic function over a line.
    f, m, s, k, r = 0.7, (1.3, -0.4), (0.9, 1.1), (0.2, -0.1), (0.3, 0.5)
    mean = f * (m[0] - m[1]) + k[0] - k[1]
    deviation = math.sqrt(f**2 * (s[0] ** 2 + s[1] ** 2) + r[0] ** 2 + r[1] ** 2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    logistic = 1 / (1 + np.exp(-(mean + deviation * nodes)))
    p = float(weights @ logistic) / math.sqrt(2 * math.pi)
    spread = math.sqrt(float(weights @ logistic**2) / math.sqrt(2 * math.pi) - p**2)

    def column(values: tuple[float, float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(1, 2, 1)

    posterior = {
        "weight_mean": column(m),
        "weight_log_variance": 2 * column(s).log(),
        "bias_mean": column(k),
        "bias_log_variance": 2 * column(r).log(),
    }
    queries = torch.tensor([[[f]]], dtype=torch.float64)
    samples = 200_000
    normals = torch.randn(1, samples, 1, 2, generator=generator(), dtype=torch.float64)
    probabilities = log_predictive(sampled_logits(posterior, queries, normals)).flatten().exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)
    assert abs(probabilities[0].item() - p) < 4 * spread / math.sqrt(samples)
    # Not the softmax of the mean logits: the average over the posterior is less sure.
    assert probabilities[0].item() < 1 / (1 + math.exp(-mean)) - 0.02


def test_logits_have_the_law_that_sampled_weights_give() -> None:
    g = generator()
    posterior = Amortised(3, g).double()(torch.randn(1, 2, 3, generator=g, dtype=torch.float64))
    posterior = {k: v.detach() for k, v in posterior.items()}
    q = torch.randn(1, 5, 3, generator=g, dtype=torch.float64)

    def samples(of: str, size: int) -> Tensor:
        noise = torch.randn(100_000, 2, size, generator=g, dtype=torch.float64)
        return posterior[f"{of}_mean"] + noise * (posterior[f"{of}_log_variance"] / 2).exp()

    logits = q @ samples("weight", 3).mT + samples("bias", 1).mT
    mean, variance = logit_moments(posterior, q)
    assert (logits.mean(0) - mean[0]).abs().max() < 4.5 * (variance.max() / 100_000).sqrt()
    torch.testing.assert_close(logits.var(0), variance[0], rtol=0.03, atol=0)


def test_average_is_of_probabilities_not_of_their_logarithms() -> None:
    logits = torch.tensor([[[[0.0, 0.0]], [[math.log(3), 0.0]]]])  # 1/2 and 3/4
    assert log_predictive(logits).exp().flatten().tolist() == pytest.approx([5 / 8, 3 / 8])


def test_a_class_is_inferred_from_its_own_examples_only() -> None:
    method, b = build(), batch(1, 3, 2, 1)
    features = method.model["features"](b.support_x)
    before = method.model["amortised"](class_means(features, b.support_y))
    features[0, 4:] += 1  # class 2
    after = method.model["amortised"](class_means(features, b.support_y))
    for name in before:
        assert torch.equal(before[name][:, :2], after[name][:, :2])
        assert not torch.equal(before[name][:, 2], after[name][:, 2])


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_network_is_the_authors_set_by_set(padding: Any) -> None:
    # Convolution, batch norm, ReLU, pool in the authors' order, for each set alone, in float64.
    net = Features(3, 4, 3, padding, generator()).double()
    images = torch.randn(2, 3, 3, 20, 20, generator=generator(1), dtype=torch.float64)
    weight = torch.randn(2, 3, net.size(20), generator=generator(2), dtype=torch.float64)
    with torch.no_grad():
        for norm in net.norms:
            norm.offset.normal_(generator=generator(3))
    (net(images) * weight).sum().backward()
    gradients = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    alone = []
    for x in images:
        for conv, norm in zip(net.convolutions, net.norms, strict=True):
            h = conv(x)
            mean = h.mean((0, 2, 3), keepdim=True)
            var = h.var((0, 2, 3), correction=0, keepdim=True)
            h = F.relu((h - mean) / (var + 1e-5).sqrt() + norm.offset.view(1, -1, 1, 1))
            odd = h.shape[-1] % 2 if padding == "same" else 0
            x = F.max_pool2d(F.pad(h, (0, odd, 0, odd), value=-math.inf), 2)
        alone.append(x.flatten(1))
    torch.testing.assert_close(net(images), torch.stack(alone))
    (torch.stack(alone) * weight).sum().backward()
    for ours, p in zip(gradients, net.parameters(), strict=True):
        torch.testing.assert_close(ours, p.grad, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("blocks", "padding", "size"), [(4, "same", 28), (5, "valid", 84)])
def test_features_are_256(blocks: int, padding: Any, size: int) -> None:
    net = Features(1, 64, blocks, padding, generator())
    assert net(torch.zeros(1, 1, 1, size, size)).shape == (1, 1, 256) == (1, 1, net.size(size))


def test_dropout_drops_as_often_as_it_says_and_keeps_the_mean() -> None:
    for keep in (0.9, 0.5):
        x = torch.empty(1001, 1003)
        masks = dropped(x, keep, generator())
        assert masks.float().mean().item() == pytest.approx(1 - keep, abs=0.002)
        assert torch.equal(masks, dropped(x, keep, generator()))
    net = Features(1, 64, 1, "same", generator())
    x = torch.rand(1, 40, 1, 2, 2, generator=generator(1))  # one pool window an image
    kept = torch.stack([net(x, 0.5, generator(i)) for i in range(400)])
    # By hand: an entry of a window is zero or doubled, each with probability 1/2. E of the maximum
    # of four: sorted v1 ≥ v2 ≥ …, the first kept one counts: Σ 2 v_i / 2^i.
    h = apart_relu(net, x).flatten(3)[0].sort(-1, descending=True).values
    wanted = (h * torch.tensor([1.0, 0.5, 0.25, 0.125])).sum(-1)
    error = kept.std(0)[0] / 400**0.5
    varies = error > 0
    standard = (kept.mean(0)[0] - wanted)[varies] / error[varies]
    assert standard.square().mean().sqrt().item() == pytest.approx(1, abs=0.15)
    assert (wanted[~varies] == 0).all()


def apart_relu(net: Any, x: Tensor) -> Tensor:
    """Activations [T, B, filters, 2, 2] of one set before dropout and pool."""
    outputs: Tensor = F.relu(net.norms[0](net.convolutions[0](x[0]), 1))
    return outputs.unsqueeze(0)


def test_initial_weights_follow_tensorflow() -> None:
    weight = torch.empty(64, 64, 3, 3)
    truncated_glorot_(weight, generator())
    # The cut at two deviations takes the variance to 0.774 of the normal's; 1.3 makes up for it.
    glorot = math.sqrt(2 / (9 * 64 + 9 * 64))
    assert weight.std().item() == pytest.approx(glorot * math.sqrt(1.3 * 0.7737), rel=0.01)
    assert weight.abs().max() <= 2 * math.sqrt(1.3) * glorot
    dense = Amortised(256, generator()).networks["weight_mean"][0]
    assert dense.weight.std().item() == pytest.approx(math.sqrt(1.006 / 256), rel=0.02)
    assert dense.bias.std().item() == pytest.approx(1e-3, rel=0.2)


def test_train_step_is_the_papers_objective() -> None:
    # Without dropout, task by task and sample by sample, with the step's own noise.
    method, b = build(dropout_keep=1.0, samples=3), batch(2, 3, 2, 2)
    losses = []
    normals = torch.randn(
        2, 3, 6, 3, generator=step_generator(method.noise_seed, 7, torch.device("cpu"))
    )
    features, networks = method.model["features"], method.model["amortised"].networks
    with torch.no_grad():
        for t in range(2):
            support = features(b.support_x[t : t + 1])[0]
            queries = features(b.query_x[t : t + 1])[0]
            means = support.view(3, 2, -1).mean(1)
            values = {k: net(means) for k, net in networks.items()}
            for q in range(6):
                p = 0.0
                for sample in range(3):
                    f = queries[q]
                    mean = values["weight_mean"] @ f + values["bias_mean"][:, 0]
                    var = values["weight_log_variance"].exp() @ f**2
                    var = var + values["bias_log_variance"].exp()[:, 0]
                    logits = mean + normals[t, sample, q] * var.sqrt()
                    p += logits.softmax(0)[b.query_y[t, q]].item() / 3
                losses.append(-math.log(p))
    assert method.train_step(b, 7).item() == pytest.approx(sum(losses) / 12, rel=1e-4)


def test_resume_is_bit_exact() -> None:
    batches = [batch(2, 3, 1, 2, seed=i) for i in range(4)]
    assert same_weights(*with_and_without_stop(build, batches, 2))


@pytest.mark.parametrize("average", ["probabilities", "exponential-logits"])
def test_evaluation_does_not_depend_on_company(average: str) -> None:
    method, b = build(test_average=average), batch(3, 5, 1, 2)
    together = method.evaluate(b)
    assert tuple(together) == method.metrics(method.settings)
    for i in range(3):
        for name, values in method.evaluate(one_task(b, i)).items():
            assert torch.equal(values[0], together[name][i])


def test_each_variant_chooses_by_an_average_of_its_own() -> None:
    # Wide posteriors: samples part enough for the two averages to prefer different classes.
    b, scores = batch(4, 5, 1, 4), {}
    for average in ("probabilities", "exponential-logits"):
        method = build(test_average=average)
        with torch.no_grad():
            method.model["amortised"].networks["weight_log_variance"][-1].bias += 2
            method.model["amortised"].networks["bias_log_variance"][-1].bias += 2
        score = scores[average] = method.evaluate(b)
        for t in range(4):
            task = one_task(b, t)
            queries, posterior = method._infer(task, 1.0, None)
            normals = task_normals(task.support_x, (10, 20, 5))
            logits = sampled_logits(posterior, queries, normals)
            each = logits.softmax(-1) if average == "probabilities" else logits.exp()
            right = each.mean(1).argmax(-1) == task.query_y
            assert score["accuracy"][t].item() == pytest.approx(5 * int(right.sum()))
    paper, code = scores.values()
    assert not torch.equal(paper["accuracy"], code["accuracy"])
    assert torch.equal(paper["loss"], code["loss"])


def test_it_learns() -> None:
    method, held_out = build(learning_rate=0.01), batch(4, 5, 1, 3, seed=1000)
    before = method.evaluate(held_out)["loss"].mean()
    for i in range(40):
        loss = method.train_step(batch(4, 5, 1, 2, seed=i), i)
        assert loss.shape == ()
        assert not loss.requires_grad
    scores = method.evaluate(held_out)
    assert scores["accuracy"].mean() > 60  # chance is 20
    assert scores["loss"].mean() < before


@pytest.mark.parametrize(
    ("cell", "dataset", "size"),
    [("omniglot-20way-1shot", "glyphs", 28), ("mini-imagenet-5way-1shot", "textures", 32)],
)
def test_smoke_run_of(tmp_path: Any, cell: str, dataset: str, size: int) -> None:
    changed = {
        "tasks.dataset": dataset,
        "tasks.image_size": size,
        "tasks.train_queries": 2,
        "training.meta_batch": 2,
        "method.filters": 8,
    }
    if dataset == "textures":
        changed["tasks.resize_filter"] = "none"
    plan = smoke_plan(tmp_path, f"versa/{cell}", "versa", changed)
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    assert {"accuracy", "loss"} <= set(record.metrics)


def test_schedules_are_those_of_the_authors_commands() -> None:
    schedules = {}
    for name, cell in CELLS.items():
        v = cell.variant("versa")
        rate = v.method.learning_rate
        schedules[name] = (
            v.training.iterations,
            v.training.meta_batch,
            rate,
            v.method.dropout_keep,
        )
    assert schedules == {
        "omniglot-5way-1shot": (80000, 16, 1e-4, 0.9),
        "omniglot-5way-5shot": (80000, 16, 1e-4, 0.9),
        "omniglot-20way-1shot": (100000, 16, 1e-4, 0.9),
        "omniglot-20way-5shot": (60000, 16, 1e-4, 0.9),
        "mini-imagenet-5way-1shot": (50000, 8, 2.5e-4, 0.5),
        "mini-imagenet-5way-5shot": (100000, 4, 1e-4, 0.5),
    }
