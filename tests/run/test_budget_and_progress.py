from __future__ import annotations

import ctypes
import io
from types import SimpleNamespace

import pytest
import torch

from harness import progress
from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.paper_tests.smoke_plans import smoke_setup
from harness.progress import Progress, duration
from harness.run import allocator
from harness.run.budget import budget
from harness.run.length import Length, length_of
from harness.run.setup import Setup


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("full", ("full", 70000, 500, 10000)),
        ("1", ("full", 70000, 500, 10000)),
        ("1.0", ("full", 70000, 500, 10000)),
        ("0.1", ("0.1", 7000, 500, 10000)),
        ("0.10", ("0.1", 7000, 500, 10000)),
        ("1e-9", ("1e-09", 1, 500, 10000)),
        ("smoke", ("smoke", 1, 2, 2)),
    ],
)
def test_budgets(label, expected):
    variant = find_cell("maml/sinusoid-5shot").variant("maml")
    chosen = budget(label, variant.training, variant.testing)
    assert (chosen.label, chosen.iterations, chosen.validation_tasks, chosen.test_tasks) == expected


def test_a_full_budget_goes_up_to_the_cap_and_a_fraction_is_of_the_expected_length():
    variant = find_cell("protonet/omniglot-5way-1shot").variant("euclidean")
    assert budget("full", variant.training, variant.testing).iterations == 1_000_000
    assert budget("0.5", variant.training, variant.testing).iterations == 20_000


def test_a_smoke_run_has_small_meta_batches_and_no_other_budget_has():
    variant = find_cell("maml/omniglot-5way-1shot").variant("second-order")
    by_label = {b: budget(b, variant.training, variant.testing) for b in ("smoke", "0.1", "full")}
    assert variant.training.meta_batch == 32
    assert [b.meta_batch for b in by_label.values()] == [2, 32, 32]


def test_a_smoke_run_trains_on_as_many_classes_as_are_tested_and_no_other_budget_does():
    glyphs = {"tasks.dataset": "glyphs", "tasks.train_ways": 20}
    smoke = smoke_setup("protonet/omniglot-5way-1shot", "euclidean", glyphs)
    few, many = smoke.tasks(), Setup.at("0.1", smoke.variant).tasks()
    assert (few.ways("train"), many.ways("train")) == (5, 20)
    small, large = few.batch("train", 3, 2), many.batch("train", 3, 2)
    assert torch.equal(small.classes, large.classes[:, :5])
    assert torch.equal(small.query_x, large.query_x[:, : 5 * few.queries("train")])
    # Where no more classes are trained than tested, nothing changes.
    setup = smoke_setup("protonet/omniglot-20way-1shot", "euclidean", glyphs)
    assert setup.tasks().ways("train") == 20


def test_classes_that_are_not_there_are_found_by_a_smoke_run_too():
    too_many = {"tasks.dataset": "glyphs", "tasks.train_ways": 10_000}
    setup = smoke_setup("protonet/omniglot-5way-1shot", "euclidean", too_many)
    with pytest.raises(HarnessError, match="found 10000 ways"):
        setup.tasks()


@pytest.mark.parametrize("label", ["0", "-0.5", "1.01", "inf", "nan", "", "a tenth"])
def test_other_budgets_are_refused(label):
    variant = find_cell("maml/sinusoid-5shot").variant("maml")
    with pytest.raises(HarnessError, match="wanted full, smoke or a fraction"):
        budget(label, variant.training, variant.testing)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 00 min"),
        (7530, "2 h 05 min"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.time)
    return now


def test_progress_on_a_terminal_is_one_line_rewritten(clock):
    stream = Terminal()
    shown = Progress("cell", 1000, done=100, stream=stream)
    clock.time += 0.4
    shown.update(140)
    assert stream.getvalue() == "", "not yet time"
    clock.time += 0.1
    shown.update(150, "validation mse@1 0.5")
    assert stream.getvalue() == (
        "cell: 150/1,000, 100/s, 8 s left, validation mse@1 0.5\x1b[K\r"
    ), "the rate is that of this session"
    shown.close()
    assert stream.getvalue().endswith("\r\n")


