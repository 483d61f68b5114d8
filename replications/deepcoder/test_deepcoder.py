"""Programs and examples of training and test, and what the searches are scored by."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method
from replications.deepcoder.bounds import has_inputs, input_ranges
from replications.deepcoder.corpus import corpus
from replications.deepcoder.language import ATTRIBUTES, NULL, OPERATIONS
from replications.deepcoder.method import Guided
from replications.deepcoder.programs import NONE, SIGNATURES, Programs, tree
from replications.deepcoder.tasks import Problems, ProgramTasks, uniform
from replications.deepcoder.test_search import plain, problem_of

CELL = "deepcoder/length-3"
NAMES = [o.name for o in OPERATIONS]


def program(*statements: tuple[str, tuple[int, ...]]) -> Programs:
    """Write one program; registers 0 to 2 are inputs, 3 on what statements give."""
    operations = np.full((1, 3), NONE)
    arguments = np.full((1, 3, 2), NONE)
    for t, (name, taken) in enumerate(statements):
        operations[0, t] = NAMES.index(name)
        arguments[0, t, : len(taken)] = taken
    return Programs(operations, arguments)


@pytest.mark.parametrize(
    ("statements", "wanted"),
    [
        # As the authors' generator prints them for integers up to 256 and ten entries.
        ([("MAP INC", (0,))], (-256, 255)),
        ([("MAP DEC", (0,))], (-255, 256)),
        ([("MAP SHL", (0,))], (-128, 128)),
        ([("MAP MUL3", (0,))], (-85, 85)),
        ([("MAP MUL4", (0,))], (-64, 64)),
        ([("MAP doNEG", (0,))], (-255, 257)),
        ([("MAP SQR", (0,))], (-15, 16)),
        ([("SUM", (0,))], (-25, 25)),
        ([("SCANL1 -", (0,))], (-25, 25)),
        ([("ZIPWITH +", (0, 1))], (-127, 128)),
        ([("ZIPWITH *", (0, 1))], (-15, 16)),
        ([("MAP SHL", (0,)), ("SCANL1 +", (3,))], (-12, 12)),
        ([("COUNT isODD", (0,)), ("TAKE", (3, 0)), ("SUM", (4,))], (-25, 25)),
    ],
)
def test_ranges_are_those_of_the_authors_generator(
    statements: list[tuple[str, tuple[int, ...]]], wanted: tuple[int, int]
) -> None:
    if statements == [("MAP doNEG", (0,))]:
        wanted = (-255, 256)  # never beyond the range itself
    assert tuple(input_ranges(program(*statements), 256, 10)[0, 0]) == wanted


def test_a_product_of_ten_entries_has_no_inputs() -> None:
    """So that no program has `SCANL1 *`."""
    product = program(("SCANL1 *", (0,)))
    assert not has_inputs(product, input_ranges(product, 256, 10)).any()
    assert has_inputs(product, input_ranges(product, 5000, 2)).all()
    assert not (corpus(256, 10).programs.operations == NAMES.index("SCANL1 *")).any()


def test_programs_use_all_that_they_have() -> None:
    whole = corpus(256, 10)
    for number, signature in enumerate(SIGNATURES.values()):
        some = whole.rows(whole.signature == number).programs
        for register in range(len(signature)):
            assert (some.arguments == register).any((1, 2)).all()
        for t in range(2):
            longer = some.rows(some.lengths > t + 1)
            assert (longer.arguments == 3 + t).any((1, 2)).all()


def test_a_program_with_a_shorter_one_that_does_the_same_is_left_out() -> None:
    whole = corpus(256, 10)

    def there(*statements: tuple[str, tuple[int, ...]]) -> bool:
        one = program(*statements)
        rows = (whole.programs.operations == one.operations).all(1)
        return bool((rows & (whole.programs.arguments == one.arguments).all((1, 2))).any())

    assert there(("MAP SHL", (0,)))
    assert there(("MAP MUL4", (0,)))
    assert not there(("MAP SHL", (0,)), ("MAP SHL", (3,)))  # is MAP MUL4
    assert not there(("REVERSE", (0,)), ("REVERSE", (3,)))  # is the input
    assert not there(("SORT", (0,)), ("HEAD", (3,)))  # is MINIMUM
    assert not there(("MAP SQR", (0,)), ("COUNT isNEG", (3,)))  # is always 0
    both = [(("SORT", (0,)), ("MAP INC", (3,))), (("MAP INC", (0,)), ("SORT", (3,)))]
    assert sum(there(*each) for each in both) == 1


def test_splits_have_programs_of_their_own() -> None:
    """Of behaviours: no program of the test does on the probes what one of training does."""
    _, tasks = smoke_method(CELL, "prior")
    held = {split: pool for split in ("test", "val") for pool in [tasks._pools(split)]}
    shares = [set(np.concatenate([p.share for p in pools])) for pools in held.values()]
    assert not shares[0] & shares[1]
    assert not (shares[0] | shares[1]) & set(tasks.training_programs.share)
    assert (np.concatenate([p.programs.lengths for p in held["test"]]) == 3).all()
    assert set(tasks.training_programs.programs.lengths) == {1, 2, 3}
    count = len(tasks.corpus)
    assert len(tasks.training_programs) == pytest.approx(0.8 * count, rel=0.01)


def test_ten_epochs_are_the_training() -> None:
    _, tasks = smoke_method(CELL, "network")
    assert pytest.approx(10 * len(tasks.training_programs), abs=32) == 13446 * 32


def test_an_epoch_has_every_program_once_and_examples_stay() -> None:
    _, tasks = smoke_method(CELL, "network")
    count = len(tasks.training_programs)
    first, second = (tasks.arrays("train", e * count, count) for e in (0, 1))
    rows = [
        np.concatenate([a[n].reshape(count, -1) for n in ("operations", "arguments", "keys")], 1)
        for a in (first, second)
    ]
    assert not np.array_equal(*rows)
    assert np.array_equal(*(np.unique(r, axis=0) for r in rows))
    assert len(np.unique(rows[0][:, :-1], axis=0)) == count
    _, redrawn = smoke_method(CELL, "network-redrawn")
    one, other = (redrawn.arrays("train", e * count, count) for e in (0, 1))
    assert np.array_equal(one["operations"], first["operations"])
    assert len(np.intersect1d(one["keys"], other["keys"])) == 0


@pytest.fixture(scope="module")
def tasks() -> ProgramTasks:
    source: ProgramTasks
    _, source = smoke_method("deepcoder/length-3-all", "prior")
    source.settings = dataclasses.replace(source.settings, test_programs=200)
    return source


def test_examples_are_what_the_programs_give(tasks: ProgramTasks) -> None:
    """Run again, one by one, in Python; all numbers lie within the range."""
    arrays, batch = tasks.arrays("val", 0, 1), tasks.batch("val", 0, 1)
    assert int(batch.data.max()) <= 255
    assert int(batch.data.min()) >= -256
    assert int(batch.output.max()) <= NULL
    assert int(batch.output.min()) >= -256
    for place in range(200):
        problem = problem_of(batch, place)
        registers = [*problem["inputs"], *[[]] * (3 - len(problem["inputs"]))]
        for t in range(3):
            taken = [registers[r] for r in arrays["arguments"][0, place, t] if r != NONE]
            name = NAMES[arrays["operations"][0, place, t]]
            registers.append([plain(name, *given) for given in zip(*taken, strict=True)])
            has = {ATTRIBUTES[k] for k in batch.attributes[0, place].nonzero()[:, 0].tolist()}
            assert set(name.split()) <= has
        assert registers[-1] == problem["output"]


def test_inputs_fill_their_ranges(tasks: ProgramTasks) -> None:
    arrays, batch = tasks.arrays("val", 0, 1), tasks.batch("val", 0, 1)
    low, high = torch.from_numpy(arrays["ranges"].astype(np.int64)).unbind(-1)
    inside = batch.data[..., 0] if batch.data.dim() == 4 else batch.data
    lists = (batch.kind[..., :3] == 2)[..., None, None].expand_as(inside)
    wide = (high - low)[..., None, None]
    where = ((inside - low[..., None, None]).double() / wide)[lists & (wide > 200)]
    assert 0 <= float(where.min()) < 0.01
    assert 0.99 < float(where.max()) < 1
    assert float(where.mean()) == pytest.approx(0.5, abs=0.02)


def test_uniform_numbers_are_uniform_and_of_their_key() -> None:
    keys = np.array([0, 1, 2**62], dtype=np.int64)
    numbers = uniform(keys, 20_000)
    assert np.array_equal(numbers[1:], uniform(keys[1:], 20_000))
    assert np.array_equal(numbers[:, :5], uniform(keys, 5))
    # First outputs of SplitMix64 with seed 0, from its authors' code.
    first = np.array([0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]) / 2.0**64
    assert numbers[0, :2] == pytest.approx(first)
    assert numbers.mean(1) == pytest.approx(0.5, abs=0.01)
    assert np.abs(np.corrcoef(numbers) - np.eye(3)).max() < 0.03


class Guess(Guided):
    """A search with given nodes."""

    def __init__(self, own: np.ndarray, prior: np.ndarray) -> None:
        self.settings = type("S", (), {"test_solved_within": (2, 3)})
        self.counts = own, prior

    def probabilities(self, batch: Any) -> torch.Tensor:
        return torch.full((len(batch), 10, 34), 0.5)

    def explored(self, batch: Any, p: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        return self.counts

    build = train_step = weights = load_weights = training_state = load_training_state = None  # type: ignore[assignment]


Guess.__abstractmethods__ = frozenset()


def test_a_speed_up_is_a_ratio_of_the_times_to_solve_a_share() -> None:
    own = np.array([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
    prior = np.array([[100, 20, 30, 10, 50, 60, 70, 80, 90, 40]])
    batch = Problems(*[torch.zeros(1, 10, 34, dtype=torch.bool)] * 7)
    scores = {k: float(v) for k, v in Guess(own, prior).evaluate(batch).items()}
    assert [scores[f"speed-up@{k}%"] for k in (20, 40, 60)] == [20 / 2, 40 / 4, 60 / 6]
    assert [scores[f"nodes@{k}%"] for k in (20, 40, 60)] == [2, 4, 6]
    assert (scores["solved@2"], scores["solved@3"]) == (40, 80)
    assert scores["loss"] == pytest.approx(np.log(2))


def test_the_baseline_is_no_faster_than_itself() -> None:
    method, tasks = smoke_method(CELL, "prior")
    scores = method.evaluate(tasks.batch("val", 0, 2))
    for k in (20, 40, 60):
        assert scores[f"speed-up@{k}%"].tolist() == [1, 1]
    oracle, _ = smoke_method(CELL, "oracle")
    assert oracle.evaluate(tasks.batch("val", 0, 2))["loss"].tolist() == [0, 0]


def test_a_stopped_training_goes_on_as_if_nothing_had_happened() -> None:
    _, tasks = smoke_method(CELL, "network")

    def make() -> Any:
        return smoke_method(CELL, "network", {"method.units": (8,)})[0]

    batches = [tasks.batch("train", 8 * i, 8) for i in range(4)]
    straight, stopped = with_and_without_stop(make, batches, 2)
    assert same_weights(straight, stopped)
    assert not same_weights(straight, make().weights())


def test_the_network_learns() -> None:
    method, tasks = smoke_method(CELL, "network", {"method.units": (32,)})
    losses = [float(method.train_step(tasks.batch("train", 64 * i, 64), i)) for i in range(60)]
    assert np.mean(losses[-10:]) < 0.6 * losses[0]


def test_examples_are_taken_in_any_order(tasks: ProgramTasks) -> None:
    method, _ = smoke_method(CELL, "network")
    batch = tasks.batch("val", 0, 1)
    turned = {
        f.name: getattr(batch, f.name).flip(
            {"data": 3, "length": 3, "output": 2, "size": 2}[f.name]
        )
        if f.name in ("data", "length", "output", "size")
        else getattr(batch, f.name)
        for f in dataclasses.fields(batch)
    }
    torch.testing.assert_close(method.model(Problems(**turned)), method.model(batch))


def test_the_tree_of_two_lists_has_each_length() -> None:
    assert [set(p.lengths) for p in tree((True, True)).programs] == [{1}, {2}, {3}]
