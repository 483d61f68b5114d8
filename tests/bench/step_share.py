"""Share of the arithmetic floor that a training step of each paper reaches, on one core.

    python -m tests.bench.step_share [paper/cell/variant ...]

prints, for the system that each paper stands for or for the variants named: CPU seconds of a step
(the median of some, so that other work on the machine shows little), operations of its products and
convolutions, the share of the floor (operations over the rate of a large float32 product, taken in
turn with the steps), and what its full training would take. Where images are not at hand stand-ins
of the same size take their place: times are the same. Operations are those of a plain loop: a step
that needs fewer can reach more than 100 %.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from harness.catalog import Variant, find_cell, papers
from harness.errors import DataNotAtHand, HarnessError
from harness.run.allocator import keep_freed_memory
from harness.run.operations import operations_per_step
from harness.run.setup import Setup
from tests.bench.floor import PRODUCT_OPERATIONS, product

SECONDS, LEAST, MOST = 4.0, 3, 30
STAND_INS = ("glyphs", "textures")


@dataclass(frozen=True)
class Share:
    """What a step took."""

    key: str
    seconds: float
    """CPU seconds of a step."""
    operations: int | None
    """None where they cannot be counted, or differ from step to step."""
    rate: float
    """Operations a second of a large product."""
    iterations: int

    @property
    def of_floor(self) -> float | None:
        """Return the share of the floor, 1 = all of the time goes into products at full rate."""
        if self.operations is None:
            return None
        return self.operations / self.seconds / self.rate

    def __str__(self) -> str:
        share = "" if self.of_floor is None else f"{100 * self.of_floor:.0f} %"
        count = "" if self.operations is None else f"{self.operations / 1e9:.3g}"
        hours = self.seconds * self.iterations / 3600
        return f"| {self.key} | {1e3 * self.seconds:.3g} | {count} | {share} | {hours:.3g} |"


HEADER = (
    "| training step | CPU ms | GFLOP | share of the floor | core hours at full length |\n"
    "|---|---:|---:|---:|---:|"
)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process while `work` is done."""
    start = time.process_time()
    work()
    return time.process_time() - start


def at_hand(variant: Variant) -> Setup:
    """Return the setup at full length, with stand-in images where the real ones are missing."""
    setup = Setup.at("full", variant)
    try:
        setup.tasks().batch("train", 0, 1)
    except DataNotAtHand:
        cell = find_cell(f"{variant.paper}/{variant.cell}")
        for name in STAND_INS:
            try:
                other = Setup.at("full", cell.variant(variant.name, {"tasks.dataset": name}))
                other.tasks().batch("train", 0, 1)
            except HarnessError:
                continue  # the other kind of images
            return other
        raise
    return setup


def measure(variant: Variant, seconds: float = SECONDS) -> Share:
    """Time steps of a throw-away copy of `variant`, products of the floor in turn with them."""
    setup = at_hand(variant)
    tasks = setup.tasks()
    operations = operations_per_step(setup, tasks)
    method, count = setup.method(tasks), variant.training.meta_batch

    def step(i: int) -> None:
        method.before_step(i)
        method.train_step(tasks.batch("train", method.first_task(i, count), count), i)

    multiply = product("cpu")
    multiply()
    first = cpu_seconds(lambda: step(0))
    rounds = max(LEAST, min(MOST, int(seconds / max(first, 1e-3))))
    steps, products = [], []
    for i in range(1, rounds + 1):
        steps.append(cpu_seconds(lambda i=i: step(i)))  # type: ignore[misc]
        products.append(cpu_seconds(multiply))
    return Share(
        key=variant.key,
        seconds=statistics.median(steps),
        operations=operations,
        rate=PRODUCT_OPERATIONS / statistics.median(products),
        iterations=variant.training.iterations,
    )


def systems() -> Iterator[str]:
    """Yield `paper/cell/variant` of the system that each paper stands for."""
    for paper in papers().values():
        for place in paper.headline.values():
            yield f"{paper.key}/{place}"


def main(keys: list[str]) -> int:
    """Print a line for each of `keys`, or for each system."""
    try:
        variants = {key: named(key) for key in keys or systems()}
    except HarnessError as e:
        print(f"harness: {e}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    keep_freed_memory()
    print(HEADER)
    for key in variants:
        try:
            print(measure(variants[key]), flush=True)
        except DataNotAtHand as e:
            print(f"| {key} | not measured: {e} | | | |", flush=True)
    return 0


def named(key: str) -> Variant:
    """Return the variant called `paper/cell/variant`; HarnessError where there is none."""
    if key.count("/") != 2:
        raise HarnessError(
            f"found {key!r}, wanted paper/cell/variant, as `harness list` names cells and variants."
        )
    cell, _, variant = key.rpartition("/")
    return find_cell(cell).variant(variant)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
