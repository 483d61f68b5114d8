"""Section: words of a command line, and files of a paper, that are wrong."""

from __future__ import annotations

from tests.failures.case import Printed, Section, nothing_written
from tests.failures.small_runs import RUN, SMOKE
from tests.failures.stage import Stage

SECTION = Section(
    "Words and files of a paper",
    kept="Nothing is started, and nothing written, in any of these.",
    holds=nothing_written,
)
case, line = SECTION.case, SECTION.line
RUN_TEST = "tests/cli/test_run.py"
ONE_SENTENCE = f"{RUN_TEST}::test_a_mistake_is_one_sentence_and_leaves_nothing"

line("unknown switch", f"{SMOKE} --set method.inner_rte=1", test=ONE_SENTENCE)


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


line(
    "training shortened, its cap not",
    f"{RUN} --set training.iterations=60",
    test="tests/run/test_loop.py::test_a_full_length_has_one_end",
)
line(
    "unknown cell",
    "harness run maml/sinusoid-6shot",
    test=f"{RUN_TEST}::test_an_unknown_cell",
)
line("unknown variant", "harness run maml/sinusoid-5shot --variant mml", test=ONE_SENTENCE)
line("unknown engine", f"{SMOKE} --engine fast", test=ONE_SENTENCE)
line("unknown budget", f"{RUN} --budget 2", test=ONE_SENTENCE)
line(
    "unknown device",
    f"{SMOKE} --device tpu",
    test="tests/cli/test_main.py::test_wrong_words_are_one_line",
    foreign=r"(?<=choose from )[^)]*",
)
line("no such device here", f"{SMOKE} --device cuda", test=f"{RUN_TEST}::test_devices")
