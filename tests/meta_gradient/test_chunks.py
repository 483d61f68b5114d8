"""Engine `batched` stays within its memory budget, whatever the number of tasks and steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.measure.live_tensors import LiveTensors
from harness.meta_gradient.batched.engine import engine as engine_module
from harness.meta_gradient.batched.engine.chunks import Chunks, fitting
from harness.meta_gradient.batched.engine.engine import Batched, _Work, passes
from harness.meta_gradient.engines import engine
from harness.meta_gradient.prepared import prepare
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.batch import SupervisedBatch
from tests.meta_gradient.problems import distance, start

MB = 10**6


def omniglot(tasks: int, filters: int = 16) -> tuple[Problem, SupervisedBatch]:
    generator = torch.Generator().manual_seed(0)
    model = StridedConv4(1, filters, 5, generator)
    x = torch.rand(tasks, 10, 1, 28, 28, generator=generator)
    y = torch.arange(5).expand(tasks, 5)
    problem = Problem(model, F.cross_entropy, F.cross_entropy)
    return problem, SupervisedBatch(x[:, :5], y, x[:, 5:], y)


def peak(meta_gradient, tasks: int, steps: int) -> int:
    problem, batch = omniglot(tasks)
    inner = InnerLoop(steps, 0.1, first_order=False)
    meta_gradient(problem, start(problem), batch, inner)  # chooses its chunks
    with LiveTensors() as live:
        meta_gradient(problem, start(problem), batch, inner)
    return live.peak


class Smooth(nn.Module):
    """A small model with an operation that has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4 * 26 * 26, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.gelu(self.convolution(x)).flatten(1))


def work_of(problem: Problem, batch: SupervisedBatch, inner: InnerLoop) -> _Work:
    ready = prepare(problem, start(problem), batch, inner, None, leaves=False)
    return _Work(passes(problem, batch.support_x[0]), ready)


@pytest.mark.parametrize("model", ["strided", "pooled", "smooth"])
@pytest.mark.parametrize("first_order", [False, True])
def test_shapes_alone_give_the_same_bytes(model, first_order, monkeypatch):
    problem, batch = omniglot(2)
    if model == "pooled":
        generator = torch.Generator().manual_seed(0)
        problem = Problem(MaxPoolConv4(3, 16, 32, 5, generator), F.cross_entropy, F.cross_entropy)
        x = torch.rand(2, 10, 3, 32, 32)
        batch = SupervisedBatch(x, batch.support_y.repeat(1, 2), x, batch.support_y.repeat(1, 2))
    elif model == "smooth":
        problem = Problem(Smooth(), F.cross_entropy, F.cross_entropy)
    inner = InnerLoop(2, 0.1, first_order)
    work = work_of(problem, batch, inner)
    monkeypatch.setattr(engine_module, "LONG_BYTES", 0)
    with torch.no_grad():
        rehearsal = work.rehearsal()
        assert rehearsal is not work
        for chunks in (Chunks(2, 1), Chunks(1, 2)):
            with LiveTensors() as live:
                work.over(chunks)
            # The part before a sum exists and the one after it peak at other places.
            assert live.peak <= rehearsal.peak(chunks) <= 1.1 * live.peak
            assert rehearsal.peak(chunks) == work.peak(chunks)
    for tensor in (*work.ready.start.values(), *vars(work.ready.batch).values()):
        assert type(tensor) in (torch.Tensor, nn.Parameter)


library = torch.library.Library("metalearning_tests", "DEF")
library.define("turned(Tensor x) -> Tensor")
library.impl("turned", lambda x: -x, "CPU")
turned = torch.ops.metalearning_tests.turned
"""Minus x: an operation of somebody's own, of which nothing says what shape it gives."""


