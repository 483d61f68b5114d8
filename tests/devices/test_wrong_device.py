"""No paper mixes tensors of the CPU with those of its device, and no step that may be captured
waits for the device. No GPU is needed: see `tests/devices/elsewhere.py`."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from harness.catalog import Variant
from harness.errors import DataNotAtHand
from harness.run.scores import open_test
from harness.run.setup import Setup
from tests.devices.elsewhere import META, Elsewhere, NotKnown, Recorded, WrongDevice, as_on_cuda
from tests.devices.variants import KNOWN, variants_of

FEWER: dict[str, Any] = {
    "tasks.longest_at_test": 4,
    "tasks.longest": 4,
    "tasks.instances": 2,
    "tasks.pulls": 3,
    "tasks.horizon": 3,
    "method.queries": 2,
    "method.pairs": 2,
    "method.report_lengths": [4],
    "method.inner_steps": 1,
    "method.test_steps": 2,
    "method.test_tuned_at_step": 2,
    "training.validate_every": 0,
    "method.test_epochs": 1,
    "method.steps_per_network": 2,
}
"""Switches that say how often the same code runs."""
STEPS = {"learned_optimizer": 20}
"""Inner steps by paper, where they are called `steps` and one is not enough."""
DEAR = (
    "mini-imagenet",
    "omniglot-20way",
    "mann/one-hot-5class/lstm",
    "-rmsprop",
    "-l2",
    "2018-11-19",
    "fixed-ridge",
    "mean-loss",
    "tenth-most-probable",
    "constant-rate",
    "matching/omniglot-5way-1shot/euclidean",
    "mann-adam",
    "exponential-logits",
    "r2d2/omniglot",
)
"""Parts of the names of variants whose code others go through too, in less time."""
KEPT = (
    "closer_look",
    "anil/omniglot-20way-1shot/nil",
    "anil/mini",
    "maml_plus_plus/omniglot-20way-1shot/norms",
)
ON_THE_CPU = frozenset({"learned_optimizer"})
"""Papers with a method that gives its loss on the CPU: a search for a rate has nothing to wait for.
"""


def quick(variant: Variant) -> Variant:
    """Return the variant with few repetitions of what it does."""
    protocol = variant.protocol()
    fewer = FEWER | {"method.steps": STEPS.get(variant.paper, 1)}
    there = {k: v for k, v in fewer.items() if k.split(".")[1] in protocol[k.split(".")[0]]}
    cell = KNOWN()[variant.paper].cells[variant.cell]
    plain = cell.variant(variant.name).protocol()
    changes = {
        f"{section}.{name}": value
        for section in ("tasks", "method")
        for name, value in protocol[section].items()
        if value != plain[section][name]
    }
    return cell.variant(variant.name, changes | there)


VARIANTS = {
    key: quick(variant)
    for paper in KNOWN()
    for key, variant in variants_of(paper).items()
    if key.startswith(KEPT) or not any(part in key for part in DEAR)
}


def worked(setup: Setup, mode: Elsewhere | None = None) -> None:
    """Build a variant, do two training steps and score two test tasks."""
    within = mode or nullcontext()
    tasks = setup.tasks()
    with within:
        if mode:
            mode.building = True
        method = setup.method(tasks)
        if mode:
            mode.building = False
        count = min(2, setup.budget.meta_batch)
        batch = tasks.batch("train", method.first_task(0, count), count)
        for field in dataclasses.fields(batch):
            assert getattr(batch, field.name).device == setup.device, field.name
        for i in range(2):
            method.before_step(i)
            if mode:
                mode.captured = method.capturable and i == 1
            loss = method.train_step(batch, i)
        if mode:
            mode.captured = False
        assert loss.device == setup.device or setup.variant.paper in ON_THE_CPU
        open_test(method, tasks, 2)
        method.evaluate(tasks.batch("test", 0, 2))


@pytest.mark.parametrize("key", VARIANTS)
def test_no_tensor_is_on_the_wrong_device(key: str) -> None:
    here = Setup.at("smoke", VARIANTS[key])
    there = dataclasses.replace(here, device=META)
    try:
        here.tasks()
    except DataNotAtHand as e:
        pytest.skip(str(e))
    try:
        with as_on_cuda():
            worked(there, Elsewhere())
    except NotKnown:
        with Recorded() as recorded:
            worked(here)
        with as_on_cuda():
            worked(there, Elsewhere(recorded.reads))


def test_a_tensor_of_the_cpu_is_refused() -> None:
    x = torch.ones(3, device=META)
    with Elsewhere():
        assert (x + torch.tensor(1.0)).device == META
        with pytest.raises(WrongDevice, match="test_wrong_device"):
            x + torch.ones(3)
        with pytest.raises(WrongDevice):
            x.index_select(0, torch.tensor([1]))
