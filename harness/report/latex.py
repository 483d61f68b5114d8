"""Sections as LaTeX tables (package booktabs)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report.sheet import Section

_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "±": r"$\pm$",
    "−": r"$-$",
    "<": r"$<$",
    ">": r"$>$",
}


def render_latex(sections: Sequence[Section]) -> str:
    """Return one `tabular` for each section; the note of a row stands under it in small type."""
    return "\n".join("\n".join(_section(s)) for s in sections) or "% no rows\n"


def escape(text: str) -> str:
    """Return `text` with everything that LaTeX would act on escaped."""
    for mark, name in (("▲ better", "better"), ("▼ worse", "worse")):
        if text == mark or text.startswith(f"{mark} ("):
            return rf"\textbf{{{name}}}{text.removeprefix(mark)}"
    return "".join(_SIGNS.get(c, c) for c in text)


def _section(section: Section) -> Iterable[str]:
    count = len(section.header)
    yield f"% {section.title}"
    yield rf"\begin{{tabular}}{{{'l' * section.left}{'r' * (count - section.left - 1)}l}}"
    yield r"\toprule"
    yield _row(section.header)
    cell = ""
    for line in section.lines:
        if line.cell != cell:
            cell = line.cell
            yield r"\midrule"
            yield rf"\multicolumn{{{count}}}{{l}}{{\emph{{{escape(cell)}}}}} \\"
        yield _row(line.columns)
        if line.note:
            note = rf"\parbox{{0.9\linewidth}}{{\footnotesize {escape(line.note)}}}"
            yield rf"\multicolumn{{{count}}}{{l}}{{\quad {note}}} \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield ""


def _row(texts: Iterable[str]) -> str:
    return " & ".join(escape(t) for t in texts) + r" \\"
