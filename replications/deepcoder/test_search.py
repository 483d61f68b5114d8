"""Programs, counts and searches against a plain search and the counts of the authors' code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from harness.paper_tests.smoke_plans import smoke_method
from replications.deepcoder.consistent import consistent_programs
from replications.deepcoder.language import ATTRIBUTES, NULL, OPERATIONS, Values, apply
from replications.deepcoder.method import nodes, operation_scores
from replications.deepcoder.programs import NONE, SIGNATURES, Programs, tree
from replications.deepcoder.search import Order
from replications.deepcoder.tasks import Problems

# Orders that the C++ library's `sort` gives 38 operations: all equal; three before the rest.
EQUAL = [29, *range(20, 29), 19, *range(30, 38), 10, *range(1, 10), 0, *range(11, 19)]
PREDICTED = [2, 23, 30, *[k for k in EQUAL if k not in (2, 23, 30)]]


def wrapped(x: int) -> int:
    """Return x as a 32-bit integer has it."""
    return (x + 2**31) % 2**32 - 2**31


LAMBDAS: dict[str, Any] = {
    "INC": lambda x: x + 1,
    "DEC": lambda x: x - 1,
    "SHL": lambda x: 2 * x,
    "SHR": lambda x: int(x / 2),
    "doNEG": lambda x: -x,
    "SQR": lambda x: x * x,
    "MUL3": lambda x: 3 * x,
    "DIV3": lambda x: int(x / 3),
    "MUL4": lambda x: 4 * x,
    "DIV4": lambda x: int(x / 4),
    "isPOS": lambda x: x > 0,
    "isNEG": lambda x: x < 0,
    "isODD": lambda x: x % 2 == 1,
    "isEVEN": lambda x: x % 2 == 0,
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "MIN": min,
    "MAX": max,
}


def plain(name: str, *given: Any) -> Any:
    """Run an operation on Python integers and lists."""
    function, *rest = name.split()
    xs, rule = given[-1], LAMBDAS.get(rest[0]) if rest else None
    match function:
        case "HEAD":
            return xs[0] if xs else NULL
        case "LAST":
            return xs[-1] if xs else NULL
        case "MINIMUM":
            return min(xs, default=NULL)
        case "MAXIMUM":
            return max(xs, default=NULL)
        case "SUM":
            return wrapped(sum(xs))
        case "SORT":
            return sorted(xs)
        case "REVERSE":
            return xs[::-1]
        case "ACCESS":
            return xs[given[0]] if 0 <= given[0] < len(xs) else NULL
        case "TAKE":
            return xs[: max(0, given[0])]
        case "DROP":
            return xs[given[0] :] if given[0] >= 0 else []
    assert rule is not None
    match function:
        case "MAP":
            return [wrapped(rule(x)) for x in xs]
        case "FILTER":
            return [x for x in xs if rule(x)]
        case "COUNT":
            return sum(map(rule, xs))
        case "ZIPWITH":
            return [wrapped(rule(x, y)) for x, y in zip(*given, strict=False)]
    out = xs[:1]
    for x in xs[1:]:
        out.append(wrapped(rule(out[-1], x)))
    return out


def columns(values: list[Any], entries: int) -> Values:
    """Lay Python integers or lists as values."""
    lists = [v if isinstance(v, list) else [v] for v in values]
    rows = entries if isinstance(values[0], list) else 1
    data = [[*v, *[0] * (rows - len(v))] for v in lists]
    length = [len(v) for v in lists]
    return Values(torch.tensor(data, dtype=torch.int32).T, torch.tensor(length, dtype=torch.int32))


def python(values: Values, is_list: bool) -> list[Any]:
    """Return values as Python has them."""
    rows = values.data.T.tolist()
    if not is_list:
        return [row[0] for row in rows]
    return [row[:n] for row, n in zip(rows, values.length.tolist(), strict=True)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_an_operation_is_the_plain_one(operation: Any) -> None:
    rng = np.random.default_rng(0)
    given: list[list[Any]] = []
    for is_list in operation.takes:
        scale = rng.choice([3, 300, 2**30], size=40)
        lists = [rng.integers(-s, s, rng.integers(0, 7)).tolist() for s in scale]
        given.append(lists if is_list else rng.integers(-2, 8, 40).tolist())
    made = apply(operation, *(columns(values, 6) for values in given))
    wanted = [plain(operation.name, *row) for row in zip(*given, strict=True)]
    assert python(made, operation.gives_list) == wanted
    behind = ~Values(made.data, made.length).inside
    assert not made.data[behind].any()


def searched(problem: dict[str, Any], order: list[int], longest: int = 3) -> Iterator[bool]:
    """Search as the authors' code does: yield, for each node, whether it is a solution."""

    def below(registers: list[list[Any]], left: int) -> Iterator[bool]:
        for number in order:
            operation = OPERATIONS[number]
            kinds = [isinstance(r[0], list) for r in registers]
            each = [[r for r, k in enumerate(kinds) if k == t] for t in operation.takes]
            pairs = [(a,) for a in each[0]]
            if len(each) == 2:
                pairs = [(a, b) for a in each[0] for b in each[1]]  # type: ignore[misc]
            for taken in pairs:
                rows = zip(*(registers[r] for r in taken), strict=True)
                made = [plain(operation.name, *row) for row in rows]
                yield made == problem["output"]
                if left > 1:
                    yield from below([*registers, made], left - 1)

    yield from below(problem["inputs"], longest)


