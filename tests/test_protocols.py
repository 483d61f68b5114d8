"""What a reader may rely on of every paper: its protocol is typed twice, and its starts tested."""

from __future__ import annotations

import pytest

from harness.catalog import replications_folder
from tests.mutations import ROOT, mutations

MUTATIONS = mutations()
PAPERS = sorted(path.parent.name for path in replications_folder().glob("*/paper.toml"))


@pytest.mark.parametrize("paper", PAPERS)
def test_a_replication_holds_protocol_and_starts_against_literals(paper):
    path = replications_folder() / paper / f"test_{paper}_protocol.py"
    text = path.read_text(encoding="utf-8")
    assert "assert_protocol(" in text
    assert "assert_every_variant(" in text
    assert "assert_starts(" in text or "assert_law(" in text


@pytest.mark.parametrize("paper", PAPERS)
def test_mutations_of_each_paper_can_still_be_made(paper):
    """`tests/mutations.py` is run by hand; what it changes must still be there."""
    own = [(file, old) for file, old, _, tests in MUTATIONS if f"/{paper}/" in tests]
    assert len(own) >= 2
    for file, old in own:
        assert old in (ROOT / file).read_text(encoding="utf-8"), f"{file}: {old!r} is gone"


def test_mutations_change_something_and_name_tests_that_exist():
    for file, old, new, tests in MUTATIONS:
        assert old != new, file
        assert old in (ROOT / file).read_text(encoding="utf-8"), f"{file}: {old!r} is gone"
        assert (ROOT / tests).is_file()
