"""Every switch and every option that is a number states its range, in every paper and verb; what
the papers say and what is on record lies in it."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import check, protocol
from harness.catalog import Paper, papers
from harness.cli.main import build_parser
from harness.protocol import ranges
from harness.records.store import find_records
from harness.run.kept_weights import record_overrides
from harness.tasks.registry import SOURCES, shared_task_source

PAPERS = papers()
RESULTS = Path(__file__).resolve().parents[2] / "results"


def settings() -> Iterator[type[Any]]:
    """Yield the classes of switches: of task sources, methods, training and testing."""
    yield from (protocol.Training, protocol.Testing)
    yield from (shared_task_source(name).Settings for name in SOURCES)
    for paper in PAPERS.values():
        for variant in check.variants(paper.folder):
            yield from (type(variant.tasks), type(variant.method))


SETTINGS = sorted(set(settings()), key=lambda cls: (cls.__module__, cls.__name__))


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.__name__)
def test_each_number_states_its_range(cls: type[Any]) -> None:
    assert [name for name, stated in ranges(cls).items() if not stated] == []


def test_all_are_looked_at() -> None:
    """The switches of every paper, so that the test above is about something."""
    assert {cls.__module__.split(".")[1] for cls in SETTINGS} >= set(PAPERS)
    assert sum(len(ranges(cls)) for cls in SETTINGS) > 200


@pytest.mark.parametrize("paper", PAPERS.values(), ids=list(PAPERS))
def test_the_contract_of_a_paper_says_so(paper: Paper) -> None:
    assert [f.passed for f in check.ranges(paper.folder)] == [True]


def test_what_is_on_record_is_in_the_ranges() -> None:
    records = find_records(RESULTS)
    assert records
    for stored in records:
        record = stored.record
        cell = PAPERS[record.paper].cells[record.cell]
        changed = record_overrides(record, cell.variant(record.variant))
        read = cell.variant(record.variant, changed).protocol()
        for section in ("tasks", "method", "training", "testing"):
            assert read[section].items() >= record.protocol[section].items(), stored.folder


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from actions(verb)
        else:
            yield action


def test_each_option_that_is_a_number_has_a_range() -> None:
    kinds = [action.type for action in actions(build_parser())]
    assert int not in kinds
    assert float not in kinds
    assert len([kind for kind in kinds if kind not in (None, Path)]) >= 12
