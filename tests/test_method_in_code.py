"""The code of each paper's page, taken from the page, gives what its `method.py` computes: float64.

Each page has one block of Python under "The method in code"; `code(paper)` runs it with the names
of `NAMES` and returns what it defines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from harness.catalog import papers
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.losses import CrossEntropy
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.tasks.batch import SupervisedBatch

NAMES: dict[str, Any] = {
    "torch": torch,
    "grad": torch.autograd.grad,
    "functional_call": torch.func.functional_call,
    "cosine_similarity": F.cosine_similarity,
    "cross_entropy": F.cross_entropy,
    "normalize": F.normalize,
    "one_hot": F.one_hot,
    "softplus": F.softplus,
}
PAPERS = papers()
WAYS = 3


def code(paper: str) -> Callable[..., Any]:
    """Return the function that the page of `paper` defines."""
    page = (PAPERS[paper].folder / "README.md").read_text("utf-8")
    section = page.partition("## The method in code\n")[2].partition("\n## ")[0]
    [block] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names = dict(NAMES)
    exec(block, names)
    [function] = [v for k, v in names.items() if k not in NAMES and k != "__builtins__"]
    return function  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def double():
    """Compute in float64, from one seed."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("paper", PAPERS)
def test_each_page_has_a_method_of_ten_to_twenty_lines(paper: str) -> None:
    assert code(paper).__name__
    page = (PAPERS[paper].folder / "README.md").read_text("utf-8")
    section = page.partition("## The method in code\n")[2].partition("\n## ")[0]
    assert 5 <= section.partition("```python\n")[2].count("\n") <= 22


