"""The harness in which a published meta-learning number is reproduced, or its gap explained.

`harness.evaluate` tests any model on a cell's own episodes; it is loaded when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.evaluation.evaluate import evaluate

__all__ = ["evaluate"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load `evaluate` with torch behind it only where it is used."""
    if name == "evaluate":
        from harness.evaluation.evaluate import evaluate

        return evaluate
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