def nodes_of_a_plain_search(problem: dict[str, Any], order: list[int]) -> int:
    for count, solved in enumerate(searched(problem, order), 1):
        if solved:
            return count
    raise AssertionError("found no program")


def batch_of(problem: dict[str, Any], signature: str) -> Problems:
    """Lay one problem as a batch of one set of one."""
    entries, examples = 10, len(problem["output"])
    data = torch.zeros(1, 1, 3, examples, entries, dtype=torch.int32)
    length = torch.zeros(1, 1, 3, examples, dtype=torch.int32)
    output = torch.zeros(1, 1, examples, entries, dtype=torch.int32)
    kind = torch.zeros(1, 1, 4, dtype=torch.int64)
    for k, values in enumerate(problem["inputs"]):
        laid = columns(values, entries)
        data[0, 0, k, :, : len(laid.data)], length[0, 0, k] = laid.data.T, laid.length
        kind[0, 0, k] = 1 + isinstance(values[0], list)
    laid = columns(problem["output"], entries)
    output[0, 0, :, : len(laid.data)] = laid.data.T
    kind[0, 0, 3] = 1 + isinstance(problem["output"][0], list)
    number = torch.tensor([[list(SIGNATURES).index(signature)]])
    return Problems(data, length, kind, output, laid.length[None, None], torch.zeros(1), number)


README_EXAMPLE: dict[str, Any] = {
    "inputs": [
        [
            [7, 9, 3, 1, 3, 0, 7, 2, 3, 1],
            [9, 5, 1, 6, 7, 2, 8, 8, 6, 2],
            [4, 2, 2, 1, 1, 3, 5, 8, 1, 8],
        ],
        [8, 7, 3],
    ],
    "output": [7, 9, 2],
}


@pytest.mark.parametrize(("order", "wanted"), [(EQUAL, 53084), (PREDICTED, 55)])
def test_nodes_are_those_of_the_authors_code(order: list[int], wanted: int) -> None:
    """The example of their README, in 53,084 nodes with a uniform prior."""
    found = consistent_programs(batch_of(README_EXAMPLE, "list-int"), 0, 0)
    assert Order(np.array(order), (True, False)).depth_first(found) == wanted
    if wanted < 1000:
        assert nodes_of_a_plain_search(README_EXAMPLE, order) == wanted


@pytest.mark.parametrize(
    ("signature", "wanted"),
    [
        ("list", 283_230),
        ("list-int", 350_072),
        ("list-list", 1_784_448),
        ("list-list-list", 6_471_522),
    ],
)
def test_programs_of_three_statements_are_as_many_as_known(signature: str, wanted: int) -> None:
    types = SIGNATURES[signature]
    whole, short = (Order(np.arange(38), types, longest).whole() for longest in (3, 2))
    assert whole[-1] - short[-1] == wanted
    assert whole[0] == 0


def test_five_statements_on_a_list_are_ten_to_the_tenth() -> None:
    assert 1.2e10 < Order(np.arange(38), (True,), 5).whole()[-1] < 1.22e10


def test_there_are_38_operations_with_34_attributes() -> None:
    assert (len(OPERATIONS), len(ATTRIBUTES)) == (38, 34)


@pytest.mark.parametrize("signature", ["list", "list-int", "list-list"])
def test_no_program_is_listed_twice_and_every_statement_is_used(signature: str) -> None:
    for t, programs in enumerate(tree(SIGNATURES[signature]).programs):
        rows = np.concatenate([programs.operations, programs.arguments.reshape(-1, 6)], 1)
        assert len(np.unique(rows, axis=0)) == len(rows)
        assert (programs.lengths == t + 1).all()
        for register in range(3, 3 + t):
            assert (programs.arguments == register).any((1, 2)).all()


def problem_of(batch: Problems, place: int) -> dict[str, Any]:
    """Return a problem of a batch as Python has it."""
    kinds = batch.kind[0, place].tolist()

    def rows(data: torch.Tensor, length: torch.Tensor, kind: int) -> list[Any]:
        return python(Values(data.T, length), kind == 2)

    inputs = [
        rows(batch.data[0, place, k], batch.length[0, place, k], kind)
        for k, kind in enumerate(kinds[:3])
        if kind
    ]
    return {
        "inputs": inputs,
        "output": rows(batch.output[0, place], batch.size[0, place], kinds[3]),
    }


