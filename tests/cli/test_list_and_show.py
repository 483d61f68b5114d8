"""`harness list` and `harness show`: all that is known about a cell, before and after it is run."""

from __future__ import annotations

import re

import pytest

from harness.catalog import find_cell, papers
from harness.data.datasets import load_store
from harness.run import estimate
from tests.toy_paper import ToyPaper, draws


@pytest.fixture
def toy(workplace, monkeypatch):
    made = ToyPaper(workplace)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made


def rows(text):
    return [re.split(r"  +", line) for line in text.splitlines()]


def test_list_has_a_line_for_each_variant(say):
    listed = rows(say("harness list").out)
    assert listed[0] == ["cell", "variant", "metric", "published", "measured", "budget", "verdict"]
    known = [
        (c.key, v) for p in papers().values() for c in p.cells.values() for v in sorted(c.variants)
    ]
    assert sorted((r[0], r[1]) for r in listed[1:]) == sorted(known)
    assert {r[-1] for r in listed[1:]} == {"not run"}


def test_list_shows_what_was_measured(say, toy):
    toy.add({"accuracy": draws(95, 4)})
    listed = rows(say(f"harness list toy/images --results {toy.results}").out)
    [plain] = [r for r in listed if r[1] == "plain"]
    assert plain[:2] == ["toy/images", "plain"]
    assert plain[2] == "accuracy"
    assert plain[3].startswith("95.0 ± 0.4")
    assert plain[4].startswith("95.0")
    assert plain[5:] == ["full", "reproduced (1 seed)"]
    assert [r[-1] for r in listed if r[1] == "fancy"] == ["not run"]


def test_list_answers_mistakes(say):
    assert say("harness list mamml").sentence.startswith(
        "found no paper or cell 'mamml' (did you mean 'maml'?)"
    )
    assert "--results: found no folder none, wanted" in say("harness list --results none").sentence


def test_show_has_every_published_line_and_every_switch(say):
    cell = find_cell("maml/omniglot-5way-1shot")
    said = say("harness show maml/omniglot-5way-1shot --no-measure")
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0] == f"{cell.key}: {cell.title}"
    for published in cell.published:
        assert f"confidence {published.confidence}" in said.out
        assert f"{published.metric} = {published.value:g}" in said.out
    # Shared by all variants, with its range.
    assert "  training.meta_batch = 32  # 1 to 1000000" in lines
    assert '  tasks.rotations = "per-class-in-task"' in lines
    assert "  testing.best_of_steps = true" in lines
    at = lines.index("  method.order:")  # not shared
    assert lines[at + 1 : at + 3] == ['    second-order: "second"', '    first-order: "first"']
    for name in cell.variants:
        assert f"  harness run {cell.key} --variant {name}" in lines
        for section in ("tasks", "method", "training", "testing"):
            for switch in cell.variant(name).protocol()[section]:
                assert f"  {section}.{switch}" in said.out
    assert "expected here" not in said.out


def test_show_says_what_an_interval_is_over(say):
    """In words, with the counts that are known."""
    said = say("harness show anil/mini-imagenet-5way-1shot --no-measure").out
    assert "accuracy@10 = 46.9 ± 0.2 (standard deviation over 3 seeds) for maml" in said
    said = say("harness show maml/omniglot-5way-1shot --no-measure").out
    assert "accuracy@3 = 98.7 ± 0.4 (95 % interval over 600 test tasks) for second-order" in said
    assert "(no ±)" in say("harness show siamese/one-shot --no-measure").out


def test_show_leaves_out_switches_that_a_variant_has_not(say):
    said = say("harness show maml/sinusoid-5shot --no-measure")
    block = said.out.split("  method.inner_steps:\n")[1].split("\n  method")[0]
    assert block == "    maml: 1\n    maml-code-rate: 1\n    first-order: 1"


def test_show_one_variant_with_its_cost(say, monkeypatch):
    monkeypatch.setattr(estimate, "SECONDS", 0.0)
    said = say("harness show maml/sinusoid-5shot --variant maml --device cpu")
    [line] = [s for s in said.out.splitlines() if s.startswith("  maml: ")]
    match = re.fullmatch(
        r"  maml: (.+) of training \(([\d.e+-]+) ms a step; 70,000 steps\), cpu, "
        r"(\d+) MiB at the peak so far",
        line,
    )
    assert match, line
    assert float(match[2]) > 0
    assert int(match[3]) > 50
    assert "first-order" not in said.out.split("switches:")[1]


def test_show_goes_on_where_images_are_missing(say, monkeypatch):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    load_store.cache_clear()  # another test of this process may have found the images
    said = say("harness show protonet/omniglot-5way-1shot")
    assert said.status == 0
    assert "  euclidean: not measured: found no Omniglot images" in said.out
    assert "  cosine: not measured: found no Omniglot images" in said.out


def test_show_answers_mistakes(say):
    assert say("harness show maml/sinusoid-6shot").sentence.startswith("found no cell")
    line = "harness show maml/sinusoid-5shot --variant mam"
    assert "found variant 'mam' (did you mean 'maml'?)" in say(line).sentence


def test_a_cell_without_published_lines_says_so(say):
    assert not find_cell("maml/sinusoid-20shot").published
    said = say("harness show maml/sinusoid-20shot --no-measure")
    assert "\npublished: nothing for this cell\n" in said.out


def test_an_estimate_counts_the_second_phase_of_training(monkeypatch):
    monkeypatch.setattr(estimate, "SECONDS", 0.0)
    cell = find_cell("protonet/omniglot-5way-1shot")
    small = {
        "tasks.dataset": "glyphs",
        "tasks.train_ways": 5,
        "method.filters": 4,
        "training.iterations": 100,
    }
    twice = estimate.estimate(cell.variant("euclidean", small), "cpu")
    assert twice.train_seconds == pytest.approx(200 * twice.seconds_per_step)
    once = cell.variant("euclidean", small | {"training.selection": "last"})
    cost = estimate.estimate(once, "cpu")
    assert cost.train_seconds == pytest.approx(100 * cost.seconds_per_step)
    assert cost.device == "cpu"
    assert cost.peak_bytes > 0


def test_a_cell_of_published_numbers_only(say):
    said = say("harness show cnaps/meta-dataset")
    assert said.status == 0
    assert "accuracy = 91.7 ± 0.5" in said.out
    assert said.out.splitlines()[-1] == "nothing here runs this cell: published numbers only"
    for line in (
        "harness run cnaps/meta-dataset",
        "harness show cnaps/meta-dataset --variant film",
        "harness cost cnaps/meta-dataset",
    ):
        assert say(line).sentence == (
            "cnaps/meta-dataset: found published numbers only, wanted a cell that runs here; "
            "run `harness show cnaps/meta-dataset` for the numbers."
        )
