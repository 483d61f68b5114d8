"""Section: standard streams and an environment that are not as usual."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from harness.measure import git_state as git_state_module
from harness.measure.git_state import git_state
from harness.run import on_record
from tests.failures.case import Printed, Section
from tests.failures.small_runs import SMALL, SMOKE, same_as_unbroken
from tests.failures.stage import Stage

SECTION = Section("Streams and environment")
case = SECTION.case
STREAMS = "tests/cli/test_streams.py"
REAL = f"{STREAMS}::test_real_processes_end_with_the_right_status"
FULL = "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), {})"
CLOSED = "import os, sys\nos.close({0})\nsys.{1} = None"
IN_LOADING = """
import os, signal
from importlib import import_module
from harness.cli import main

def signalled(name):
    os.kill(os.getpid(), signal.SIGINT)
    return import_module(name)

main.import_module = signalled
"""


@case(
    "standard output is full (`harness list >/dev/full`), or closed (`>&-`)",
    kept="nothing of the table",
    test=REAL,
)
def output_refused(stage: Stage) -> Printed:
    full = stage.start("harness list maml", FULL.format(1)).wait(status=1)
    closed = stage.start("harness list maml", CLOSED.format(1, "stdout")).wait(status=1)
    return [full.only("could not"), "or", closed.only("could not")]


@case(
    "standard error is full (`2>/dev/full`), or closed (`2>&-`)",
    kept="the run goes on to its record, status 0",
    test=REAL,
)
def messages_refused(stage: Stage) -> Printed:
    full = stage.start(SMALL, FULL.format(2)).wait(status=0)
    assert same_as_unbroken(stage)
    closed = stage.start(SMALL, CLOSED.format(2, "stderr")).wait(status=0)
    assert full.out + full.err + closed.out + closed.err == ""
    return "nothing"


@case(
    "the encoding of standard output lacks characters (`PYTHONIOENCODING=ascii`)",
    kept="the table, with others for them",
    test="tests/report/test_plain_text.py::test_every_encoding_takes_every_text",
)
def no_such_characters(stage: Stage) -> Printed:
    first = "import sys\nsys.stdout.reconfigure(encoding='ascii')"
    said = stage.start("harness list maml", first).wait(status=0)
    return ["in the table:", said.part(r"98\.7 \+- 0\.4"), "for `98.7 ± 0.4`"]


@case(
    "Ctrl-C while modules are still loaded",
    kept="all as it was",
    test="tests/cli/test_main.py::test_ctrl_c_while_modules_are_loaded_is_one_line",
)
def while_loading(stage: Stage) -> Printed:
    said = stage.start(SMOKE, IN_LOADING).wait(status=130)
    assert not stage.files()
    return said


@case(
    "a misspelt `HARNESS_` variable, which would be lost",
    kept="the command goes on without it",
    test="tests/cli/test_main.py::test_a_variable_that_nothing_reads_is_named",
)
def misspelt_variable(stage: Stage) -> Printed:
    stage.patch.setenv("HARNESS_DATE", str(stage.folder))
    return stage.say("harness list maml", status=0).only("HARNESS_DATE")


@case(
    "there is no home folder for the cache",
    kept="all as it was",
    test="tests/test_places.py::test_no_home_is_one_sentence",
)
def no_home(stage: Stage) -> Printed:
    stage.patch.delenv("HOME")
    stage.patch.delenv("HARNESS_CACHE")
    stage.patch.setattr("os.getuid", lambda: 2**30)  # a number that no user has
    said = stage.say("harness data verify omniglot")
    assert not stage.files()
    return said


@case(
    "git does not read the history of the checkout",
    kept="the run goes on; its record names no commit",
    test="tests/measure/test_git_state.py::test_a_damaged_history_is_said",
    foreign=r"(?<=\(fatal: )[^`]*?(?=\), wanted it)",
)
def damaged_history(stage: Stage) -> Printed:
    checkout = stage.folder / "checkout"
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True, capture_output=True)
    Path(checkout, ".git", "HEAD").write_text("nonsense")
    git_state_module._say_unread.cache_clear()
    stage.patch.setattr(on_record, "git_state", partial(git_state, checkout))
    said = stage.say(SMOKE, status=0)
    assert '"commit": null' in stage.one("record.json").read_text()
    return said.only("git")
