"""One way from rows to text in any format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from harness.compare.across import AcrossRow
from harness.compare.across_pairs import AcrossPair
from harness.compare.paired import PairedRow
from harness.compare.row import Row
from harness.compare.verdict import VerdictName
from harness.costs.claim_rows import ClaimRow
from harness.costs.rows import CostRow
from harness.explain.explanation import Explanation
from harness.report.across_sheet import accuracy_sections, pair_sections, spent_sections
from harness.report.cost_sheet import claim_sections, cost_sections
from harness.report.data import render_csv, render_json
from harness.report.effect_sheet import (
    FlatEffect,
    explanation_sections,
    flat_row,
    without_p_of_trainings,
)
from harness.report.latex import render_latex
from harness.report.markdown import render_markdown
from harness.report.sheet import paired_sections, row_sections
from harness.report.terminal import render_table

FORMATS = ("table", "json", "md", "latex", "csv")


def render_rows(rows: Sequence[Row], form: str) -> str:
    """Return `rows` in one of `FORMATS`, ending in a newline.

    A verdict of one training reads `reproduced (1 seed)` in all of them but JSON, where the field
    `verdict` is the plain word and `trained_seeds` is 1.
    """
    if form == "json":
        return render_json(rows)
    if form == "csv":
        # In a spreadsheet a column is counted by its words alone, so the word says it all.
        said = [replace(r, verdict=cast("VerdictName", r.verdict_words)) for r in rows]
        return render_csv(said, Row)
    return _TEXTS[form](row_sections(rows))


def render_paired(rows: Sequence[PairedRow], form: str) -> str:
    """Return paired rows in one of `FORMATS`, ending in a newline."""
    if form in ("json", "csv"):
        return render_json(rows) if form == "json" else render_csv(rows, PairedRow)
    return _TEXTS[form](paired_sections(rows))


def render_across(rows: Sequence[AcrossRow], pairs: Sequence[AcrossPair], form: str) -> str:
    """Return the methods of all papers beside each other in one of `FORMATS`; as text, costs and
    paired differences stand below them."""
    if form in ("json", "csv"):
        return render_json(rows) if form == "json" else render_csv(rows, AcrossRow)
    return _TEXTS[form]([*accuracy_sections(rows), *spent_sections(rows), *pair_sections(pairs)])


def render_across_pairs(pairs: Sequence[AcrossPair], form: str) -> str:
    """Return paired differences between methods in one of `FORMATS`, ending in a newline."""
    if form in ("json", "csv"):
        return render_json(pairs) if form == "json" else render_csv(pairs, AcrossPair)
    return _TEXTS[form](pair_sections(pairs))


def render_costs(rows: Sequence[CostRow], claims: Sequence[ClaimRow], form: str) -> str:
    """Return measured costs in one of `FORMATS`; as text, the published claims stand below them."""
    if form in ("json", "csv"):
        return render_json(rows) if form == "json" else render_csv(rows, CostRow)
    return _TEXTS[form]([*cost_sections(rows), *claim_sections(claims)])


def render_claims(claims: Sequence[ClaimRow], form: str) -> str:
    """Return published claims on cost in one of `FORMATS`, ending in a newline."""
    if form in ("json", "csv"):
        return render_json(claims) if form == "json" else render_csv(claims, ClaimRow)
    return _TEXTS[form](claim_sections(claims))


def render_explanations(found: Sequence[Explanation], form: str) -> str:
    """Return what switches are worth in one of `FORMATS`: JSON of whole explanations, CSV of their
    rows with the run in front."""
    found = [without_p_of_trainings(e) for e in found]
    if form == "json":
        return render_json(found)
    if form == "csv":
        return render_csv([flat_row(e, r) for e in found for r in e.rows], FlatEffect)
    return _TEXTS[form](explanation_sections(found))


_TEXTS = {"table": render_table, "md": render_markdown, "latex": render_latex}
