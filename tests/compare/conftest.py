from pathlib import Path

import pytest

from tests.toy_paper import ToyPaper


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyPaper:
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made
