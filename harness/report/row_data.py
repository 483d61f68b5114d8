"""Rows as flat mappings, a name for each column: what JSON and CSV hold of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.compare.across import AcrossRow
from harness.compare.row import Row
from harness.compare.setting import Setting
from harness.compare.spent import Spent
from harness.compare.verdict import Verdict
from harness.costs.claim_rows import ClaimRow
from harness.costs.published import CostClaim, Selector
from harness.explain.effect import EffectRow
from harness.explain.explanation import Explanation
from harness.published import PublishedLine
from harness.report.data import columns_of

ROW_OF_ACROSS = (
    *("paper", "cell", "variant", "metric", "published", "published_interval", "interval_kind"),
    *("table", "source", "measured", "task_interval", "tasks", "seed_interval", "seeds"),
    *("trained_seeds", "budget"),
)


def row_data(row: Row) -> dict[str, Any]:
    """Return a row by column; texts that there are not are '', other values None."""
    measured, runs, verdict, spread = row.measured, row.runs, row.verdict, row.spread
    return {
        "paper": row.paper,
        "cell": row.cell,
        "variant": row.variant,
        "metric": row.metric,
        "verdict": verdict.name,
        "reason": verdict.reason,
        **_line_data(row.line),
        "measured": measured.mean,
        "task_interval": measured.task_interval,
        "seed_interval": measured.seed_interval,
        "seeds": runs.seeds,
        "trained_seeds": runs.trained_seeds,
        "seed_spread": spread.sd if spread else None,
        "seed_spread_of": spread.variant if spread else "",
        "median": measured.median,
        "tasks": measured.tasks,
        "margin": verdict.margin,
        "difference": verdict.difference,
        "difference_interval": verdict.difference_interval,
        "budget": runs.budget,
        "device": runs.device,
        "protocol_differences": runs.protocol_differences,
        "commits": runs.commits,
        "records": runs.records,
        "kind": row.tasks.kind,
        "dataset": row.tasks.dataset,
        "ways": row.tasks.ways,
        "shots": row.tasks.shots,
        "inference": row.tasks.inference,
        "command": row.command,
    }


def row_columns() -> list[str]:
    """Return the columns of `row_data`."""
    return list(row_data(Row("", "", "", "", Verdict("not run", ""))))


def across_data(across: AcrossRow) -> dict[str, Any]:
    """Return a row in its setting by column; `setting` and `spent` have columns of their own."""
    row = row_data(across.row)
    return {
        "setting": asdict(across.setting),
        "method": across.method,
        **{name: row[name] for name in ROW_OF_ACROSS},
        "rank": across.rank,
        "not_ranked": across.not_ranked,
        "tests": across.tests,
        "spent": asdict(across.spent),
    }


def across_columns() -> list[str]:
    """Return the columns of `across_data` in a table."""
    own = ("method", *ROW_OF_ACROSS, "rank", "not_ranked", "tests")
    return [*columns_of(Setting), *own, *columns_of(Spent)]


def claim_data(row: ClaimRow) -> dict[str, Any]:
    """Return a claim on cost by column; without a measurement its texts are ''."""
    ours, claim = row.measured, row.claim
    return {
        "machine": ours.machine if ours else "",
        "hardware": ours.hardware if ours else "",
        "threads": ours.threads if ours else 0,
        "paper": claim.paper,
        "cell": claim.cell,
        "claim": claim.claim,
        "quantity": claim.quantity,
        "unit": claim.unit,
        "point": _selected(claim.point),
        "against": _selected(claim.against),
        "variant": ours.variant if ours else "",
        "order": ours.order if ours else None,
        "engine": ours.engine if ours else None,
        "inner_steps": ours.inner_steps if ours else None,
        "published": claim.value,
        "margin": claim.margin,
        "measured": ours.mean if ours else None,
        "interval": ours.interval if ours else None,
        "rounds": ours.rounds if ours else 0,
        "verdict": row.verdict,
        "reason": row.reason,
        "setting": claim.setting,
        "source": claim.source,
        "confidence": claim.confidence,
        "note": claim.note,
    }


def claim_columns() -> list[str]:
    """Return the columns of `claim_data`."""
    no_claim = CostClaim("", "", "", "", 0.0, "", None, {}, {}, "", "", "", "", "")
    return list(claim_data(ClaimRow(no_claim, "not run", "")))


def effect_data(explanation: Explanation, effect: EffectRow) -> dict[str, Any]:
    """Return what a switch is worth by column, and the run it is of."""
    run = {name: getattr(explanation, name) for name in ("paper", "cell", "variant", "seed")}
    more = {"run_budget": explanation.budget, "record_digest": explanation.record_digest}
    return {**asdict(effect), **run, **more}


def effect_columns() -> list[str]:
    """Return the columns of `effect_data`."""
    run = ("paper", "cell", "variant", "seed", "run_budget", "record_digest")
    return [*columns_of(EffectRow), *run]


def _line_data(line: PublishedLine | None) -> dict[str, Any]:
    said = asdict(line) if line else {}
    words = ("source", "table", "confidence", "note", "method")
    return {
        "published": said.get("value"),
        "published_interval": said.get("interval"),
        "interval_kind": said.get("interval_kind", ""),
        "published_episodes": said.get("episodes"),
        "published_seeds": said.get("seeds"),
        **{name: said.get(name, "") for name in words},
    }


def _selected(selector: Selector) -> str:
    return " ".join(f"{name}={value}" for name, value in selector.items())
