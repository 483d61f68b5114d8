"""Which switches training does not depend on is declared, by every paper's methods and tasks."""

from dataclasses import fields

import pytest

from harness import check
from harness.catalog import papers
from harness.method import Method
from harness.tasks.source import TaskSource

OWNERS: dict[str, type[Method] | type[TaskSource]] = {
    f"{cls.__module__}.{cls.__name__}": cls
    for paper in papers().values()
    for variant in check.variants(paper.folder)
    for cls in (variant.method_class, variant.task_source_class)
}

OTHERWISE = {
    "neural_processes": {"report_contexts"},
    "abml": {"delta", "contexts", "first_pulls", "refit_every"},
}
"""Switches by paper that only a test has, so that their names need no word for it."""


@pytest.mark.parametrize("owner", OWNERS)
def test_switches_of_the_test_alone_are_declared_and_there(owner: str) -> None:
    cls = OWNERS[owner]
    switches = {field.name for field in fields(cls.Settings)}
    plain = OTHERWISE.get(cls.__module__.split(".")[1], set())
    assert cls.test_only == {n for n in switches if n.startswith("test_") or n in plain}


def test_all_papers_are_looked_at() -> None:
    assert {name.split(".")[1] for name in OWNERS} >= set(papers())
    assert sum(bool(cls.test_only) for cls in OWNERS.values()) > 10
