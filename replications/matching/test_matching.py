"""Matching Networks: attention by hand, full context embeddings written out plainly, smoke runs."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from harness.catalog import papers
from harness.errors import HarnessError
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    assert_seen,
    switch_names,
)
from harness.paper_tests.toy_episodes import batch, generator, labels, one_task
from harness.protocol import read_switches
from harness.tasks.batch import SupervisedBatch
from replications.matching.full_context import FullContext
from replications.matching.method import (
    Matching,
    Pixels,
    PixelSettings,
    log_probabilities,
    similarities,
)

CELLS = papers()["matching"].cells
TASKS = SimpleNamespace(image_shape=(1, 28, 28))
SEEN: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "similarity": (THROUGHOUT, ()),
    "similarity_scale": (THROUGHOUT, (1.0, 10.0)),
    "full_context": (THROUGHOUT, ()),
    "read_steps": (THROUGHOUT, (1, 2, 3)),
    "filters": (THROUGHOUT, (4, 8)),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "halve_every": (TRAINING, (1, 2)),
    "batch_norm_scale": (THROUGHOUT, ()),
    "batch_norm_test": (TESTING, ()),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


def build(variant: str = "cosine", seed: int = 0, **switches: Any) -> Any:
    table = CELLS["omniglot-5way-1shot"].variants[variant]["method"]
    settings = read_switches(Matching.Settings, {**table, "filters": 8, **switches}, "test")
    return Matching(settings, TASKS, torch.device("cpu"), "", generator(seed))


def test_attention_by_hand() -> None:
    # Support (1,0), (0,3), (-2,0) of classes 0, 1, 1: cosines with (5,0) are 1, 0, -1.
    support = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0]]], dtype=torch.float64)
    query = torch.tensor([[[5.0, 0.0]]], dtype=torch.float64)
    compared = similarities(query, support, "cosine")
    assert compared.tolist() == [[[1.0, 0.0, -1.0]]]
    p = log_probabilities(compared, torch.tensor([[0, 1, 1]]), 2).exp()[0, 0]
    total = math.e + 1 + 1 / math.e
    assert p.tolist() == pytest.approx([math.e / total, (1 + 1 / math.e) / total], rel=1e-12)
    distances = similarities(query, support, "squared-euclidean")
    assert distances.tolist() == [[[-16.0, -34.0, -49.0]]]


def test_labels_are_a_weighted_mean_of_the_support_labels() -> None:
    # Equation 1 as printed: the sum of attention times one-hot label, whatever the order of S.
    g = generator()
    compared = torch.randn(3, 4, 6, generator=g, dtype=torch.float64)
    y = torch.stack([torch.randperm(6, generator=g) // 2 for _ in range(3)])
    one_hot = torch.eye(3, dtype=torch.float64)[y]
    plain = compared.exp() / compared.exp().sum(-1, keepdim=True) @ one_hot
    torch.testing.assert_close(
        log_probabilities(compared, y, int(y.max()) + 1).exp(), plain, rtol=1e-12, atol=1e-15
    )


def test_far_classes_keep_a_finite_loss() -> None:
    compared = torch.tensor([[[0.0, -2000.0]]], requires_grad=True)
    log_p = log_probabilities(compared, torch.tensor([[0, 1]]), 2)
    assert log_p[0, 0, 1] == -2000
    log_p[0, 0, 1].backward()
    assert compared.grad is not None
    assert compared.grad.flatten().tolist() == [-1.0, 1.0]


def test_one_shot_is_the_soft_nearest_neighbour() -> None:
    compared = torch.randn(2, 3, 5, generator=generator())
    scores = log_probabilities(compared, labels(2, 5, 1), 5)
    torch.testing.assert_close(scores, compared.log_softmax(-1))


def torch_lstm(context: FullContext, way: int) -> nn.LSTM:
    """torch's LSTM with the weights of one direction; its gates come in the same order."""
    size = context.inward.shape[1]
    lstm = nn.LSTM(size, size, batch_first=True).double()
    state = {
        "weight_ih_l0": context.inward[way].T,
        "weight_hh_l0": context.onward[way].T,
        "bias_ih_l0": context.shift[way, 0],
        "bias_hh_l0": torch.zeros(4 * size, dtype=torch.float64),
    }
    lstm.load_state_dict(state)
    return lstm


def test_support_context_is_torchs_bidirectional_lstm() -> None:
    context = FullContext(6, 2, generator()).double()
    x = torch.randn(3, 5, 6, generator=generator(1), dtype=torch.float64)
    onwards, _ = torch_lstm(context, 0)(x)
    back, _ = torch_lstm(context, 1)(x.flip(1))
    torch.testing.assert_close(context.support(x), x + onwards + back.flip(1), rtol=1e-12, atol=0)


