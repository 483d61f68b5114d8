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


def test_the_example_of_the_page_on_meta_gradients_runs():
    page = (ROOT / "docs" / "meta_gradients.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    parameters = list(names["model"].parameters())
    assert len(parameters) == 4
    assert all(float(p.grad.abs().max()) > 0 for p in parameters)
