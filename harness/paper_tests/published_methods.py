"""A variant's method at the size that is published, with its initial weights, without any data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.catalog import Variant
from harness.paper_tests.protocol_tables import published_variant
from harness.run.setup import Setup

IN_COLOUR = ("color_episodes", "labelled_images")


class Shapes(SimpleNamespace):
    """What a method may ask of a task source when it is built: shapes and counts."""

    settings: Any
    classes: int
    """All classes of training, where a method classifies among them."""

    def ways(self, split: str) -> int:
        """Return the classes in an episode; of training on single images, all classes."""
        return int(getattr(self.settings, f"{split}_ways", 0) or self.classes)

    def shots(self, split: str) -> int:
        """Return the support images of each class in an episode."""
        return int(getattr(self.settings, f"{split}_shots"))

    def class_ids(self, split: str) -> np.ndarray:
        """Return as many ids as there are classes, of whichever split."""
        return np.arange(self.classes)


def shapes(v: Variant, **more: Any) -> Shapes:
    """Return the shapes of the variant's tasks; `more` are attributes that its task source has
    beside them."""
    given: dict[str, Any] = {"settings": v.tasks}
    if hasattr(v.tasks, "image_size"):
        size = v.tasks.image_size
        given["image_shape"] = (3 if v.task_source in IN_COLOUR else 1, size, size)
    return Shapes(**given, **more)


def published_method(
    paper: str,
    cell: str,
    variant: str,
    seed: int = 0,
    tasks: dict[str, Any] | None = None,
    **switches: Any,
) -> Any:
    """Return the method of a variant's run at full length with its initial weights on the CPU.

    `tasks` are attributes of its task source beyond image shapes and counts that its `build` asks
    for; `switches` are overrides, as `section__switch=value`. `Any`: tests look at attributes that
    only one paper's method has.
    """
    v = published_variant(paper, cell, variant, **switches)
    return Setup.at("full", v, seed).method(shapes(v, **(tasks or {})))  # type: ignore[arg-type]