def test_query_context_is_the_appendix_written_out() -> None:
    # One query at a time, gate by gate: equations 3 to 6.
    size, steps = 4, 3
    context = FullContext(size, steps, generator()).double()
    g = generator(1)
    support = torch.randn(2, 5, size, generator=g, dtype=torch.float64)
    queries = torch.randn(2, 3, size, generator=g, dtype=torch.float64)
    embedded = context.queries(queries, support)
    for t in range(2):
        for q in range(3):
            x = queries[t, q]
            h = c = torch.zeros(size, dtype=torch.float64)
            for _ in range(steps):
                a = torch.stack([(h * s).sum() for s in support[t]]).softmax(0)
                r = sum((w * s for w, s in zip(a, support[t], strict=True)), torch.zeros(size))
                z = x @ context.query_inward + context.query_shift
                z = z + h @ context.query_onward[:size] + r @ context.query_onward[size:]
                i, f, new, o = z.chunk(4)
                c = f.sigmoid() * c + i.sigmoid() * new.tanh()
                h = o.sigmoid() * c.tanh() + x
            torch.testing.assert_close(embedded[t, q], h, rtol=1e-12, atol=1e-12)


def test_the_first_read_out_is_the_mean_of_the_support_set() -> None:
    context = FullContext(4, 1, generator())
    queries = torch.randn(1, 2, 4, generator=generator(1))
    support = torch.randn(1, 5, 4, generator=generator(2))
    mean = support.mean(1, keepdim=True).expand(-1, 5, -1)
    torch.testing.assert_close(context.queries(queries, support), context.queries(queries, mean))


def test_full_context_sees_the_order_of_the_support_set() -> None:
    context = FullContext(4, 2, generator())
    x = torch.randn(1, 5, 4, generator=generator(1))
    assert not torch.allclose(context.support(x.flip(1)).flip(1), context.support(x), atol=1e-4)


def test_full_context_needs_read_steps() -> None:
    with pytest.raises(HarnessError, match="read_steps: found 0, wanted at least 1"):
        build("fce", read_steps=0)


@pytest.mark.parametrize("variant", ["cosine", "fce", "euclidean"])
def test_resume_is_bit_exact(variant: str) -> None:
    batches = [batch(2, 5, 1, 2, seed=i) for i in range(4)]
    trained = with_and_without_stop(
        lambda: build(variant), batches, 2, lambda: build(variant, seed=99)
    )
    assert same_weights(*trained)


@pytest.mark.parametrize("variant", ["cosine", "fce"])
def test_scores_do_not_depend_on_company(variant: str) -> None:
    method, b = build(variant), batch(3, 5, 2, 4)
    method.train_step(batch(1, 5, 1, 2, seed=5), 0)
    before, together = method.weights(), method.evaluate(b)
    assert tuple(together) == method.metrics(method.settings)
    for i in range(3):
        for name, values in method.evaluate(one_task(b, i)).items():
            assert torch.equal(values[0], together[name][i])
    assert all(torch.equal(before[k], v) for k, v in method.weights().items())


@pytest.mark.parametrize("switch", switch_names(Matching.Settings))
def test_each_switch_is_seen_where_it_works(switch: str) -> None:
    steps, test = [batch(1, 5, 2, 3, seed=i) for i in range(3)], batch(2, 5, 2, 3, seed=9)

    def make(**changed: Any) -> Any:
        # Running statistics of a few steps leave next to nothing of an embedding.
        return build("fce", **{"batch_norm_test": "transductive", **changed})

    assert_seen(SEEN, Matching.Settings, switch, make, steps, test)


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
        blocks = build(batch_norm_scale=how).model["encoder"].blocks
        scales = torch.cat([block.norm.weight for block in blocks])
        assert bool((scales == 1).all()) is (how == "one")


@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("similarity", ["cosine", "squared-euclidean", "projection"])
def test_scores_are_those_of_equation_1(similarity: str, scale: float) -> None:
    method, b = build(similarity=similarity, similarity_scale=scale), batch(1, 3, 2, 2)
    with torch.no_grad():
        support, queries = (method.model["encoder"].eval()(x[0]) for x in (b.support_x, b.query_x))
    loss = right = 0.0
    for query, y in zip(queries, b.query_y[0], strict=True):
        compared = torch.cosine_similarity(query[None], support)
        if similarity == "projection":
            compared = compared * query.norm()
        if similarity == "squared-euclidean":
            compared = -(query - support).square().sum(1)
        p = (scale * compared).softmax(0).view(3, 2).sum(1)
        loss -= float(p[y].log()) / 6
        right += 100 * float(p.argmax() == y) / 6
    scores = method.evaluate(b)
    assert float(scores["loss"]) == pytest.approx(loss, rel=1e-5)
    assert float(scores["accuracy"]) == pytest.approx(right)


