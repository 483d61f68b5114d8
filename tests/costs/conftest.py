import pytest

from harness.catalog import Cell
from tests.costs.made_up import make_cell


@pytest.fixture
def cell(tmp_path, monkeypatch) -> Cell:
    """The cell `toy/loops` of a made-up paper."""
    return make_cell(tmp_path, monkeypatch)
