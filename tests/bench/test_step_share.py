"""The table of shares of the floor."""

import pytest

from harness.catalog import find_cell
from tests.bench import step_share


def test_a_share_is_operations_over_time_and_rate() -> None:
    share = step_share.Share("a/b/c", 0.02, 10**9, 1e11, 3600)
    assert share.of_floor == pytest.approx(0.5)
    assert str(share) == "| a/b/c | 20 | 1 | 50 % | 0.02 |"
    assert str(step_share.Share("a/b/c", 0.02, None, 1e11, 3600)) == "| a/b/c | 20 |  |  | 0.02 |"


def test_a_step_takes_no_less_than_its_floor() -> None:
    share = step_share.measure(find_cell("maml/sinusoid-5shot").variant("maml"), seconds=0.2)
    assert share.of_floor is not None
    assert 0 < share.of_floor < 1
    assert share.iterations == 70000


def test_images_that_are_missing_have_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", "")
    variant = find_cell("closer_look/mini-imagenet-5way-1shot").variant("baseline")
    assert step_share.at_hand(variant).variant.tasks.dataset == "textures"


def test_every_system_is_a_variant() -> None:
    for key in step_share.systems():
        cell, _, variant = key.rpartition("/")
        assert variant in find_cell(cell).variants


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("maml", "found 'maml', wanted paper/cell/variant"),
        ("maml/sinusoid-5shot", "found 'maml/sinusoid-5shot', wanted paper/cell/variant"),
        ("maml/sinusoid-5shot/nope", "found variant 'nope'"),
        ("nothing/x/y", "found no cell 'nothing/x'"),
    ],
)
def test_a_name_that_is_not_there_is_one_sentence(
    capsys: pytest.CaptureFixture[str], key: str, told: str
) -> None:
    assert step_share.main([key]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("harness: ")
    assert told in said.err
