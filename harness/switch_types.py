"""Types of protocol switches that papers share: what a number is, and its range.

They are wide: any sensible use is inside, also one that no paper has tried, and what is outside is
a slip of the keyboard. A switch with a reason of its own states its range itself:
`Annotated[int, Range(0, 4)]` (`harness.ranges`). A limit that hangs on another switch or on the
images is checked where both are known (`build` of a method, the constructor of a task source), and
memory in `harness.tasks.memory`.
"""

from __future__ import annotations

from typing import Annotated

from harness.ranges import Entries, Range

Rate = Annotated[float, Range(0, 100)]
"""Learning rate, or the size of a gradient step."""
Share = Annotated[float, Range(0, 1)]
"""Share or probability, both ends allowed."""
ShareBelowOne = Annotated[float, Range(0, 1, below=True)]
"""Dropout, momentum or what is kept of a running mean: 1 would leave nothing or forget nothing."""
ShareAboveZero = Annotated[float, Range(0, 1, above=True)]
"""A share that must not be zero."""
Factor = Annotated[float, Range(0, 1_000_000_000, above=True)]
"""What is multiplied or divided by."""
Penalty = Annotated[float, Range(0, 1_000_000)]
"""Weight of a penalty in the loss; 0: none."""
Clip = Annotated[float, Range(0, 1_000_000_000)]
"""Largest entry of a gradient; 0: not cut."""
Epsilon = Annotated[float, Range(0, 1, above=True)]
"""Added to what is divided by."""

Steps = Annotated[int, Range(0, 10_000)]
"""Gradient steps on one task."""
StepsFromOne = Annotated[int, Range(1, 10_000)]
"""The same where none would be meaningless; steps of a sequence, too."""
Iterations = Annotated[int, Range(1, 1_000_000_000)]
"""Meta-iterations, or how many of them something takes."""
IterationsOrNone = Annotated[int, Range(0, 1_000_000_000)]
Epochs = Annotated[int, Range(0, 1_000_000)]
"""Passes over a set of examples, or groups of iterations."""
EpochsFromOne = Annotated[int, Range(1, 1_000_000)]

Width = Annotated[int, Range(1, 8192)]
"""Filters of a convolution, units of a layer, numbers in a row of a memory."""
Layers = Annotated[int, Range(1, 64)]
Widths = Annotated[tuple[Width, ...], Entries(1, 64)]
"""One for each layer."""
Hidden = Annotated[tuple[Width, ...], Entries(0, 64)]
"""The same of the hidden layers of a network that may have none."""
Rates = Annotated[tuple[Rate, ...], Entries(1, 1000)]
"""A grid to choose from, or one for each layer."""

Seed = Annotated[int, Range(0, 2**63 - 1)]
Tasks = Annotated[int, Range(1, 1_000_000)]
"""Tasks that are tested, or go through together."""
TasksOrNone = Annotated[int, Range(0, 1_000_000)]
Pixels = Annotated[int, Range(8, 512)]
"""Of a side of an image; a dataset says how many its own have."""
Ways = Annotated[int, Range(1, 10_000)]
"""Classes in a task."""
Examples = Annotated[int, Range(1, 100_000)]
"""Shots or queries: of each class, or of a task without classes."""
Number = Annotated[float, Range(-1_000_000, 1_000_000)]
"""Any number that is no rate and no share."""
