"""Pages name tests; the tests are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("page", ["docs/failures.md"])
def test_every_test_that_a_page_names_is_there(page):
    named = re.findall(r"(tests/\S+\.py)::(\w+)", (ROOT / page).read_text(encoding="utf-8"))
    assert named
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{test}"
