"""Orderings that figures show: read, and judged over seeds."""

import numpy as np
import pytest
import scipy.stats

from harness.cli import main as cli
from harness.compare.orderings import COLUMNS, FILE, OrderingRow, ordering_rows
from harness.compare.rows import collect
from harness.errors import HarnessError
from tests.toy_paper import ToyPaper, draws

LINE = "images,fancy,plain,accuracy,Figure 3,Doe & Roe (2020),high,"


def lines(toy: ToyPaper, *rows: str) -> None:
    text = "\n".join((",".join(COLUMNS), *rows))
    (toy.replications / "toy" / FILE).write_text(f"{text}\n")


def trained(
    toy: ToyPaper,
    variant: str,
    means: list[float],
    metric: str = "accuracy",
    budget: str = "full",
) -> None:
    for seed, mean in enumerate(means):
        scores = {metric: draws(mean, 1, 10 * seed)}
        weights = {"w": np.array([seed + len(variant)], np.float32)}
        toy.add(
            scores,
            variant=variant,
            seed=seed,
            budget=budget,
            weights=weights,
            training_digest=f"{variant}{seed}{budget}",
        )


def judged(toy: ToyPaper) -> OrderingRow:
    [row] = ordering_rows(collect(toy.results))
    return row


def test_an_ordering_is_tested_over_seeds_in_pairs(toy: ToyPaper) -> None:
    lines(toy, LINE)
    fancy, plain = [90.0, 91, 92, 93, 94], [89.0, 89.5, 91, 92, 92]
    trained(toy, "fancy", fancy)
    trained(toy, "plain", plain)
    row = judged(toy)
    assert (row.verdict, row.seeds, row.budget) == ("ordering reproduced", 5, "full")
    assert (row.better, row.worse, row.figure) == ("fancy", "plain", "Figure 3")
    # Tasks have the same draws on both sides, so that seeds are all the chance there is.
    wanted = scipy.stats.ttest_rel(fancy, plain)
    assert row.difference == pytest.approx(1.3, abs=1e-6)
    assert row.p == pytest.approx(wanted.pvalue, rel=1e-4)


def test_the_other_way_round_is_reversed(toy: ToyPaper) -> None:
    lines(toy, LINE)
    trained(toy, "fancy", [80.0, 81, 82, 83, 84])
    trained(toy, "plain", [90.0, 91.5, 92, 93, 94])
    assert judged(toy).verdict == "ordering reversed"


def test_for_a_loss_the_lower_is_the_better(toy: ToyPaper) -> None:
    lines(toy, LINE.replace("accuracy", "loss"))
    trained(toy, "fancy", [1.0, 1.1, 1.2, 1.1, 1.0], "loss")
    trained(toy, "plain", [2.0, 2.3, 2.2, 2.1, 2.0], "loss")
    assert judged(toy).verdict == "ordering reproduced"


def test_seeds_that_disagree_decide_nothing(toy: ToyPaper) -> None:
    lines(toy, LINE)
    trained(toy, "fancy", [80.0, 95, 85, 93, 84])
    trained(toy, "plain", [90.0, 85, 88, 85, 83])
    row = judged(toy)
    assert row.verdict == "ordering not decided"
    assert row.reason == "the 95 % interval of better - worse has 0 inside"


def test_few_seeds_decide_nothing(toy: ToyPaper) -> None:
    lines(toy, LINE)
    trained(toy, "fancy", [90.0, 91, 92, 93, 94])
    trained(toy, "plain", [80.0, 81, 82, 83])
    row = judged(toy)
    assert (row.verdict, row.seeds) == ("ordering not decided", 4)
    assert row.reason == "4 of 5 seeds were run"


def test_shorter_trainings_have_no_verdict(toy: ToyPaper) -> None:
    lines(toy, LINE)
    trained(toy, "fancy", [90.0, 91, 92, 93, 94], budget="0.1")
    trained(toy, "plain", [80.0, 81.5, 82, 83, 84], budget="0.1")
    row = judged(toy)
    assert (row.verdict, row.budget) == ("not comparable", "0.1")
    assert row.reason.startswith("budget 0.1, not full; there the 95 % interval")
    assert row.difference == pytest.approx(9.9, abs=1e-6)


def test_unlike_runs_are_not_held_against_each_other(toy: ToyPaper) -> None:
    lines(toy, LINE)
    trained(toy, "fancy", [90.0, 91, 92, 93, 94])
    trained(toy, "plain", [80.0, 81, 82, 83, 84], budget="0.1")
    row = judged(toy)
    assert (row.verdict, row.difference, row.seeds) == ("not run", None, 0)


def test_an_untrained_side_stands_against_every_seed(toy: ToyPaper) -> None:
    lines(toy, LINE)
    trained(toy, "fancy", [90.0, 91, 92, 93, 94])
    toy.add({"accuracy": draws(80, 1, 3)}, variant="plain", weights={})
    row = judged(toy)
    assert (row.verdict, row.seeds) == ("ordering reproduced", 5)
    assert row.difference == pytest.approx(12, abs=0.2)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("images", "pictures", "cell: found 'pictures' (did you mean"),
        ("fancy", "fanci", "better: found 'fanci' (did you mean 'fancy'?)"),
        ("plain", "", "an ordering needs its worse; found it empty."),
        ("accuracy", "speed", "found metric 'speed'"),
        ("high", "sure", "confidence: found 'sure'"),
        ("plain", "fancy", "found 'fancy' on both sides, wanted two variants"),
    ],
)
def test_a_wrong_line_is_one_sentence(toy: ToyPaper, old: str, new: str, told: str) -> None:
    lines(toy, LINE.replace(old, new, 1))
    with pytest.raises(HarnessError) as e:
        ordering_rows(collect(toy.results))
    assert told in str(e.value)
    assert f"{FILE}:2" in str(e.value)


@pytest.mark.parametrize("turned", [False, True])
def test_two_variants_are_ordered_once(toy: ToyPaper, turned: bool) -> None:
    again = LINE.replace("fancy,plain", "plain,fancy") if turned else LINE
    assert turned == (again != LINE)
    lines(toy, LINE, again)
    with pytest.raises(HarnessError, match="a second time for accuracy, wanted one line"):
        ordering_rows(collect(toy.results))


@pytest.mark.parametrize("form", ["table", "md", "json", "csv", "latex"])
def test_orderings_are_printed_in_all_forms(
    toy: ToyPaper, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    lines(toy, LINE)
    trained(toy, "fancy", [90.0, 91, 92, 93, 94])
    trained(toy, "plain", [80.0, 81, 82, 83, 84.5])
    words = ["compare", "--orderings", "--format", form, "--results", str(toy.results)]
    assert cli.main(words) == 0
    assert "ordering reproduced" in capsys.readouterr().out


def test_orderings_stand_below_the_rows(toy: ToyPaper, capsys: pytest.CaptureFixture[str]) -> None:
    lines(toy, LINE)
    assert cli.main(["compare", "--results", str(toy.results)]) == 0
    out = capsys.readouterr().out
    assert out.index("Orderings that figures show") > out.index("toy/images")


def test_without_such_a_file_nothing_is_added(
    toy: ToyPaper, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ordering_rows(collect(toy.results)) == []
    assert cli.main(["compare", "--results", str(toy.results)]) == 0
    assert "Orderings" not in capsys.readouterr().out
