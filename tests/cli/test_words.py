"""A cell behind a list of values is the cell, in every verb and for every such option."""

from __future__ import annotations

import pytest

from harness.cli.main import VERBS, build_parser

CELL = "maml/sinusoid-5shot"
VALUES = {"orders": ["first", "second"], "variant": ["maml", "oracle"], "engines": ["func", "loop"]}


def lists():
    for verb in VERBS:
        [verbs] = [a for a in build_parser([verb])._actions if a.dest == "verb"]
        for action in verbs.choices[verb]._actions:
            if action.nargs == "+" and action.option_strings:
                yield verb, action.option_strings[0], VALUES.get(action.dest, ["2", "3"])


def test_there_are_such_options():
    assert {(verb, name) for verb, name, _ in lists()} >= {
        ("run", "--variant"),
        ("run", "--seeds"),
        ("cost", "--engines"),
        ("cost", "--steps"),
        ("explain", "--episodes"),
    }


@pytest.mark.parametrize(("verb", "name", "values"), list(lists()))
def test_the_cell_may_stand_anywhere(verb, name, values):
    parser = build_parser([verb])
    before = parser.parse_args([verb, CELL, name, *values])
    for words in (
        [name, *values, CELL],
        [name[:-1], *values, CELL],
        ["--device", "cpu", name, *values, CELL, "--set" if verb != "explain" else "--pair", "a=1"],
    ):
        arguments = vars(parser.parse_args([verb, *words]))
        assert arguments["cell"] == CELL
        dest = name.removeprefix("--")
        assert arguments[dest] == vars(before)[dest]


def test_what_is_no_cell_stays_where_it_is():
    arguments = build_parser(["run"]).parse_args(
        ["run", CELL, "--results", "a/b", "--set", "x.y=c/d", "--seeds", "0", "--work", "e/f"]
    )
    assert (arguments.cell, str(arguments.results), arguments.set) == (CELL, "a/b", ["x.y=c/d"])
    assert str(arguments.work) == "e/f"


def test_two_cells_are_refused(capsys):
    with pytest.raises(SystemExit):
        build_parser(["run"]).parse_args(["run", CELL, "--variant", "maml", "maml/other"])
    assert "unrecognized arguments" in capsys.readouterr().err