class Net(nn.Module):
    """A body and a head, as ANIL parts a network."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 5), nn.Linear(5, WAYS)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x).tanh())
        return out


def episodes(tasks: int = 2, support: int = 6, query: int = 3) -> SupervisedBatch:
    """Return tasks of noise [tasks, examples, 4] with labels of all classes in turn."""
    support_y, query_y = ((torch.arange(n) % WAYS).expand(tasks, n) for n in (support, query))
    x = torch.randn(tasks, support, 4), torch.randn(tasks, query, 4)
    return SupervisedBatch(x[0], support_y, x[1], query_y)


def one_by_one(batch: SupervisedBatch) -> list[tuple[Tensor, ...]]:
    """Return support and query set of each task."""
    parts = (batch.support_x, batch.support_y, batch.query_x, batch.query_y)
    return list(zip(*parts, strict=True))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("second_order", [True, False])
def test_maml(name: str, second_order: bool) -> None:
    model, batch = Net(), episodes()
    theta = dict(model.named_parameters())
    told = code("maml")(
        model, F.cross_entropy, theta, one_by_one(batch), 0.3, 2, second_order=second_order
    )
    loss = CrossEntropy("mean")
    inner = InnerLoop(2, 0.3, first_order=not second_order)
    wanted = engine(name)(Problem(model, loss, loss), theta, batch, inner)
    assert_close(dict(zip(theta, told, strict=True)), wanted.gradients)


def test_anil() -> None:
    model, batch = Net(), episodes()
    theta = dict(model.named_parameters())
    told = code("anil")(model, F.cross_entropy, theta, one_by_one(batch), 0.3, 2)
    loss = CrossEntropy("mean")
    still = frozenset({"body.weight", "body.bias"})
    inner = InnerLoop(2, 0.3, first_order=False, frozen=still)
    wanted = engine("batched")(Problem(model, loss, loss), theta, batch, inner)
    assert_close(dict(zip(theta, told, strict=True)), wanted.gradients)


def test_meta_sgd() -> None:
    model, batch, loss = Net(), episodes(), CrossEntropy("mean")
    theta = dict(model.named_parameters())
    alpha = {k: torch.randn_like(w).requires_grad_() for k, w in theta.items()}
    told = code("meta_sgd")(model, F.cross_entropy, theta, alpha, one_by_one(batch))
    rates = {k: a.detach()[None] for k, a in alpha.items()}
    inner = InnerLoop(1, 0.0, first_order=False)
    wanted = engine("batched")(Problem(model, loss, loss), theta, batch, inner, rates)
    assert_close(list(told[:4]), list(wanted.gradients.values()))
    assert_close(list(told[4:]), [wanted.rate_gradients[k][0] for k in theta])


def test_maml_plus_plus() -> None:
    from replications.maml_plus_plus.method import step_weights

    model, batch, loss = Net(), episodes(), CrossEntropy("mean")
    theta = dict(model.named_parameters())
    weights = step_weights(3, epoch=2, epochs=10)
    rates = {k: torch.rand(3, *[1] * w.dim()).requires_grad_() for k, w in theta.items()}
    told = code("maml_plus_plus")(
        model, F.cross_entropy, theta, rates, one_by_one(batch), weights[1:]
    )
    inner = InnerLoop(3, 0.0, first_order=False, query_weights=weights)
    known = {k: r.detach() for k, r in rates.items()}
    wanted = engine("batched")(Problem(model, loss, loss), theta, batch, inner, known)
    assert_close(list(told[:4]), list(wanted.gradients.values()))
    assert_close(list(told[4:]), [wanted.rate_gradients[k] for k in theta])


def test_reptile() -> None:
    from harness.models.mlp import MLP
    from replications.reptile.inner_adam import AdamState, adapt, gradients_of, minibatches

    model = MLP(4, (5,), WAYS, False, torch.Generator().manual_seed(0)).double()
    batch, share, rate = episodes(), 0.7, 0.01
    start = {k: v.detach() for k, v in model.named_parameters()}
    second = {k: torch.rand_like(v) for k, v in start.items()}
    state = AdamState(second, torch.tensor(4))
    rows = minibatches(2, 6, 2, 3, torch.Generator().manual_seed(0))
    x, y = batch.support_x, batch.support_y
    prepared = gradients_of(model, torch.zeros(2, 4))
    adapted = adapt(prepared, start, state, rate, x, y, rows).params
    wanted = {k: w + share * (adapted[k] - w).mean(0) for k, w in start.items()}
    tasks = [[(x[t][r], y[t][r]) for r in rows[t]] for t in range(2)]
    told = code("reptile")(model, start, second, 4, tasks, rate, share)
    assert_close({k: v.detach() for k, v in told.items()}, wanted)


def test_protonet() -> None:
    from replications.protonet.method import logits, prototypes

    batch = episodes(1)
    [(support, support_y, query, _)] = one_by_one(batch)
    centres = prototypes(batch.support_x, batch.support_y, WAYS)
    wanted = logits(batch.query_x, centres, "squared-euclidean")[0].log_softmax(-1)
    assert_close(code("protonet")(support, support_y, query, WAYS), wanted)


def test_matching() -> None:
    from replications.matching.method import log_probabilities, similarities

    batch = episodes(1)
    [(support, support_y, query, _)] = one_by_one(batch)
    compared = similarities(batch.query_x, batch.support_x, "cosine")
    wanted = log_probabilities(compared, batch.support_y, batch.ways)[0].exp()
    assert_close(code("matching")(support, support_y, query, WAYS), wanted)


def test_rl2() -> None:
    from replications.rl2.method import total_reward
    from replications.rl2.policies import ucb1
    from replications.rl2.tasks import BanditBatch

    chances, draws, seeds = torch.rand(5, 4), torch.rand(5, 30), torch.arange(5)
    wanted = total_reward(BanditBatch(chances, draws, seeds), lambda seen: ucb1(seen, 0.3))
    told = [code("rl2")(*bandit, 0.3) for bandit in zip(chances, draws, strict=True)]
    assert len({float(x) for x in told}) > 1
    assert_close(torch.stack(told), wanted)


@pytest.mark.parametrize("count", [0, 5])
def test_neural_processes(count: int) -> None:
    from harness.paper_tests.smoke_plans import smoke_method

    torch.set_default_dtype(torch.float32)
    method, tasks = smoke_method("neural_processes/periodic", "cnp")
    torch.set_default_dtype(torch.float64)
    batch, network = tasks.batch("val", 0, 1), method.model.double()
    context = batch.context(count)
    known = context.index[0][:count]
    told = code("neural_processes")(
        network.encode.inputs,
        network.encode.points,
        network.decode,
        batch.scaled[0],
        batch.y[0],
        known,
        method.settings.least_deviation,
    )
    mean, deviation = method.predict(batch, context)
    loss = -method.score(batch, context)["log_likelihood"]
    assert_close(list(told), [mean[0], deviation[0], loss[0]])


def test_es_maml() -> None:
    from harness.noise import step_generator
    from harness.paper_tests.smoke_plans import smoke_method

    method, tasks = smoke_method(
        "es_maml/square", "hill-climbing", method__pairs=3, method__queries=4
    )
    s, batch, start = method.settings, tasks.batch("train", 0, 7), method.policy
    noise = step_generator(method.noise_seed, 0, torch.device("cpu"))
    half = torch.randn(3, 6, generator=noise)
    directions = torch.cat([half, -half, torch.zeros(1, 6)])
    proposals = torch.randn(4, 7, 6, generator=noise)
    empty = method.normaliser

    def episode(policy: Tensor, task: int) -> Tensor:
        from replications.es_maml.rollouts import walk

        goal = batch.goals[task : task + 1]
        return walk("square", 100, policy[None], goal, empty).returns[0]

    told = code("es_maml")(
        start, directions, proposals, episode, s.sigma, s.adaptation_sigma, s.rate
    )
    method.train_step(batch, 0)
    assert not torch.equal(start, method.policy)
    assert_close(told, method.policy)


def test_bmaml() -> None:
    from harness.paper_tests.smoke_plans import smoke_method

    method, tasks = smoke_method("bmaml/sinusoid-100-tasks-5shot", "bmaml", method__particles=4)
    batch, rate = tasks.batch("train", 0, 1), method.settings.inner_rate
    support = torch.stack([batch.support_x, batch.support_y])
    more = torch.cat([support, torch.stack([batch.further_x, batch.further_y])], 2)

    def log_density(particle: Tensor, points: Tensor) -> Tensor:
        return method.posterior.log_density(particle[None, None], *points).squeeze()

    start = method.particles
    wanted = method.loss(batch)
    told = code("bmaml")(start, log_density, support, more, rate)
    assert_close(told, wanted)
    gradients = [torch.autograd.grad(loss, start)[0] for loss in (told, wanted)]
    assert float(gradients[0].abs().max()) > 1e-6
    assert_close(*gradients, rtol=1e-6, atol=1e-10)


def test_siamese() -> None:
    from replications.siamese.method import Siamese

    model = nn.ModuleDict({"twin": nn.Linear(4, 7), "weighing": nn.Linear(7, 1)})
    method = object.__new__(Siamese)
    method.model = model
    batch = episodes(1, query=12)
    [(support, _, query, _)] = one_by_one(batch)
    wanted = method.compared_runs(batch)[0].argmax(-1)
    assert len(set(wanted.tolist())) > 1
    assert code("siamese")(model["twin"], model["weighing"], support, query).equal(wanted)


def test_r2d2() -> None:
    from replications.r2d2.method import ridge_logits

    batch = episodes(1)
    [(support, support_y, query, _)] = one_by_one(batch)
    labels = F.one_hot(support_y, WAYS).double()
    gradients = []
    for closed_form in (True, False):
        x, ridge = support.clone().requires_grad_(), torch.tensor(0.5, requires_grad=True)
        if closed_form:
            out = ridge_logits(x[None], labels[None], query[None], ridge)[0]
        else:
            out = code("r2d2")(x, support_y, query, ridge, WAYS)
        gradients.append([out, *torch.autograd.grad(out.square().sum(), [x, ridge])])
    assert_close(gradients[0], gradients[1])


def test_mann() -> None:
    from replications.mann.memory import MemoryState, step

    memory, keys = torch.randn(1, 6, 4), torch.randn(1, 2, 4)
    read_weights, gates = torch.randn(1, 2, 6).softmax(-1), torch.rand(1, 2)
    usage = torch.rand(1, 6)
    reads, after = step(MemoryState(memory, read_weights, usage), keys, gates, 0.95)
    before = (memory[0], read_weights[0], usage[0], keys[0], gates[0, :, None])
    told = code("mann")(*before, 0.95)
    assert_close(list(told), [reads[0], *(part[0] for part in after)])


def test_ntm() -> None:
    from replications.ntm.memory import heads, rotations, step

    memory, numbers = torch.randn(1, 6, 4), torch.randn(1, 4 * 4 + 6 + 2 * 3)
    before = torch.randn(1, 2, 6).softmax(-1)
    _, weighting, _ = step(memory, before, numbers, rotations(6, 3).double())
    told = heads(numbers, 4, 3)
    for head in range(2):
        numbers_of_head = (told.strengths, told.gates, told.shifts, told.sharpness)
        strength, gate, shift, sharpness = (part[0, head] for part in numbers_of_head)
        weights = code("ntm")(
            memory[0], before[0, head], told.keys[0, head], strength, gate, shift, sharpness
        )
        assert_close(weights, weighting[0, head])


def test_learned_optimizer() -> None:
    from harness.paper_tests.smoke_plans import smoke_method
    from replications.learned_optimizer.tasks import QuadraticBatch
    from replications.learned_optimizer.test_lstm import UNITS, to_torch_order, torch_twin

    method, tasks = smoke_method(
        "learned_optimizer/quadratics-uniform", "lstm", method__units=[UNITS, UNITS]
    )
    method._place(dtype=torch.float64)
    drawn = tasks.batch("train", 0, 1)
    problems = QuadraticBatch(*(p.double() for p in (drawn.matrix, drawn.target, drawn.start)))
    x, s = problems.start, method.settings
    zeros = method.network.zero_state(x.numel())
    wanted, gradients, _, _ = method.meta_gradient(problems, x, zeros)
    lstm, linear = torch_twin(method.network)
    state = (torch.zeros(2, x.numel(), UNITS), torch.zeros(2, x.numel(), UNITS))

    def f(at: Tensor) -> Tensor:
        total: Tensor = problems.losses_and_gradients(at)[0].mean()
        return total

    told = code("learned_optimizer")(lstm, linear, f, x.requires_grad_(), state, s.unroll)
    assert_close(told, wanted)
    told.backward()
    assert_close(linear.weight.grad[0], gradients[2][0, 1:])
    assert_close(lstm.weight_hh_l0.grad, to_torch_order(gradients[0])[:, -UNITS:])


def test_versa() -> None:
    from replications.versa.posterior import Amortised, log_predictive, sampled_logits

    networks = Amortised(4, torch.Generator().manual_seed(0)).double()
    batch, normals = episodes(1), torch.randn(5, 3, WAYS)
    [(support, support_y, query, _)] = one_by_one(batch)
    means = torch.stack([support[support_y == k].mean(0) for k in range(WAYS)])
    posterior = networks(means[None])
    wanted = log_predictive(sampled_logits(posterior, query[None], normals[None]))[0]
    told = code("versa")(networks.networks, support, support_y, query, WAYS, normals)
    assert_close(told, wanted)


def test_cnaps() -> None:
    from harness.paper_tests.smoke_plans import smoke_method

    torch.set_default_dtype(torch.float32)  # its task source
    method, tasks = smoke_method("cnaps/omniglot-5way-1shot", "film", tasks__dataset="glyphs")
    batch = tasks.batch("train", 0, 1)
    torch.set_default_dtype(torch.float64)
    for part in (method.extractor, method.model):
        part.double().eval()
    support_x, query_x = batch.support_x.double(), batch.query_x.double()
    both = SupervisedBatch(support_x, batch.support_y, query_x, batch.query_y)
    wanted = method._logits(both)[0]

    def block(i: int, x: Tensor, film: tuple[Tensor, Tensor] | None) -> Tensor:
        out: Tensor = method.extractor.block(i, x[None], film)[0]
        return out

    layers = [lambda task, layer=layer: layer(task, None) for layer in method.model["films"]]
    blocks, ways = len(method.extractor.convolutions), int(batch.support_y.max()) + 1
    told = code("cnaps")(
        block,
        blocks,
        lambda x: method.model["encoder"](x[None]),
        layers,
        lambda means: method.model["classifier"](means),
        support_x[0],
        batch.support_y[0],
        query_x[0],
        ways,
    )
    assert_close(told, wanted)


def test_closer_look() -> None:
    from replications.closer_look.heads import HeadSGD, fit_heads, new_head

    [(support, support_y, _, _)] = one_by_one(episodes(1))
    start = new_head("linear", WAYS, 4, torch.Generator().manual_seed(0))
    sgd = HeadSGD(epochs=3, batch=4, rate=0.1, momentum=0.9, dampening=0.9, weight_decay=0.01)
    same = torch.Generator().manual_seed(1)
    fitted = fit_heads(start, support[None], support_y[None], sgd, 1.0, same)
    again = torch.Generator().manual_seed(1)
    orders = [torch.randperm(6, generator=again).split(4) for _ in range(3)]
    told = code("closer_look")(
        start["weight"], start["bias"], support, support_y, orders, 0.1, 0.9, 0.9, 0.01
    )
    assert_close([w.detach() for w in told], [fitted["weight"][0], fitted["bias"][0]])
