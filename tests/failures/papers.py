"""Section: files of a paper that are wrong."""

from __future__ import annotations

from pathlib import Path

from tests.failures.case import Printed, Section, nothing_written
from tests.failures.small_runs import SMOKE
from tests.failures.stage import Stage

SECTION = Section(
    "Files of a paper",
    kept="Nothing is started, and nothing written, in any of these; what is left out is left out "
    "alone, and the other papers are read.",
    holds=nothing_written,
)
case = SECTION.case
BAD_PAPER = "tests/cli/test_bad_papers.py::test_a_bad_paper_stops_itself_alone"
CATALOG, PUBLISHED = "tests/test_catalog.py", "tests/test_published.py"
CHECK = "tests/cli/test_new_and_check.py"


def draft(stage: Stage) -> Path:
    """Make a new paper beside one of ours."""
    stage.paper("anil")
    stage.say("harness new demo", status=0)
    stage.before = None
    return stage.folder / "replications" / "demo"


def left_out(stage: Stage) -> Printed:
    """List all papers, and return what is printed about the one that cannot be read."""
    said = stage.say("harness list", status=0)
    assert "anil/" in said.out
    return said.only("demo")


@case(
    "wrong type in a `paper.toml`",
    test="tests/test_protocol.py::test_a_wrong_switch_is_one_sentence",
)
def wrong_type(stage: Stage) -> Printed:
    stage.edit(stage.paper("maml") / "paper.toml", "meta_batch = 25", 'meta_batch = "25"')
    return stage.say(SMOKE)


@case(
    "a number where a table belongs",
    test="tests/test_catalog.py::test_odd_tables_are_one_sentence",
)
def no_table(stage: Stage) -> Printed:
    path = stage.paper("maml") / "paper.toml"
    stage.edit(path, "tasks.test_shots = 5", "tasks = 5")
    return stage.say(SMOKE)


@case(
    "a mistyped section, which would be lost",
    test="tests/test_catalog.py::test_odd_tables_are_one_sentence",
)
def mistyped_section(stage: Stage) -> Printed:
    path = stage.paper("maml") / "paper.toml"
    stage.edit(path, "[bases.sinusoid.testing]", "[bases.sinusoid.testng]")
    return stage.say(SMOKE)


@case("missing switch", test="tests/test_protocol.py::test_a_missing_switch_has_no_default")
def missing_switch(stage: Stage) -> Printed:
    stage.edit(stage.paper("maml") / "paper.toml", "meta_batch = 25\n", "")
    return stage.say(SMOKE)


@case(
    "published line without a source", test="tests/test_published.py::test_a_line_needs_its_parts"
)
def no_source(stage: Stage) -> Printed:
    path = stage.paper("maml") / "published.csv"
    stage.edit(path, '"Finn et al. 2017, arXiv 1703.03400"', "")
    return stage.say(SMOKE)


@case("a draft without a title", test=BAD_PAPER)
def no_title(stage: Stage) -> Printed:
    stage.edit(draft(stage) / "paper.toml", "title =", "# title =")
    return left_out(stage)


@case("a table that is not UTF-8", test=BAD_PAPER)
def not_utf8(stage: Stage) -> Printed:
    path = draft(stage) / "published.csv"
    path.write_bytes(path.read_text().replace("EXAMPLE", "M\u00fcller", 1).encode("cp1252"))
    return left_out(stage)


@case("a misspelt table of a `paper.toml`, which would be lost", test=BAD_PAPER)
def misspelt_table(stage: Stage) -> Printed:
    path = draft(stage) / "paper.toml"
    path.write_text(path.read_text() + "[cell.x]\npublished_only = true\n")
    return left_out(stage)


@case(
    "an open quote in a table, which would swallow the lines after it",
    test=f"{PUBLISHED}::test_a_wrong_line_names_file_and_line",
)
def open_quote(stage: Stage) -> Printed:
    stage.edit(draft(stage) / "published.csv", ",low,EXAMPLE", ',low,"EXAMPLE')
    return left_out(stage)


@case("a negative interval", test=f"{PUBLISHED}::test_a_wrong_line_names_file_and_line")
def negative_interval(stage: Stage) -> Printed:
    stage.edit(draft(stage) / "published.csv", "mse@0,0,,none,", "mse@0,0,-1,none,")
    return left_out(stage)


@case(
    "a number of a paper's without a range", test=f"{CHECK}::test_a_number_without_a_range_is_named"
)
def no_range(stage: Stage) -> Printed:
    stage.edit(draft(stage) / "method.py", "learning_rate: Rate", "learning_rate: float")
    return stage.say("harness check demo --no-runs", status=1).only("states no range")


@case(
    "a value of a re-implementation that no variant takes",
    test="tests/explain/test_elsewhere.py::test_a_wrong_line_names_file_and_line",
)
def no_such_value(stage: Stage) -> Printed:
    path = stage.paper("maml") / "reimplementations.csv"
    stage.edit(path, "tasks.train_queries,15", "tasks.train_queries,-15")
    return stage.say("harness check maml --no-runs", status=1).only("-15")


@case(
    "a package that a paper needs is missing",
    test="tests/cli/test_bad_papers.py::test_a_method_that_does_not_import_stops_only_what_needs_it",
)
def missing_package(stage: Stage) -> Printed:
    stage.edit(draft(stage) / "method.py", "import math", "import nosuchpackage")
    stage.say("harness list demo", status=0)
    return stage.say("harness run demo/sinusoid-10shot --budget smoke")
