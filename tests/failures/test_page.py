"""docs/failures.md says what is printed now, and the machinery that writes it can tell."""

from __future__ import annotations

import re
import signal

import pytest

from tests.failures.case import Case, Section, nothing_written
from tests.failures.page import CASES, PAGE, SECTIONS, key, render, seen_in
from tests.failures.said import ROOT, Said, quoted, shown
from tests.failures.stage import on_stage

TEXT = PAGE.read_text(encoding="utf-8")
SEEN = seen_in(TEXT)
ANEW = "write the page anew: python -m tests.failures --write"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_page_says_what_is_printed(case, tmp_path):
    assert case.ours(case.seen(tmp_path / "stage")) == case.ours(SEEN.get(key(case), "")), ANEW


def test_all_else_on_the_page_is_what_the_cases_say():
    assert render(lambda case: SEEN.get(key(case), "")) == TEXT, ANEW


@pytest.mark.parametrize("name", sorted({case.test for case in CASES}))
def test_every_test_that_a_case_names_is_there(name):
    path, *_, test = name.split("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^ *def {re.escape(test)}\(", text, re.MULTILINE), name


def test_rows_can_be_told_apart():
    assert len({key(case) for case in CASES}) == len(CASES) > 40
    assert len({section.title for section in SECTIONS}) == len(SECTIONS)


class TestMachinery:
    section = Section("Demo", kept="Nothing is written.", holds=nothing_written)

    def case(self, function, **fields) -> Case:
        return Case(self.section, "demo", function, "tests/x.py::test_x", **fields)

    def test_what_is_written_is_noticed(self, tmp_path):
        def writes(stage):
            said = stage.say("harness show nothing")
            stage.put("left over")
            return said

        with pytest.raises(AssertionError, match="left over"):
            self.case(writes).seen(tmp_path / "stage")

    def test_a_traceback_and_a_second_line_are_no_rows(self, tmp_path):
        with pytest.raises(AssertionError):
            Said(1, "", "Traceback (most recent call last):\n", tmp_path)
        with pytest.raises(AssertionError):
            Said(2, "", "harness: x.\nharness: y.\n", tmp_path).seen()
        with pytest.raises(AssertionError):
            Said(2, "", "Error: x.\n", tmp_path).seen()
        with pytest.raises(AssertionError):
            Said(2, "half of a table\n", "harness: x.\n", tmp_path)

    def test_another_status_is_noticed(self, tmp_path):
        with on_stage(tmp_path / "stage") as stage, pytest.raises(AssertionError, match="status 2"):
            stage.say("harness show nothing", status=0)

    def test_words_that_are_not_ours_may_differ(self):
        case = self.case(lambda stage: "", foreign=r"(?<=zip \()[^)]*")
        assert case.ours("a zip (one reason); x") == case.ours("a zip (another); x")
        assert case.ours("a zip (one reason); x") != case.ours("a zip (one reason); y")

    def test_what_differs_from_user_to_user_is_hidden(self, tmp_path):
        text = f"process 17, `kill 17`, {tmp_path}/x/seed0-full-12345678/0a1b2c3d4e5f-seed1"
        assert shown(text, tmp_path) == "process 12345, `kill 12345`, …/x/seed0-full-…/…-seed1"
        assert shown("n01532829 has 60000000 of 1.5", tmp_path) == "n01532829 has 60000000 of 1.5"

    def test_cells_of_a_table_are_read_as_they_were_written(self):
        assert quoted("a `b` | c") == "`` a `b` \\| c ``"
        page = f"## S\n\n| a | {quoted('x | y')} | kept | `t` |\n"
        assert seen_in(page) == {("S", "a"): quoted("x | y")}

    @pytest.mark.parametrize("fresh", [False, True])
    def test_a_process_is_waited_for(self, tmp_path, fresh):
        with on_stage(tmp_path / "stage") as stage:
            first = "import os; print(os.environ['X'], os.getcwd()); raise KeyboardInterrupt"
            run = stage.start("harness list", first=first, fresh=fresh, X="1")
            with pytest.raises(AssertionError, match="KeyboardInterrupt"):
                run.wait(status=1)

    def test_a_process_is_killed(self, tmp_path):
        with on_stage(tmp_path / "stage") as stage:
            run = stage.start("harness list", first="import time; time.sleep(60)")
            run.signal(signal.SIGKILL)
            assert run.wait(status=-signal.SIGKILL).out == ""
            assert stage.files() == {}
