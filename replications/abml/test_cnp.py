"""The conditional neural process against plain loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan, smoke_setup
from harness.report.drawing import draw_record
from harness.run.loop import run
from harness.tasks.source import BLOCK
from replications.abml.cnp import WheelCNP
from replications.abml.regret import draw_regret, regret_so_far
from replications.abml.tasks import WheelBatch
from replications.abml.trials import play

CELL = "abml/delta-070-2000"


def learner(**switches: Any) -> tuple[WheelCNP, Any]:
    made = smoke_setup(CELL, "cnp", **switches)
    tasks = made.tasks()
    method = made.method(tasks)
    assert isinstance(method, WheelCNP)
    return method, tasks


def one_hot(arm: Tensor, value: Tensor | float) -> Tensor:
    hot = torch.zeros(5)
    hot[int(arm)] = value
    return hot


def test_the_loss_is_that_of_a_plain_loop() -> None:
    """The squared error over a payment put where its arm is, zeros elsewhere, and the prediction
    likewise masked: `mse` of `contextual_bandits/utils.py`."""
    method, tasks = learner()
    batch: WheelBatch = tasks.batch("train", 0, 2)
    paid = batch.paid(batch.averages(), batch.arms)
    for task, loss in enumerate(method.losses(batch)):
        codes = []
        for x, arm, pay in zip(
            batch.contexts[task][:512], batch.arms[task], paid[task], strict=False
        ):
            codes.append(method.model.encode(torch.cat([x, one_hot(arm, pay)])))
        mean, errors = torch.stack(codes).mean(0), []
        for i in range(512, 562):
            out = method.model.decode(torch.cat([batch.contexts[task, i], mean]))[:5].relu()
            mask = one_hot(batch.arms[task, i], 1.0)
            errors.append((one_hot(batch.arms[task, i], paid[task, i]) - mask * out).square())
        assert torch.allclose(loss, torch.stack(errors).mean(), rtol=1e-4)


def test_a_trial_is_that_of_a_plain_loop() -> None:
    """Two pulls of each arm in turn, then the best by the whole history, read anew each time."""
    method, tasks = learner()
    for i in range(3):
        method.train_step(tasks.batch("train", 2 * i, 2), i)
    batch: WheelBatch = tasks.batch("val", 0, 2)
    regrets = method.evaluate(batch)["regret"]
    with torch.no_grad():
        assert torch.allclose(regrets, slowly(method, batch), rtol=1e-5)


def slowly(method: WheelCNP, batch: WheelBatch) -> Tensor:
    averages, regrets = batch.averages(), []
    for task in range(2):
        codes: list[Tensor] = []
        lost = 0.0
        for t in range(562):
            x, pays = batch.contexts[task, t], averages[task, t]
            arm = torch.tensor(t % 5)
            if t >= 10:
                told = torch.cat([x, torch.stack(codes).mean(0)])
                arm = method.model.decode(told)[:5].relu().argmax()
            paid = pays[arm] + batch.noise[task, t]
            codes.append(method.model.encode(torch.cat([x, one_hot(arm, paid)])))
            lost += float(pays.max() - pays[arm])
        delta = float(batch.deltas[task])
        uniform = 562 * (0.16 * delta**2 + 39.16 * (1 - delta**2))
        regrets.append(100 * lost / uniform)
    return torch.tensor(regrets, dtype=torch.float64)


def test_an_agent_that_knows_pays_for_its_first_pulls_alone() -> None:
    _, tasks = learner()
    batch: WheelBatch = tasks.batch("val", 0, 3)
    best = batch.averages().argmax(-1)

    class Knowing:
        step = 0

        def choose(self, contexts: Tensor) -> Tensor:
            return best[:, self.step]

        def see(self, contexts: Tensor, arms: Tensor, paid: Tensor) -> None:
            assert torch.equal(contexts, batch.contexts[:, self.step])
            self.step += 1

    assert torch.equal(play(batch, Knowing(), 0), best)
    first = torch.arange(5).repeat(2).expand(len(best), -1)
    assert torch.equal(play(batch, Knowing(), 2), torch.cat([first, best[:, 10:]], 1))


def test_regret_so_far_ends_at_the_regret_that_is_scored() -> None:
    method, tasks = learner()
    tasks.end_training()
    batch = tasks.batch("test", 0, 3)
    arms = play(batch, method.agent(batch), method.settings.first_pulls)
    scored = method.evaluate(batch)["regret"]
    so_far = regret_so_far(batch, arms)
    assert (so_far.diff(dim=1) >= 0).all()
    assert torch.allclose(so_far[:, -1], scored, rtol=1e-9)


def test_regret_is_drawn_from_a_record(tmp_path: Path) -> None:
    record = run(smoke_plan(tmp_path, CELL, "cnp"))
    assert draw_record(draw_regret, [str(record), str(tmp_path / "regret.svg")]) == 0
    assert "the learner" in (tmp_path / "regret.svg").read_text("utf-8")


def test_there_are_100_training_wheels_each_in_many_orders() -> None:
    _, tasks = learner()
    batch: WheelBatch = tasks.batch("train", 0, 4 * BLOCK)
    deltas, which = batch.deltas.unique(return_inverse=True)
    assert len(deltas) == 100
    first, second = (which == which[0]).nonzero()[:2, 0]
    rows = [batch.contexts[i].sort(0).values for i in (first, second)]
    assert torch.equal(*rows)
    assert not torch.equal(batch.contexts[first], batch.contexts[second])
    # What an arm paid goes with its context.
    orders = [batch.contexts[i, :, 0].argsort() for i in (first, second)]
    for name in ("noise", "arms"):
        values = getattr(batch, name)
        assert torch.equal(values[first][orders[0]], values[second][orders[1]])


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped() -> None:
    _, tasks = learner()
    batches = [tasks.batch("train", 2 * i, 2) for i in range(4)]
    assert same_weights(*with_and_without_stop(lambda: learner()[0], batches, 2))


def test_validation_is_scored_by_the_loss_of_evaluate() -> None:
    method, tasks = learner()
    scores = method.scoring(tasks, "val", 3)(0, 3)
    assert scores.keys() == {"loss"}
    assert torch.equal(scores["loss"], method.evaluate(tasks.batch("val", 0, 3))["loss"])


def test_trials_too_short_for_a_loss_are_refused() -> None:
    with pytest.raises(HarnessError, match=r"tasks\.contexts: found 100, wanted at least"):
        learner(tasks__contexts=100)
