"""`harness.evaluate` among what a process may have set: modes of torch, defaults, threads."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import harness
from harness.catalog import find_cell
from harness.data.datasets import load_store
from harness.data.once import Once

COUNTS = {"testing.tasks": 3, "testing.tasks_at_once": 2}
CELLS = {
    "protonet/omniglot-5way-1shot": COUNTS | {"tasks.dataset": "glyphs"},
    "protonet/mini-imagenet-5way-1shot": COUNTS
    | {"tasks.dataset": "textures", "tasks.image_size": 16, "tasks.pixels": "train-normalised"},
}
CELL, FEW = next(iter(CELLS.items()))


def fine_tuned(support_x, support_y, query_x):
    """Scores after one step of a linear layer that starts at zero."""
    x = support_x.flatten(1)
    weight = torch.zeros(5, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    torch.nn.functional.cross_entropy(x @ weight.T, support_y).backward()
    return -query_x.flatten(1) @ weight.grad.T


@contextmanager
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "float64": float64_by_default,
    "device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("cell", CELLS)
def test_modes_of_the_caller_change_nothing(cell, mode):
    seen = []

    def model(support_x, support_y, query_x):
        seen.append(query_x)
        return fine_tuned(support_x, support_y, query_x)

    plain = harness.evaluate(cell, model, overrides=CELLS[cell])
    load_store.cache_clear()  # what is kept for the process is made in the mode
    with mode():
        result = harness.evaluate(cell, model, overrides=CELLS[cell])
    after = harness.evaluate(cell, model, overrides=CELLS[cell])
    assert plain.mean > 25
    assert np.array_equal(result.scores, plain.scores)
    assert np.array_equal(after.scores, plain.scores)
    assert len(seen) == 9
    for i in range(3):
        assert torch.equal(seen[i], seen[3 + i])
        assert seen[3 + i].dtype == torch.float32
        assert not seen[3 + i].is_inference()


def at_once(function, count=8):
    """What `function` returns in `count` threads that start it together; threads change often."""
    start = threading.Barrier(count)

    def one(_):
        start.wait()
        return function()

    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))
    finally:
        sys.setswitchinterval(often)


def forget(paper):
    """As in a fresh process: neither the paper's modules nor the images are loaded."""
    for name in [n for n in sys.modules if n.startswith(f"replications.{paper}")]:
        del sys.modules[name]
    load_store.cache_clear()


def test_threads_of_a_fresh_process_load_a_paper_once():
    cell = find_cell("maml/omniglot-5way-1shot")
    for _ in range(3):
        forget("maml")
        classes = at_once(lambda: cell.variant("second-order").method_class)
        assert len(set(classes)) == 1


def test_threads_evaluate_at_once():
    plain = harness.evaluate(CELL, fine_tuned, overrides=FEW)
    forget("protonet")
    for result in at_once(lambda: harness.evaluate(CELL, fine_tuned, overrides=FEW), 4):
        assert np.array_equal(result.scores, plain.scores)
        assert result.tasks_digest == plain.tasks_digest


def test_threads_share_one_store_and_its_tensor():
    load_store.cache_clear()
    stores = at_once(lambda: load_store("glyphs", 28, "nearest"))
    assert len({id(store) for store in stores}) == 1
    tensors = at_once(lambda: stores[0].tensor(torch.device("cpu"), 4))
    assert len({id(tensor) for tensor in tensors}) == 1


def test_what_could_not_be_built_is_tried_again():
    calls = []

    @Once
    def half(number: int) -> int:
        """Halve it."""
        calls.append(number)
        if len(calls) == 1:
            raise OSError("not now")
        return number // 2

    with pytest.raises(OSError, match="not now"):
        half(4)
    assert (half(4), half(4), half.__doc__) == (2, 2, "Halve it.")
    half.cache_clear()
    assert half(4) == 2
    assert calls == [4, 4, 4]
