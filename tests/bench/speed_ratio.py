"""The small fixed case that CI compares: engines against `loop`, as ratios, never as seconds.

`python -m tests.bench.speed_ratio` prints what it measures here; with `--write` it also puts it
into `expected_ratios.toml`. Do that on a quiet machine, in a commit of its own.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterable
from pathlib import Path

import torch

from harness.measure.environment import environment
from harness.measure.git_state import git_state
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop
from harness.models.strided_conv4 import StridedConv4
from harness.run.allocator import keep_freed_memory
from tests.bench.interleave import Ratio, Timings, Work, interleave
from tests.bench.meta_gradient_cases import classification, frozen

EXPECTED = Path(__file__).with_name("expected_ratios.toml")
REFERENCE = "loop"
TASKS = 8
# Halfway (as ratios go) between the same speed and half of it is 0.71; below this much of what was
# expected an engine counts as having lost a factor of two.
FAIL_BELOW = 0.6


def expected() -> dict[str, float]:
    """Return how many times as long `loop` takes as each engine."""
    ratios: dict[str, float] = tomllib.loads(EXPECTED.read_text(encoding="utf-8"))["loop_over"]
    return ratios


def lost(wanted: float, measured: Ratio) -> bool:
    """Return whether an engine is slower than expected by what counts as a factor of two."""
    return measured.median < FAIL_BELOW * wanted


def work(name: str) -> Work:
    """Return one meta-gradient: 8 tasks of Omniglot's shape, 64 filters, second order, one step."""
    generator = torch.Generator().manual_seed(0)
    model = StridedConv4(1, 64, 5, generator)
    problem, batch = classification(model, generator, TASKS, 1, 1, (1, 28, 28))
    params = {k: v.detach().clone() for k, v in model.named_parameters()}
    inner = InnerLoop(1, 0.4, False, frozen(model))
    return lambda: engine(name)(problem, params, batch, inner)


def measure(contenders: Iterable[str], least_rounds: int, budget_s: float, **more: Work) -> Timings:
    """Time `loop`, the engines named and `more`, on one thread, until the ratios are settled."""
    everyone = {REFERENCE: work(REFERENCE), **{name: work(name) for name in contenders}, **more}

    def settled(timings: Timings) -> bool:
        others = [name for name in everyone if name != REFERENCE]
        return all(timings.ratio(REFERENCE, name).spread < 0.1 for name in others)

    keep_freed_memory()  # as in training, and so that the ratio does not depend on who did before
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the number of cores is no part of the case
    try:
        return interleave(everyone, least_rounds, 60, budget_s, settled)
    finally:
        torch.set_num_threads(threads)


def main() -> None:
    """Measure and print; write the file if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"put it into {EXPECTED.name}")
    asked = parser.parse_args()
    others = [name for name in ENGINES if name not in (REFERENCE, "higher")]
    timings = measure(others, least_rounds=30, budget_s=30.0)
    ratios = {name: timings.ratio(REFERENCE, name) for name in others}
    for name, r in ratios.items():
        spread = f"quartiles {r.low:.3f} to {r.high:.3f}, {timings.rounds} rounds"
        print(f"{REFERENCE} over {name}: {r.median:.3f} ({spread})")
    if asked.write:
        here, state = environment(), git_state()
        lines = [
            "# How many times as long engine `loop` takes as each engine on the small case of",
            "# speed_ratio.py. Written by `python -m tests.bench.speed_ratio --write`.",
            f'measured_on = "{here["processor"]}"',
            f'torch = "{here["libraries"]["torch"]}"',
            f'commit = "{state["commit"]}"',
            f"clean = {str(bool(state['clean'])).lower()}",
            "",
            "[loop_over]",
            *(f"{name} = {r.median:.3f}" for name, r in ratios.items()),
        ]
        EXPECTED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
