"""The tables of a `paper.toml`: their names, what may stand in them, and how they are merged."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from harness.errors import HarnessError, closest
from harness.metric import read_metric
from harness.shown import shown

SECTIONS = ("tasks", "method", "training", "testing")
SCALARS = ("task_source", "algorithm", "title", "bound")
IN_BASES = (*SECTIONS, *SCALARS)
ABOUT = {"title": str, "authors": str, "year": int, "url": str, "code": str}
TOP = ("paper", "bases", "cells", "algorithms")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", re.ASCII)
_KINDS = {str: "text", int: "a whole number"}


def check_top(table: dict[str, Any], where: str) -> None:
    """Refuse a table at the top level that nothing reads, such as `[cell.x]`."""
    _check_known(table, where, TOP)


def read_about(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what `[paper]` says: the citation, all of `ABOUT`, and what may lack: `headline`, and
    `no_numbers`, why the paper has no number to be compared with."""
    _check_known(table, f"{where} [paper]", (*ABOUT, "headline", "no_numbers"))
    headline = table_of(table, "headline", f"{where} [paper]")
    for name, kind in (ABOUT | {"no_numbers": str} if "no_numbers" in table else ABOUT).items():
        value = table.get(name)
        if not isinstance(value, kind) or isinstance(value, bool) or value == "":
            raise HarnessError(
                f"{where} [paper] {name}: found {shown(value)}, wanted {_KINDS[kind]}."
            )
    return {**table, "headline": headline}


def based(raw: dict[str, Any], bases: dict[str, Any], where: str, more: tuple[str, ...]) -> Any:
    """Merge the bases that `raw` names, in order, and then its own scalars and sections; `more`
    names what else may stand there, which is left out."""
    merged: dict[str, Any] = {}
    named = raw.get("bases", [])
    if not isinstance(named, list) or not all(isinstance(base, str) for base in named):
        raise HarnessError(f"{where}: bases: found {shown(named)}, wanted a list of names.")
    for base in named:
        if base not in bases:
            raise HarnessError(
                f"{where}: found base {shown(base)}{closest(base, bases)}, not defined."
            )
        merged = merge(merged, bases[base])
    check_keys(raw, where, (*IN_BASES, "bases", *more))
    return merge(merged, {k: v for k, v in raw.items() if k not in ("bases", *more)})


def table_of(parent: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """Return the table `name` of a TOML table; an empty one where there is none."""
    table = parent.get(name, {})
    if not isinstance(table, dict):
        raise HarnessError(f"{where} {name}: found {shown(table)}, wanted a table.")
    return table


def check_name(name: str, where: str) -> None:
    """Refuse a name of a cell or a variant that no folder of records can have."""
    if not _NAME.fullmatch(name):
        raise HarnessError(
            f"{where}: found the name {shown(name)}, wanted letters, digits, ., _, + and -: it is "
            f"part of commands and folders."
        )


def check_keys(raw: dict[str, Any], where: str, known: Collection[str]) -> None:
    """Refuse what nothing reads (a mistyped section would be lost silently), and odd sections and
    words."""
    _check_known(raw, where, known)
    for name, value in raw.items():
        if name in SECTIONS:
            table_of(raw, name, where)
        if name in SCALARS and not isinstance(value, str):
            raise HarnessError(f"{where} {name}: found {shown(value)}, wanted text.")
    if raw.get("bound") == "":
        raise HarnessError(f"{where} bound: found '', wanted what the variant knows.")


def _check_known(raw: dict[str, Any], where: str, known: Collection[str]) -> None:
    for name in raw:
        if name not in known:
            raise HarnessError(
                f"{where}: unknown key {shown(name)}{closest(name, known)}; "
                f"wanted some of {', '.join(sorted(known))}."
            )


def merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Return `low` with what `high` sets; sections are merged switch by switch."""
    merged = dict(low)
    for k, v in high.items():
        both = isinstance(v, dict) and isinstance(merged.get(k), dict)
        merged[k] = {**merged[k], **v} if both else v
    return merged


def read_beside(raw: dict[str, Any], where: str) -> tuple[str, str]:
    """Return the setting and the metric that a cell's table `beside` states, ('', '') without
    one."""
    table = table_of(raw, "beside", where)
    if not table:
        return "", ""
    _check_known(table, f"{where} beside", ("setting", "metric"))
    for name in ("setting", "metric"):
        if not isinstance(table.get(name), str) or not table[name]:
            raise HarnessError(
                f"{where} beside: {name}: found {shown(table[name]) if name in table else 'none'}, "
                "wanted text."
            )
    return table["setting"], read_metric(table["metric"]).name