@pytest.fixture(scope="module")
def few() -> Problems:
    """Problems of validation, a list, a list and an integer, two lists by turns."""
    _, tasks = smoke_method("deepcoder/length-3", "prior", {"tasks.test_programs": 48})
    tasks.settings = type(tasks.settings)(**{**vars(tasks.settings), "test_programs": 48})
    batch: Problems = tasks.batch("val", 0, 1)
    return batch


@pytest.mark.parametrize("place", range(6))
def test_a_search_of_two_statements_finds_what_a_plain_one_finds(few: Problems, place: int) -> None:
    """The output of a random program of two statements, in a random order."""
    signature = list(SIGNATURES)[int(few.signature[0, place])]
    rng, two = np.random.default_rng(place), tree(SIGNATURES[signature]).programs[1]
    row = rng.integers(len(two))
    problem = problem_of(few, place)
    registers = [*problem["inputs"], *[[]] * (3 - len(problem["inputs"]))]
    for t in range(2):
        taken = [registers[r] for r in two.arguments[row, t] if r != NONE]
        name = OPERATIONS[two.operations[row, t]].name
        registers.append([plain(name, *given) for given in zip(*taken, strict=True)])
    problem["output"] = registers[-1]
    found = consistent_programs(batch_of(problem, signature), 0, 0)
    short = found.rows(found.lengths <= 2)
    order = rng.permutation(38)
    wanted = list(searched(problem, order.tolist(), 2)).index(True) + 1
    assert Order(order, SIGNATURES[signature], 2).depth_first(short) == wanted


@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_a_search_of_three_statements_finds_what_a_plain_one_finds(
    few: Problems, place: int
) -> None:
    """With the operations of a right program first, so that the plain search ends soon; with and
    without one in front that makes dead code."""
    problem, signature = problem_of(few, place), list(SIGNATURES)[int(few.signature[0, place])]
    found = consistent_programs(few, 0, place)
    rng = np.random.default_rng(place)
    for first in ([], [13], [1]):  # MAP doNEG, MAXIMUM
        used = found.operations[rng.integers(len(found))]
        front = dict.fromkeys([*first, *rng.permutation(used[used != NONE]).tolist()])
        order = [*front, *[k for k in rng.permutation(38).tolist() if k not in front]]
        tried = Order(np.array(order), SIGNATURES[signature])
        assert tried.depth_first(found) == nodes_of_a_plain_search(problem, order)
        total, active = 0, 0
        while True:
            active += 1
            part = list(searched(problem, order[:active]))
            if any(part):
                break
            total += len(part)
        assert tried.sort_and_add(found) == total + part.index(True) + 1


def test_a_rank_counts_all_programs_before_it() -> None:
    """The last program of a search has as its rank the size of the search."""
    order = Order(np.arange(38), (True,))
    last = Programs(np.array([[37, 37, 37]]), np.array([[[0, 0], [3, 3], [4, 4]]]))
    assert order.ranks(last).tolist() == order.whole()[-1:].tolist()
    first = Programs(np.array([[0, NONE, NONE]]), np.array([[[0, NONE], [NONE] * 2, [NONE] * 2]]))
    assert order.ranks(first).tolist() == [1]


def test_an_operation_has_the_least_of_its_attributes_probabilities() -> None:
    attributes = np.full(34, 0.5)
    attributes[[ATTRIBUTES.index(a) for a in ("MAP", "INC", "DEC", "SUM")]] = 0.9, 0.2, 0.3, 0.95
    names = [o.name for o in OPERATIONS]
    for as_in_code, total, less in ((False, 0.95, 0.3), (True, 0.9, 0.2)):
        scores = dict(zip(names, operation_scores(attributes, as_in_code), strict=True))
        assert (scores["SUM"], scores["MAP DEC"], scores["MAP INC"]) == (total, less, 0.2)
        assert scores["ZIPWITH +"] == 0.5


def test_nodes_are_of_the_search_that_was_asked_for(few: Problems) -> None:
    found, signature = consistent_programs(few, 0, 0), list(SIGNATURES)[int(few.signature[0, 0])]
    guess = np.linspace(0.9, 0.1, 34)
    order = np.argsort(-operation_scores(guess, False), kind="stable")
    tried = Order(order, SIGNATURES[signature])
    assert nodes(guess, found, signature, "depth-first", False) == tried.depth_first(found)
    assert nodes(guess, found, signature, "sort-and-add", False) == tried.sort_and_add(found)
