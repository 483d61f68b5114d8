"""One way from rows to text in any format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.compare.across import AcrossRow
from harness.compare.across_pairs import AcrossPair
from harness.compare.orderings import OrderingRow
from harness.compare.paired import PairedRow
from harness.compare.row import Row
from harness.costs.claim_rows import ClaimRow
from harness.costs.rows import CostRow
from harness.explain.explanation import Explanation
from harness.report.across_sheet import accuracy_sections, pair_sections, spent_sections
from harness.report.cost_sheet import claim_sections, cost_sections
from harness.report.data import as_data, columns_of, render_csv, render_json
from harness.report.effect_sheet import explanation_sections, without_p_of_trainings
from harness.report.latex import render_latex
from harness.report.markdown import render_markdown
from harness.report.row_data import (
    across_columns,
    across_data,
    claim_columns,
    claim_data,
    effect_columns,
    effect_data,
    row_columns,
    row_data,
)
from harness.report.sheet import ordering_sections, paired_sections, row_sections
from harness.report.terminal import render_table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMATS = ("table", "json", "md", "latex", "csv")


def render_rows(rows: Sequence[Row], form: str, orderings: Sequence[OrderingRow] = ()) -> str:
    """Return `rows` in one of `FORMATS`, ending in a newline; as text, `orderings` stand below.

    A verdict of one training reads `reproduced (1 seed)` in all of them but JSON, where the field
    `verdict` is the plain word and `trained_seeds` is 1.
    """
    if form == "json":
        return render_json([row_data(r) for r in rows])
    if form == "csv":
        # In a spreadsheet a column is counted by its words alone, so the word says it all.
        said = [row_data(r) | {"verdict": r.verdict_words} for r in rows]
        return render_csv(said, row_columns())
    return _TEXTS[form]([*row_sections(rows), *ordering_sections(orderings)])


def render_orderings(rows: Sequence[OrderingRow], form: str) -> str:
    """Return published orderings in one of `FORMATS`, ending in a newline."""
    if form in ("json", "csv"):
        return _plain(rows, OrderingRow, form)
    return _TEXTS[form](ordering_sections(rows))


def render_paired(rows: Sequence[PairedRow], form: str) -> str:
    """Return paired rows in one of `FORMATS`, ending in a newline."""
    if form in ("json", "csv"):
        return _plain(rows, PairedRow, form)
    return _TEXTS[form](paired_sections(rows))


def render_across(rows: Sequence[AcrossRow], pairs: Sequence[AcrossPair], form: str) -> str:
    """Return the methods of all papers beside each other in one of `FORMATS`; as text, costs and
    paired differences stand below them."""
    if form in ("json", "csv"):
        objects = [across_data(r) for r in rows]
        return render_json(objects) if form == "json" else render_csv(objects, across_columns())
    return _TEXTS[form]([*accuracy_sections(rows), *spent_sections(rows), *pair_sections(pairs)])


def render_across_pairs(pairs: Sequence[AcrossPair], form: str) -> str:
    """Return paired differences between methods in one of `FORMATS`, ending in a newline."""
    if form in ("json", "csv"):
        return _plain(pairs, AcrossPair, form)
    return _TEXTS[form](pair_sections(pairs))


def render_costs(rows: Sequence[CostRow], claims: Sequence[ClaimRow], form: str) -> str:
    """Return measured costs in one of `FORMATS`; as text, the published claims stand below them."""
    if form in ("json", "csv"):
        return _plain(rows, CostRow, form)
    return _TEXTS[form]([*cost_sections(rows), *claim_sections(claims)])


def render_claims(claims: Sequence[ClaimRow], form: str) -> str:
    """Return published claims on cost in one of `FORMATS`, ending in a newline."""
    if form in ("json", "csv"):
        objects = [claim_data(r) for r in claims]
        return render_json(objects) if form == "json" else render_csv(objects, claim_columns())
    return _TEXTS[form](claim_sections(claims))


def render_explanations(explanations: Sequence[Explanation], form: str) -> str:
    """Return what switches are worth in one of `FORMATS`: JSON of whole explanations, CSV of their
    rows with the run in front."""
    shown = [without_p_of_trainings(e) for e in explanations]
    if form == "json":
        return render_json(as_data(shown))
    if form == "csv":
        return render_csv([effect_data(e, r) for e in shown for r in e.rows], effect_columns())
    return _TEXTS[form](explanation_sections(shown))


def _plain(rows: Sequence[DataclassInstance], cls: type[DataclassInstance], form: str) -> str:
    """Return rows whose columns are their fields, as JSON or CSV."""
    if form == "json":
        return render_json(as_data(rows))
    return render_csv(as_data(rows), list(columns_of(cls)))


_TEXTS = {"table": render_table, "md": render_markdown, "latex": render_latex}
