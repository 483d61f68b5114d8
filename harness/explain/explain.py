"""Measures on a checkpoint what every switch is worth, and returns the whole answer."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import torch

from harness.catalog import replications_folder
from harness.compare.numbers import published
from harness.compare.statistics import task_estimate
from harness.errors import HarnessError
from harness.explain.alternatives import EPISODES, STEPS, Alternative, chosen
from harness.explain.compared_metric import compared_metric, fewest_steps
from harness.explain.elsewhere import differences
from harness.explain.explanation import Explanation, commits
from harness.explain.kept import Kept
from harness.explain.question import TASKS, Question
from harness.explain.rows import Explaining, again, fewer_or_more
from harness.explain.training_pairs import check, trained, training_alternatives
from harness.measure.environment import processor_name
from harness.measure.git_state import git_state
from harness.progress import Progress
from harness.records.scores_file import SCORES
from harness.records.store import StoredRecord


def explain(kept: Kept, asked: Question) -> Explanation:
    """Test `kept` under every alternative of the switches asked for, each on the same test tasks.

    Raises HarnessError for an unknown metric or switch, and where the run itself has no finite
    score; an alternative that its tasks or method refuse is a row that says why.
    """
    code = git_state(papers=replications_folder())  # before, as files may change while it runs
    recorded = next(iter(kept.record.metrics.values())).n
    count = asked.tasks or min(TASKS, recorded)
    if count < 2:
        raise HarnessError(f"{kept.folder}: found {count} test tasks, wanted --tasks 2 or more.")
    if asked.train:
        check(kept, asked)
    apart = [*differences(kept.record, kept.cell), *fewer_or_more(kept, count)]
    todo, pairs = again(kept, apart), training_alternatives(kept, apart)
    names = [*(a.switch for a in todo), STEPS, EPISODES, *(d.switch for d in apart)]
    wanted = chosen(asked.switches, [*names, *(a.switch for a in pairs)], "--switch")
    todo = [a for a in todo if a.switch in wanted]
    pairs = [Alternative(*p) for p in asked.pairs] or [a for a in pairs if a.switch in wanted]
    many = tuple(asked.episodes) if EPISODES in wanted else ()
    total = count * (1 + len(todo)) + sum(n for n in many if n > count)
    progress = Progress(f"{kept.cell.key} explained, test tasks", total)
    about = Explaining(kept, apart, count, "", {}, {}, progress)
    try:
        about.scores = kept.scores(kept.retest({}, count), progress.add)
        about.metric = compared_metric(kept, asked.metric, about.scores)
        base = about.scores[about.metric]
        if not np.isfinite(base).all():
            raise HarnessError(f"{kept.folder}: {about.metric} is not finite on every test task.")
        about.fewest = fewest_steps(kept, about.metric)
        rows = [*about.steps()] if STEPS in wanted else []
        rows += about.tested(todo)
        rows += about.episodes(many) if EPISODES in wanted else []
    finally:
        progress.close()
    if asked.train:
        rows += trained(about, asked, pairs)
    rows += [r for r in about.untried(rows) if r.switch in wanted]
    rows.sort(key=lambda r: -1.0 if r.effect is None else abs(r.effect), reverse=True)
    r, mean = kept.record, task_estimate(base[None])
    return Explanation(
        paper=r.paper,
        cell=r.cell,
        variant=r.variant,
        seed=r.seed,
        budget=r.budget,
        config_digest=r.config_digest,
        record_digest=r.result_digest,
        record_commits=commits(r),
        synthetic=r.synthetic,
        metric=about.metric,
        mean=mean.value,
        interval=mean.half_width(),
        tasks=count,
        recorded=_recorded(kept, about.metric, count),
        published=tuple(
            f"{line.metric} {published(line.metric, line.value, line.interval)} ({line.source})"
            for line in kept.cell.published
            if r.variant in line.variants
        ),
        tested={
            **code,
            **{"device": kept.device.type, "processor": processor_name()},
            "threads": torch.get_num_threads(),
            "end": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        rows=tuple(rows),
    )


def _recorded(kept: Kept, metric: str, count: int) -> float | None:
    """Return the record's own mean over the first `count` test tasks, if it has as many."""
    r = kept.record
    if metric not in r.metrics or r.metrics[metric].n < count or SCORES not in r.files:
        return None
    return float(StoredRecord(kept.folder, r).scores[metric][:count].mean())