def test_the_scaled_variant_multiplies_cosines_by_ten() -> None:
    """In training and at test: with one network, its logits are ten times those of `cosine`."""
    b = batch(1, 5, 1, 2)
    plain, scaled = build("cosine"), build("cosine-scaled")
    encode = plain.model["encoder"].eval()
    with torch.no_grad():
        support, queries = (encode(x[0])[None] for x in (b.support_x, b.query_x))
    compared = similarities(queries, support, "cosine")
    for method, scale in ((plain, 1.0), (scaled, 10.0)):
        loss = -log_probabilities(scale * compared, b.support_y, b.ways).gather(
            -1, b.query_y[..., None]
        )
        assert float(method.evaluate(b)["loss"]) == pytest.approx(float(loss.mean()), rel=1e-5)
    assert float(plain.train_step(b, 0)) != pytest.approx(float(scaled.train_step(b, 0)), rel=1e-3)


def test_learning_rate_is_halved() -> None:
    method = build(halve_every=10)
    assert [method.learning_rate(i) for i in (0, 9, 10, 20)] == [1e-3, 1e-3, 5e-4, 2.5e-4]
    method.before_step(25)
    assert method.optimiser.param_groups[0]["lr"] == 2.5e-4


@pytest.mark.parametrize("variant", ["cosine", "fce", "euclidean"])
def test_smoke_training(variant: str) -> None:
    method, held_out = build(variant), batch(4, 5, 1, 3, seed=1000)
    before = method.evaluate(held_out)["loss"].mean()
    for i in range(30):
        loss = method.train_step(batch(2, 5, 1, 2, seed=i), i)
        assert loss.shape == ()
        assert not loss.requires_grad
    after = method.evaluate(held_out)
    assert after["accuracy"].shape == (4,)
    assert after["accuracy"].mean() > 50  # chance is 20
    assert after["loss"].mean() < before


def test_pixels_learn_nothing_and_find_near_copies() -> None:
    method, b = pixels("cosine", 1.0), batch(4, 5, 1, 3)
    loss = method.train_step(b, 0)
    scores = method.evaluate(b)
    assert method.weights() == {}
    assert torch.equal(loss, scores["loss"].mean())
    assert scores["accuracy"].mean() > 90


def pixels(kind: str, scale: float) -> Pixels:
    settings = PixelSettings(kind, scale)  # type: ignore[arg-type]
    return Pixels(settings, TASKS, torch.device("cpu"), "", generator())


def test_a_large_scale_is_the_nearest_neighbour() -> None:
    # Two classes of five images as unit vectors. One of class 0 is nearest to the query, the other
    # four are at a right angle to it; all five of class 1 are nearly as near as the first.
    def at(*cosines: float) -> torch.Tensor:
        sines = [(1 - c * c) ** 0.5 for c in cosines]
        return torch.tensor([cosines, sines]).T.reshape(1, len(cosines), 1, 1, 2)

    support, y = at(0.9, *4 * (0.0,), *5 * (0.8,)), labels(1, 2, 5)
    b = SupervisedBatch(support, y, at(1.0), torch.tensor([[0]]))
    for scale, right in ((1.0, 0.0), (1000.0, 100.0)):
        scores = pixels("cosine", scale).evaluate(b)
        weights = [math.exp(scale * (c - 0.9)) for c in (0.9, *4 * (0.0,), *5 * (0.8,))]
        assert scores["accuracy"].tolist() == [right]
        assert float(scores["loss"]) == pytest.approx(
            math.log(sum(weights) / sum(weights[:5])), abs=1e-4
        )
    # Between unit vectors, minus the squared distance is twice the cosine but for a constant.
    twice = pixels("cosine", 2.0).evaluate(b)["loss"]
    torch.testing.assert_close(pixels("squared-euclidean", 1.0).evaluate(b)["loss"], twice)


def test_published_lines_answer_to_what_was_printed() -> None:
    def value(cell: str, variant: str) -> list[float]:
        return [p.value for p in CELLS[cell].published if variant in p.variants]

    assert [value(c, "cosine") for c in CELLS][:4] == [[98.1], [98.9], [93.8], [98.5]]
    assert [value(c, "pixels") for c in CELLS][:4] == [[41.7], [63.2], [26.7], [42.6]]
    assert value("mini-imagenet-5way-1shot", "fce") == [43.56]
