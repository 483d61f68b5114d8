"""Sections as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report.sheet import Section


def render_markdown(sections: Sequence[Section]) -> str:
    """Return a Markdown table for each section, with the notes as its last column."""
    return "\n".join("\n".join(_section(s)) for s in sections) or "No rows.\n"


def _section(section: Section) -> Iterable[str]:
    noted = any(line.note for line in section.lines)
    left = 1 + section.left
    numbers = len(section.header) - section.left - 1
    header = [section.of, *section.header, *(["why"] if noted else [])]
    rules = ["---"] * left + ["---:"] * numbers + ["---"] * (1 + noted)
    yield f"**{section.title}**"
    yield ""
    yield _row(header)
    yield "|" + "|".join(rules) + "|"
    for line in section.lines:
        yield _row([line.cell, *line.columns, *([line.note] if noted else [])])
    yield ""


def _row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(_escaped(t) for t in texts) + " |"


def _escaped(text: str) -> str:
    for sign in "\\`*_[]<|":
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ")
