"""The code of a paper's page, under "The method in code", as something to run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from harness.catalog import papers

NAMES: dict[str, Any] = {
    "torch": torch,
    "grad": torch.autograd.grad,
    "functional_call": torch.func.functional_call,
    "cosine_similarity": F.cosine_similarity,
    "cross_entropy": F.cross_entropy,
    "normalize": F.normalize,
    "one_hot": F.one_hot,
    "softplus": F.softplus,
}
PAPERS = papers()


def code(paper: str) -> Callable[..., Any]:
    """Return the function that the page of `paper` defines."""
    page = (PAPERS[paper].folder / "README.md").read_text("utf-8")
    section = page.partition("## The method in code\n")[2].partition("\n## ")[0]
    [block] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names = dict(NAMES)
    exec(block, names)
    [function] = [v for k, v in names.items() if k not in NAMES and k != "__builtins__"]
    return function  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64, from one seed."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)
