"""Every line that `harness VERB --help` shows as an example runs, just as it stands there."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli.main import VERBS
from harness.costs import measure_point, session, timing
from harness.data import fetch
from harness.data.datasets import load_store
from harness.run import estimate

FIRST = {
    # Examples of `evaluate` and `explain` test what an example of `run` has trained.
    "evaluate": import_module(VERBS["run"]).EXAMPLES[0],
    "explain": import_module(VERBS["run"]).EXAMPLES[0],
}
SHOWN = {
    "list": "maml/sinusoid-5shot",
    "show": "switches:",
    "run": "",
    "evaluate": "exactly as recorded",
    "explain": "steps",  # its underscore is escaped in some formats
    "check": ", 0 failed",
    "new": "harness check demo",
    "env": "torch",
}


def examples():
    for verb, module in VERBS.items():
        for line in import_module(module).EXAMPLES:
            needs = " omniglot " in f"{line} " and "verify" in line
            marks = [pytest.mark.omniglot] if needs else []
            if needs and not os.environ.get("HARNESS_DATA"):
                marks.append(pytest.mark.skip(reason="HARNESS_DATA is not set"))
            yield pytest.param(verb, line, marks=marks, id=line)


@pytest.mark.parametrize(("verb", "line"), list(examples()))
def test_an_example_runs(verb, line, say, workplace, monkeypatch):
    asked = []

    def download(root: str, **options: object) -> None:
        (Path(root) / "omniglot-py").mkdir(exist_ok=True)
        asked.append(options)

    fake = SimpleNamespace(Omniglot=download)
    monkeypatch.setattr(fetch, "import_torchvision", lambda _: fake)
    monkeypatch.setattr(estimate, "SECONDS", 0.0)
    # In this process: what starts one for each measurement is tested in tests/cli/test_cost.py.
    monkeypatch.setattr(session, "measure_apart", measure_point.measure)
    monkeypatch.setattr(timing, "peak_rate", lambda _: 1e11)
    if verb == "new":
        monkeypatch.setenv("HARNESS_REPLICATIONS", str(workplace / "replications"))
    if "verify omniglot" in line:
        # All of Omniglot is packed once a session, as for the other tests that read it.
        monkeypatch.delenv("HARNESS_CACHE")
    if verb in FIRST:
        assert say(FIRST[verb]).status == 0
    try:
        said = say(line)
    finally:
        load_store.cache_clear()
    assert said.status == 0, said
    assert "Traceback" not in said.err
    assert SHOWN.get(verb, "") in said.out
    if "verify omniglot" in line:
        assert "20 runs, each within one of 10 evaluation alphabets" in said.out
    assert len(asked) == (2 if " fetch " in line else 0), "only `data fetch` downloads"
    records = list((workplace / "results").rglob("record.json"))
    assert bool(records) == (verb in ("run", "evaluate", "explain"))


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_the_examples(verb, say):
    said = say(f"harness {verb} --help")
    assert said.status == 0
    lines = import_module(VERBS[verb]).EXAMPLES
    assert lines
    for line in lines:
        assert f"\n  {line}\n" in said.out
        assert line.startswith(f"harness {verb}")


def test_without_a_verb_all_are_listed(say):
    said = say("harness --help")
    assert said.status == 0
    for module in VERBS.values():
        assert import_module(module).SUMMARY in " ".join(said.out.split())


def test_an_unknown_verb_is_refused(say):
    said = say("harness ran")
    assert said.status == 2
    assert "invalid choice: 'ran'" in said.err


def test_a_closed_pipe_is_no_traceback(monkeypatch, capsys):
    from harness.cli import env, main

    def broken(arguments):
        raise BrokenPipeError

    monkeypatch.setattr(env, "main", broken)
    assert main.main(["env"]) == 1
    assert capsys.readouterr().err == ""