class Turned(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return turned(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return Turned.apply(g)

    @staticmethod
    def vmap(info, dims, x):
        return Turned.apply(x), dims[0]


class OwnOperation(Smooth):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Turned.apply(super().forward(x))


def test_an_operation_without_a_shape_rule_is_measured_by_doing_it(monkeypatch):
    problem, batch = omniglot(2)
    problem = Problem(OwnOperation(), F.cross_entropy, F.cross_entropy)
    inner = InnerLoop(2, 0.1, first_order=True)
    work = work_of(problem, batch, inner)
    monkeypatch.setattr(engine_module, "LONG_BYTES", 0)
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="turned"):
            work.rehearsal().peak(Chunks(1, 1))
        assert work.measured_peak(Chunks(1, 1)) == work.peak(Chunks(1, 1)) > 0
    meta_gradient = engine("batched")(problem, start(problem), batch, inner)
    expected = engine("loop")(problem, start(problem), batch, inner)
    assert distance(meta_gradient, expected) < 1e-4


def test_small_work_is_measured_by_doing_it():
    problem, batch = omniglot(2)
    inner = InnerLoop(1, 0.1, first_order=False)
    work = work_of(problem, batch, inner)
    assert work.rehearsal() is work


@pytest.mark.parametrize(
    ("budget", "steps"), [(3 * MB, 1), (3 * MB, 3), (6 * MB, 3), (6 * MB, 10), (20 * MB, 10)]
)
def test_a_budget_is_never_exceeded(budget, steps):
    peak_bytes = peak(Batched(budget), 9, steps)
    parameters = sum(p.numel() * 4 for p in StridedConv4(1, 16, 5, torch.Generator()).parameters())
    # What is measured here has the caller's own copy of the parameters in it as well.
    assert peak_bytes <= budget + 2 * parameters


def test_ten_steps_need_little_more_memory_than_one():
    one, ten = (peak(Batched(8 * MB), 12, steps) for steps in (1, 10))
    assert ten <= 1.3 * one


def test_a_budget_changes_no_gradient():
    problem, batch = omniglot(7)
    problem.model.double()
    halves = SupervisedBatch(
        *(v.double() if v.is_floating_point() else v for v in vars(batch).values())
    )
    inner = InnerLoop(4, 0.1, first_order=False)
    wide = Batched(10**9)(problem, start(problem), halves, inner)
    narrow = Batched(10 * MB)(problem, start(problem), halves, inner)
    assert distance(narrow, wide) < 1e-12


def test_a_budget_below_one_task_is_one_sentence():
    with pytest.raises(HarnessError, match=r"one task needs .* MB, wanted at most 0.1 MB: give"):
        peak(Batched(10**5), 2, 1)


@pytest.mark.parametrize(
    "name",
    ["batched:lots", "batched:0MB", "batched:5", "func:500MB", "func:bf16", "batched:bf16:bf16"],
)
def test_a_budget_that_says_nothing_is_one_sentence(name):
    with pytest.raises(HarnessError, match=f"found engine '{name}'; wanted a memory budget as in"):
        engine(name)


def test_a_budget_in_the_engines_name():
    chosen = engine("batched:20MB")
    assert isinstance(chosen, Batched)
    assert chosen.memory_bytes == 20 * MB
    assert chosen.factors is None
    assert engine("batched:20MB") is chosen
    both = engine("batched:20MB:bf16")
    assert isinstance(both, Batched)
    assert (both.memory_bytes, both.factors) == (20 * MB, torch.bfloat16)


def test_chunks_are_even_and_kept_steps_come_before_more_tasks():
    each, step = 10, 5

    def taken(chunks: Chunks) -> int:
        return chunks.tasks * (each + step * chunks.keep)

    # Eight tasks with two kept steps take 160; all ten kept would take 8 * 60.
    assert fitting(taken, 32, 10, 200, strict=True) == Chunks(8, 3)
    # All 32 tasks with all steps fit.
    assert fitting(taken, 32, 2, 700, strict=True) == Chunks(32, 2)
    # 22 would fit; two chunks of 16 are as many as 22 and 10.
    assert fitting(taken, 32, 1, 330, strict=True) == Chunks(16, 1)
    # A budget of the engine's own gives way to one task.
    assert fitting(taken, 4, 1, 5, strict=False) == Chunks(1, 1)


def test_first_order_takes_as_many_tasks_at_ten_steps_as_at_one():
    problem, batch = omniglot(24)
    mine = Batched(20 * MB)
    for steps in (1, 10):
        mine(problem, start(problem), batch, InnerLoop(steps, 0.1, first_order=True))
    known = mine._known[problem.model]
    one, ten = (chunks for key, chunks in known.items() if key[0] == "chunks")
    assert ten.tasks >= one.tasks > 1


class Cubes(nn.Module):
    """A model with an operation that has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3,), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x**3) * self.weight


def test_a_model_without_rules_takes_the_general_path_and_says_so_once(capsys):
    model = Cubes().double()
    x = torch.rand(2, 4, 3, dtype=torch.float64)
    problem = Problem(model, F.mse_loss, F.mse_loss)
    batch = SupervisedBatch(x, x, x, x)
    inner = InnerLoop(2, 0.1, first_order=False)
    mine = Batched()
    meta_gradient = [mine(problem, start(problem), batch, inner) for _ in range(2)][1]
    said = capsys.readouterr().err
    assert said.count("takes its general path for Cubes") == 1
    assert distance(meta_gradient, engine("loop")(problem, start(problem), batch, inner)) < 1e-9