def test_progress_elsewhere_is_a_line_now_and_then(clock):
    stream = io.StringIO()
    shown = Progress("cell", 10, stream=stream)
    for done in range(1, 4):
        clock.time += 10
        shown.update(done)
    shown.close()
    assert stream.getvalue() == "cell: 2/10, 0.1/s, 1 min 20 s left\n"


def test_progress_counts_on_what_is_added(clock):
    stream = io.StringIO()
    shown = Progress("cell", 10, stream=stream)
    for _ in range(2):
        clock.time += 10
        shown.add(2)
    assert stream.getvalue() == "cell: 4/10, 0.2/s, 30 s left\n"


def test_progress_without_a_step_says_nothing(clock):
    stream = Terminal()
    shown = Progress("cell", 10, done=5, stream=stream)
    clock.time += 60
    shown.update(5)
    shown.close()
    assert stream.getvalue() == ""


def test_early_stopping_shows_the_expected_length_and_no_time_to_the_cap(clock):
    """ProtoNets' cap is 1,000,000: two weeks at 0.8 a second that nobody will wait."""
    training = find_cell("protonet/omniglot-5way-1shot").variant("euclidean").training
    length = length_of(training, 1_000_000)
    assert str(length) == (
        "about 40,000 steps, until validation stops, at least 20,100, at most 1,000,000"
    )
    stream = Terminal()
    shown = Progress("cell", length.most, stream=stream)
    said = []
    for done, waited in [(100, 0), (30_000, 0), (45_000, 150), (45_050, 150), (999_950, 0)]:
        clock.time += 100
        shown.update(done, "", length.standing(done, waited))
        said.append(stream.getvalue().split("\r")[-2].split("/s, ")[1].partition("\x1b")[0])
        assert "(until validation stops, at most 1,000,000), " in stream.getvalue()
    assert said == [
        "about 11 h 05 min left",
        "at least 2 min 14 s left",  # 20,100 steps at 150 a second: longer than what is expected
        "at least 34 s left",
        "at least 45 s left",
        "at least 0 s left",
    ]
    first = stream.getvalue().split("\r")[0]
    assert first.startswith("cell: 100/about 40,000 (until")
    assert length.standing(40_000, 0).words.startswith("40,000 (until")


@pytest.mark.parametrize(
    ("length", "words", "standing"),
    [
        (Length(70_000, 70_000), "70,000 steps", ("7,000/70,000", "", 63_000)),
        # Never looked at, or over before patience can end: exact.
        (Length(70_000, 20_000, 0, 5), "70,000 steps", ("7,000/70,000", "", 63_000)),
        (Length(20_000, 20_000, 100, 200), "20,000 steps", ("7,000/20,000", "", 13_000)),
        (
            Length(46_800, 46_800, 234, 19),
            "until validation stops, at least 4,680, at most 46,800 steps",
            ("7,000 (until validation stops, at most 46,800)", "at most ", 39_800),
        ),
    ],
)
def test_lengths_that_are_exact_and_one_that_may_end_before(length, words, standing):
    assert str(length) == words
    stood = length.standing(7_000)
    assert (stood.words, stood.bound, stood.left) == standing


def test_freed_memory_is_kept_where_there_is_glibc(monkeypatch):
    asked = {}

    def mallopt(name, value):
        asked[name] = value
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    assert allocator.keep_freed_memory()
    # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h: no block mapped by itself, none given back.
    assert asked == {-4: 0, -1: 2**31 - 1}


def test_memory_is_left_alone_where_there_is_none(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not allocator.keep_freed_memory()
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()


def test_freed_memory_is_given_back_where_there_is_glibc(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(malloc_trim=asked.append))
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    assert allocator.give_back_freed_memory()
    assert asked == [0]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not allocator.give_back_freed_memory()
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.give_back_freed_memory()
