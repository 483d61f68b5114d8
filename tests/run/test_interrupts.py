"""Six interrupted runs of four methods end in the records of unbroken ones.

`python -m tests.run.interrupts` does hundreds."""

from __future__ import annotations

from tests.run.interrupts import trials

METHODS = ["protonet", "maml", "learned optimiser", "reptile"]


def test_interrupted_runs_give_the_same_records(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)
    outcomes = list(trials(6, seed=1, names=METHODS, fresh_share=0.0))
    for outcome in outcomes:
        assert outcome.equal, outcome
        assert not outcome.notes, outcome
    assert len(outcomes) == 6
    assert any("2 at a time" in outcome.name for outcome in outcomes)
