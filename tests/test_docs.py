"""Examples of pages run. (docs/failures.md has tests of its own, in tests/failures.)"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_example_of_the_page_on_meta_gradients_runs():
    page = (ROOT / "docs" / "meta_gradients.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    parameters = list(names["model"].parameters())
    assert len(parameters) == 4
    assert all(float(p.grad.abs().max()) > 0 for p in parameters)
