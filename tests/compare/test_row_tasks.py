"""What a row says of its tasks, and the command of its runs."""

import shlex
from pathlib import Path

import pytest

from harness.cli.main import build_parser
from harness.compare.row_tasks import IMAGES, RowTasks
from harness.compare.rows import collect
from tests.toy_paper import ToyPaper, draws

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.fixture(scope="module")
def tasks_of() -> dict[tuple[str, str], RowTasks]:
    rows = collect(RESULTS, context=True).rows
    return {(f"{r.paper}/{r.cell}", r.variant): r.tasks for r in rows}


@pytest.mark.parametrize(
    ("cell", "variant", "kind", "dataset", "ways", "shots", "inference"),
    [
        ("maml/omniglot-5way-1shot", "second-order", IMAGES, "omniglot", 5, 1, "transductive"),
        ("protonet/omniglot-20way-5shot", "euclidean", IMAGES, "omniglot", 20, 5, "inductive"),
        ("maml/sinusoid-5shot", "maml", "sinusoids", "", None, None, ""),
        ("rl2/bandit-10-pulls-5-arms", "gittins", "bandits", "", None, None, ""),
        ("mann/one-hot-5class", "mann", "class sequences", "omniglot", None, None, ""),
    ],
)
def test_tasks_are_named(
    tasks_of: dict[tuple[str, str], RowTasks],
    cell: str,
    variant: str,
    kind: str,
    dataset: str,
    ways: int | None,
    shots: int | None,
    inference: str,
) -> None:
    t = tasks_of[cell, variant]
    here = (t.kind, t.dataset, t.ways, t.shots, t.inference)
    assert here == (kind, dataset, ways, shots, inference)


def test_a_row_with_ways_has_shots_a_dataset_and_an_inference(
    tasks_of: dict[tuple[str, str], RowTasks],
) -> None:
    images = [t for t in tasks_of.values() if t.kind == IMAGES]
    assert len(images) > 100
    assert all(t.ways and t.shots is not None and t.dataset and t.inference for t in images)
    others = [t for t in tasks_of.values() if t.kind != IMAGES]
    assert {(t.ways, t.shots, t.inference) for t in others} == {(None, None, "")}


def test_each_command_is_one_that_the_command_line_reads() -> None:
    parser = build_parser(["run"])
    for row in collect(RESULTS).rows:
        words = shlex.split(row.command)
        read = parser.parse_args(words[1:])
        assert (read.cell, read.variant) == (f"{row.paper}/{row.cell}", [row.variant])
        assert tuple(read.seeds) == (row.runs.seeds or tuple(read.seeds))
        assert row.runs.budget in ("", read.budget)


def test_the_command_repeats_budget_seeds_and_switches(toy: ToyPaper) -> None:
    for seed in (1, 4):
        toy.add(
            {"accuracy": draws(95, 4)},
            seed=seed,
            budget="0.5",
            overrides={"method.rate": 0.7},
            protocol_differences=["method.rate: 0.1 -> 0.7"],
        )
    [row] = [r for r in collect(toy.results).rows if r.runs.records]
    assert row.command == (
        "harness run toy/images --variant plain --budget 0.5 --set method.rate=0.7 --seeds 1 4"
    )


def test_a_value_with_blanks_is_quoted(toy: ToyPaper) -> None:
    toy.add(
        {"accuracy": draws(95, 4)}, protocol_differences=['method.name: "plain" -> "two words"']
    )
    row = collect(toy.results).rows[0]
    assert shlex.split(row.command)[-1] == 'method.name="two words"'


def test_a_line_that_no_variant_answers_to_has_no_command(toy: ToyPaper) -> None:
    rows = collect(toy.results, context=True).rows
    assert [r.command for r in rows if not r.variant] == [""]
    assert rows[0].command == "harness run toy/images --variant plain"
