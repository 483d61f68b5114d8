"""Networks of the family: sizes, what a prediction may depend on, objectives, training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from harness.errors import HarnessError
from harness.paper_tests.protocol_tables import published_variant
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan
from harness.report.drawing import draw_record
from harness.run.loop import run
from harness.run.setup import Setup
from harness.tasks.source import BLOCK
from replications.neural_processes import fans
from replications.neural_processes.convolution import ConvolutionalNetwork
from replications.neural_processes.latent import Belief, log_mean_exp
from replications.neural_processes.method import LatentNP, Network
from replications.neural_processes.predictor import log_density
from replications.neural_processes.tasks import Context, FunctionBatch, Functions

PAPER = "neural_processes"
NETWORKS = ("cnp", "attn-cnp", "conv-cnp", "lnp")
SMALL: dict[str, dict[str, Any]] = {
    "cnp": {"method__width": 16, "method__encoder_width": 24},
    "lnp": {"method__width": 16, "method__encoder_width": 24, "method__test_samples": 4},
    "attn-cnp": {"method__width": 16, "method__encoder_width": 16, "method__heads": 4},
    "conv-cnp": {
        "method__width": 8,
        "method__blocks": 2,
        "method__taps": 5,
        "method__density": 16,
    },
}


def setup(variant: str, seed: int = 0, **switches: Any) -> Setup:
    small = SMALL[variant] | switches
    return Setup.at("full", published_variant(PAPER, "noisy-matern", variant, **small), seed)


def method(variant: str, seed: int = 0, **switches: Any) -> Network:
    """Return a small network in float64."""
    made = setup(variant, seed, **switches)
    network = made.method(made.tasks())
    assert isinstance(network, Network)
    network.model.double()
    return network


def functions(count: int = 6, split: str = "val") -> FunctionBatch:
    settings = published_variant(PAPER, "noisy-matern", "cnp").tasks
    batch: FunctionBatch = Functions(settings, 0, 1, torch.device("cpu")).batch(split, 0, count)
    return batch


def changed(batch: FunctionBatch, **parts: Tensor) -> FunctionBatch:
    return FunctionBatch(**(vars(batch) | parts))


def predicted(network: Network, batch: FunctionBatch, context: Context) -> Tensor:
    with torch.no_grad():
        return torch.stack(network.predict(batch, context))


@pytest.mark.parametrize(
    ("variant", "count"),
    [("cnp", 252_098), ("attn-cnp", 252_738), ("conv-cnp", 276_612), ("lnp", 301_634)],
)
def test_networks_have_as_many_weights_as_the_authors(variant: str, count: int) -> None:
    """ConvCNP and LNP as printed in the notebooks; CNP and AttnCNP counted from their code."""
    network = published_method(PAPER, "rbf", variant).model
    assert sum(w.numel() for w in network.parameters()) == count


CONDITIONAL = NETWORKS[:3]


@pytest.mark.parametrize("variant", CONDITIONAL)
def test_values_of_targets_play_no_part(variant: str) -> None:
    network, batch = method(variant), functions()
    context = batch.context(4)
    known = torch.zeros_like(batch.y, dtype=torch.bool).scatter(1, context.index, True)
    other = changed(batch, y=torch.where(known, batch.y, 7.0))
    assert torch.equal(predicted(network, batch, context), predicted(network, other, context))


def test_a_latent_process_sees_the_targets_only_where_it_says_so() -> None:
    network, batch = method("lnp"), functions()
    assert isinstance(network, LatentNP)
    context = batch.context(4)
    known = torch.zeros_like(batch.y, dtype=torch.bool).scatter(1, context.index, True)
    other = torch.where(known, batch.y, 7.0)
    one = network.model.beliefs(batch.scaled, batch.y, context)
    two = network.model.beliefs(batch.scaled, other, context)
    assert torch.equal(one[0].mean, two[0].mean)
    assert not torch.allclose(one[1].mean, two[1].mean)
    drawn_from = {
        latent: method("lnp", method__test_latent=latent) for latent in ("context", "targets")
    }
    told = {k: predicted(n, batch, context).mean(1) for k, n in drawn_from.items()}
    assert not torch.allclose(told["context"], told["targets"])


@pytest.mark.parametrize("variant", CONDITIONAL)
def test_the_order_of_the_context_plays_no_part(variant: str) -> None:
    network, batch = method(variant), functions()
    context = batch.context(9)
    turned = Context(context.index.flip(1), context.present)
    one, two = predicted(network, batch, context), predicted(network, batch, turned)
    assert torch.allclose(one, two, rtol=1e-10)


@pytest.mark.parametrize("variant", CONDITIONAL)
def test_a_task_is_predicted_alike_in_any_company(variant: str) -> None:
    """Tasks with fewer context points than others of the batch, and with none, are padded."""
    network, batch = method(variant), functions(12)
    batch = changed(batch, counts=torch.tensor([0, 3, *batch.counts[2:]]))
    together = predicted(network, batch, batch.context())
    for task in range(4):
        count = int(batch.counts[task])
        alone = changed(batch, **{k: v[task : task + 1] for k, v in vars(batch).items()})
        there = predicted(network, alone, alone.context(count))
        assert torch.allclose(there[:, 0], together[:, task], rtol=1e-9)


@pytest.mark.parametrize("variant", CONDITIONAL)
def test_without_context_all_functions_are_alike(variant: str) -> None:
    network, batch = method(variant), functions(2 * BLOCK)
    nothing = batch.context(0)
    same = batch.x[:1].expand_as(batch.x)
    there = predicted(network, changed(batch, x=same, scaled=same / 2), nothing)
    assert torch.allclose(there, there[:, :1].expand_as(there), rtol=1e-9)


def test_a_convolutional_network_moves_with_its_points() -> None:
    """By whole steps of the grid, far from its ends."""
    generator = torch.Generator().manual_seed(0)
    network = ConvolutionalNetwork(8, 2, 5, 32, 0.01, generator).double().eval()
    step = float(network.grid[1] - network.grid[0])
    x = torch.linspace(-0.2, 0.2, 9, dtype=torch.float64)[None]
    context = Context(torch.tensor([[0, 3, 7]]), torch.ones(1, 3, dtype=torch.bool))
    with torch.no_grad():
        here = torch.stack(network(x, x.cos(), context))
        moved = torch.stack(network(x + 6 * step, x.cos(), context))
        between = torch.stack(network(x + 6.5 * step, x.cos(), context))
    assert torch.allclose(here, moved, atol=1e-6)
    assert not torch.allclose(here, between, atol=1e-6)


def test_densities_are_those_of_gaussians() -> None:
    y, mean, deviation = torch.randn(3, 4, 5).double().unbind(0)
    deviation = deviation.abs() + 0.1
    wanted = Independent(Normal(mean, deviation), 1).log_prob(y)
    assert torch.allclose(log_density(y, (mean, deviation)), wanted)


def test_divergences_are_those_of_gaussians() -> None:
    numbers = torch.rand(4, 3, 5, dtype=torch.float64) + 0.1
    one, other = Belief(numbers[0], numbers[1]), Belief(numbers[2], numbers[3])
    wanted = kl_divergence(Independent(Normal(*one), 1), Independent(Normal(*other), 1))
    assert torch.allclose(one.divergence(other), wanted)
    assert torch.allclose(one.divergence(one), torch.zeros(3, dtype=torch.float64))


def test_the_mean_density_over_samples_is_safe_far_down() -> None:
    log_p = torch.tensor([[-2000.0, -1.0], [-2000.0 + math.log(3), -3.0]], dtype=torch.float64)
    wanted = [-2000 + math.log(2), math.log((math.exp(-1) + math.exp(-3)) / 2)]
    assert torch.allclose(log_mean_exp(log_p), torch.tensor(wanted, dtype=torch.float64))


def test_the_latent_objective_is_the_lower_bound() -> None:
    """Many samples, against the divergence and densities of torch.distributions."""
    network, batch = method("lnp", method__samples=2000), functions(3)
    assert isinstance(network, LatentNP)
    with torch.no_grad():
        loss = network.loss(batch, 5)
        before, after = network.model.beliefs(batch.scaled, batch.y, batch.context())
        z = Normal(*after).sample((4000,))
        mean, deviation = network.model(batch.scaled, z)
        log_p = Normal(mean, deviation).log_prob(batch.y).sum(-1)
        divergence = kl_divergence(Normal(*after), Normal(*before)).sum(-1)
    error = float(log_p.std(0).max()) * (1 / 2000 + 1 / 4000) ** 0.5
    assert float((divergence - log_p.mean(0)).mean()) == pytest.approx(float(loss), abs=5 * error)


@pytest.mark.parametrize("variant", NETWORKS)
def test_gradients_are_those_of_the_loss(variant: str) -> None:
    """Against finite differences along a random direction of all weights."""
    network, batch = method(variant), functions(8, "train")
    network.model.train()
    weights = list(network.model.parameters())
    generator = torch.Generator().manual_seed(1)
    along = [torch.randn(w.shape, generator=generator, dtype=torch.float64) for w in weights]
    gradients = torch.autograd.grad(network.loss(batch, 0), weights)
    told = float(sum((g * d).sum() for g, d in zip(gradients, along, strict=True)))

    def loss_at(step: float) -> float:
        with torch.no_grad():
            for w, d in zip(weights, along, strict=True):
                w += step * d
            value = float(network.loss(batch, 0))
            for w, d in zip(weights, along, strict=True):
                w -= step * d
        return value

    assert (loss_at(1e-7) - loss_at(-1e-7)) / 2e-7 == pytest.approx(told, rel=1e-4)


def test_the_rate_falls_after_each_epoch() -> None:
    network = method("cnp")
    rates = []
    for iteration in (0, 1562, 1563, 156_299):
        network.before_step(iteration)
        rates.append(network.optimiser.param_groups[0]["lr"])
    wanted = [1e-3, 1e-3, 1e-3 * 10**-0.01, 1e-3 * 10**-0.99]
    assert rates == pytest.approx(wanted)


@pytest.mark.parametrize("variant", NETWORKS)
def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(variant: str) -> None:
    tasks = setup(variant).tasks()
    batches = [tasks.batch("train", 8 * i, 8) for i in range(4)]

    def make(seed: int = 0) -> Any:
        made = setup(variant, seed)
        return made.method(made.tasks())

    # The draws of z follow from the seed, which the run keeps.
    again = make if variant == "lnp" else lambda: make(1)
    straight, stopped = with_and_without_stop(make, batches, 2, again)
    assert same_weights(straight, stopped)


def test_a_network_learns_from_a_few_steps() -> None:
    network = method("cnp", method__learning_rate=0.01)
    tasks, batch = setup("cnp").tasks(), functions(64)
    before = float(network.evaluate(batch)["log_likelihood"].mean())
    for i in range(40):
        network.before_step(i)
        network.train_step(tasks.batch("train", 32 * i, 32), i)
    assert float(network.evaluate(batch)["log_likelihood"].mean()) > before + 20


def test_scores_are_reported_for_each_number_of_contexts() -> None:
    network, batch = method("cnp", method__report_contexts=[0, 3]), functions()
    scores = network.evaluate(batch)
    assert tuple(scores) == network.metrics(network.settings)
    assert tuple(scores) == ("log_likelihood", "outside", "log_likelihood@0", "log_likelihood@3")
    mean, deviation = predicted(network, batch, batch.context())
    outside = ((batch.y - mean).abs() > 2 * deviation).double().mean(1)
    assert torch.allclose(scores["outside"], 100 * outside)


@pytest.mark.parametrize("variant", ["cnp", "exact"])
def test_more_contexts_than_points_are_refused(variant: str) -> None:
    v = published_variant(PAPER, "rbf", variant, method__report_contexts=[129])
    made = Setup.at("full", v)
    with pytest.raises(HarnessError, match="report_contexts: found 129, wanted at most"):
        made.method(made.tasks())


@pytest.mark.parametrize(
    ("variant", "switch", "told"),
    [
        ("attn-cnp", {"method__heads": 3}, "method.heads: found 3, wanted a divisor of 16."),
        ("conv-cnp", {"method__taps": 4}, "method.taps: found 4, wanted an odd number."),
    ],
)
def test_networks_that_cannot_be_are_refused(
    variant: str, switch: dict[str, int], told: str
) -> None:
    with pytest.raises(HarnessError, match=told):
        method(variant, **switch)


def test_fans_are_drawn_from_a_record(tmp_path: Path) -> None:
    plan = smoke_plan(tmp_path, "neural_processes/periodic", "cnp")
    record = run(plan)
    assert draw_record(fans.draw_fans, [str(record), str(tmp_path / "fans.svg")]) == 0
    assert "exact process" in (tmp_path / "fans.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("cell", "variant", "told"),
    [
        ("periodic", "lnp", "found a latent neural process, whose predictions are samples"),
        ("ranges-rbf", "cnp-16", "found a record of RangedFunctions, wanted one of a network on"),
    ],
)
def test_fans_are_of_conditional_networks_on_one_process(
    tmp_path: Path, cell: str, variant: str, told: str
) -> None:
    record = run(smoke_plan(tmp_path, f"neural_processes/{cell}", variant))
    with pytest.raises(HarnessError, match=told):
        draw_record(fans.draw_fans, [str(record), str(tmp_path / "fans.svg")])


def test_a_grid_behind_the_points_changes_no_prediction() -> None:
    network, tasks = method("cnp"), setup("cnp").tasks()
    batch = tasks.batch("val", 0, 3)
    longer = fans.with_grid(batch, tasks)
    one = predicted(network, batch, batch.context(5))
    two = predicted(network, longer, longer.context(5))
    assert torch.allclose(one, two[..., :128], rtol=1e-10)
    assert torch.allclose(longer.scaled, longer.x / 2)
