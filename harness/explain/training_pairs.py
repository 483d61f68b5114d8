"""What a training switch is worth: two short trainings from one seed, told apart by that switch.

The trainings are ordinary runs, at a stated budget: they go on after a stop, and leave records,
though apart from those that tables are made of. One seed a side: the interval is over test tasks
and says nothing about other seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.catalog import SECTIONS
from harness.errors import HarnessError
from harness.explain.alternatives import (
    EPISODES,
    Alternative,
    chosen,
    is_training,
    of,
    unique,
)
from harness.explain.effect import TRAINED, EffectRow
from harness.explain.elsewhere import Difference
from harness.explain.kept import Kept
from harness.explain.question import Question
from harness.explain.rows import Explaining
from harness.records.store import StoredRecord, verify_files
from harness.run.budget import budget
from harness.run.loop import run
from harness.run.plan import Plan
from harness.run.setup import Setup

RECORDS = "explain"
"""Folder of the records below that of the checkpoints."""


def training_alternatives(kept: Kept, apart: list[Difference]) -> list[Alternative]:
    """Return the training switches that others set to something else, and those that are the only
    difference to another variant of the cell."""
    own = kept.cell.variant(kept.record.variant, kept.overrides).protocol()
    trainable = [
        Alternative(d.switch, d.value)
        for d in apart
        if is_training(d.switch) and of(own, d.switch) is not None
    ]
    for name in kept.cell.variants:
        other = kept.cell.variant(name).protocol()
        changed = [
            Alternative(f"{section}.{k}", v)
            for section in SECTIONS
            for k, v in other[section].items()
            if own[section].get(k) != v
        ]
        if len(changed) == 1 and own["algorithm"] == other["algorithm"]:
            trainable += [a for a in changed if is_training(a.switch)]
    return unique(trainable)


def check(kept: Kept, asked: Question) -> None:
    """Refuse a budget or a switch that does not exist before anything is tested."""
    own = kept.cell.variant(kept.record.variant, kept.overrides)
    budget(asked.train, own.training, own.testing)
    switches = own.protocol()
    names = [f"{section}.{k}" for section in SECTIONS for k in switches[section]]
    chosen([switch for switch, _ in asked.pairs], names, "--pair")


def trained(about: Explaining, asked: Question, todo: list[Alternative]) -> Iterator[EffectRow]:
    """Train the run's own switches and each alternative at the budget asked for."""
    if not todo:
        return
    note = f"both trained at budget {asked.train} from seed {about.kept.record.seed}"
    base = _scores(about, asked, {})
    for a in todo:
        try:
            scores = _scores(about, asked, {a.switch: a.value})
        except HarnessError as e:
            yield about.row(a, note=f"{note}: {e}", budget=asked.train)
            continue
        yield about.row(a, scores, base, TRAINED, note, budget=asked.train)


def _scores(about: Explaining, asked: Question, changed: dict[str, Any]) -> np.ndarray:
    kept = about.kept
    switches = kept.overrides | about.fewest | {EPISODES: about.count} | changed
    variant = kept.cell.variant(kept.record.variant, switches)
    setup = Setup.at(asked.train, variant, kept.record.seed, device=kept.device)
    work = asked.work.resolve()
    folder = run(Plan(setup, kept.published, work / RECORDS, work))
    record = verify_files(folder)
    if record.status != "finished":
        raise HarnessError(f"the training {record.status}: {record.status_note}.")
    return StoredRecord(folder, record).scores[about.metric]
