"""The helper behind every ratio, with a clock that is set by hand."""

from __future__ import annotations

import pytest

from tests.bench.interleave import Timings, interleave


class Workshop:
    """Contenders that move a clock of their own and note who ran."""

    def __init__(self, slowness=lambda done: 1.0) -> None:
        self.now, self.ran, self.slowness = 0.0, [], slowness

    def work(self, name, seconds):
        def run():
            self.now += seconds * self.slowness(len(self.ran))
            self.ran.append(name)

        return run

    def interleave(self, **how):
        contenders = {"a": self.work("a", 1.0), "b": self.work("b", 2.0), "c": self.work("c", 4.0)}
        return interleave(contenders, clock=lambda: self.now, budget_s=1e9, **how)


def test_contenders_run_in_turn_after_one_warm_up_each():
    shop = Workshop()
    timings = shop.interleave(most_rounds=6)
    assert shop.ran == ["a", "b", "c"] * 7
    assert timings.rounds == 6
    assert timings.seconds == {"a": [1.0] * 6, "b": [2.0] * 6, "c": [4.0] * 6}


def test_a_machine_that_slows_down_moves_seconds_but_not_ratios():
    shop = Workshop(slowness=lambda done: 1.0 + done // 3)
    timings = shop.interleave(most_rounds=9)
    assert timings.median("a") == 6.0
    assert timings.ratio("c", "b").median == 2.0
    assert timings.ratio("c", "b").spread == 0.0


def test_median_and_quartiles_are_those_of_the_ratios():
    timings = Timings({"slow": [2.0, 6.0, 30.0, 8.0, 50.0], "fast": [2.0, 2.0, 6.0, 2.0, 5.0]})
    ratio = timings.ratio("slow", "fast")  # 1, 3, 5, 4, 10
    assert (ratio.low, ratio.median, ratio.high) == (3.0, 4.0, 5.0)
    assert ratio.spread == 0.5


@pytest.mark.parametrize(
    ("how", "rounds"),
    [
        ({"least_rounds": 3, "settled": lambda timings: True}, 3),
        ({"least_rounds": 1, "settled": lambda timings: timings.rounds == 4}, 4),
        ({"most_rounds": 2, "least_rounds": 5}, 2),
    ],
)
def test_when_it_ends(how, rounds):
    assert Workshop().interleave(**how).rounds == rounds


def test_a_spent_budget_ends_it_after_the_least_rounds():
    shop = Workshop()
    timings = interleave(
        {"a": shop.work("a", 1.0)}, least_rounds=2, budget_s=4.5, clock=lambda: shop.now
    )
    assert timings.rounds == 5
    shop = Workshop()
    timings = interleave(
        {"a": shop.work("a", 9.0)}, least_rounds=2, budget_s=4.5, clock=lambda: shop.now
    )
    assert timings.rounds == 2


def test_the_device_is_waited_for_before_the_clock_is_read():
    shop = Workshop()
    timings = interleave(
        {"a": lambda: None}, most_rounds=5, wait=shop.work("wait", 3.0), clock=lambda: shop.now
    )
    assert timings.seconds == {"a": [3.0] * 5}
