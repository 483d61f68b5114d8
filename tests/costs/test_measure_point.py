"""What a measuring process does, in this process: values, and what keeps it from them."""

from __future__ import annotations

import dataclasses
import json
import signal
import time

import pytest
import torch

from harness.costs import measure_point, timing
from harness.costs.measure_point import measure
from harness.costs.over_limit import OverLimit, time_limit
from harness.costs.request import Request
from harness.costs.timing import timed, warm_up
from harness.run.setup import Setup
from harness.tasks.sinusoids import Sinusoids

TINY = ("training.meta_batch=2", "method.hidden=[8]", "method.inner_steps=2")


@pytest.fixture(autouse=True)
def small_product(monkeypatch):
    """A product of 2048 takes longer than all the rest."""
    monkeypatch.setattr(timing, "peak_rate", lambda _: 1e10)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def request(kind="time", **fields):
    values = {
        "cell": "maml/sinusoid-5shot",
        "variant": "maml",
        "engine": "func",
        "device": "cpu",
        "threads": 1,
        "seconds": 0.02,
        "limit": 600.0,
        "sets": TINY,
        "operations": True,
    }
    return Request(kind=kind, **(values | fields))


def test_time():
    found = measure(request())
    assert found["status"] == "measured", found
    assert found["steps"] >= 3
    assert found["seconds_q1"] <= found["seconds_median"] <= found["seconds_q3"]
    assert 0 < found["fetch_share"] < 1
    assert found["warm_up_steps"] >= 1
    # A task has 10 support and 10 query points, the network 1-8-1. By hand, of first order:
    # two inner steps forward and back, and the query set forward and back.
    first = measure(request(sets=(*TINY, "method.order=first")))["operations_per_step"]
    forward = 2 * 10 * (8 + 8)  # products of [10, 1] x [1, 8] and [10, 8] x [8, 1]
    weights, inputs = forward, 2 * 10 * 8  # no gradient of the first layer's input is needed
    assert first == 2 * 3 * (forward + weights + inputs)
    assert found["operations_per_step"] > first
    assert measure(request(operations=False))["operations_per_step"] is None


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but while tasks are fetched (1 s) and steps are taken (3 s)."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    build, fetch = Setup.method, Sinusoids.batch

    def fetching(self, *words):
        now[0] += 1
        return fetch(self, *words)

    def building(self, tasks):
        method = build(self, tasks)
        step = method.train_step

        def train_step(batch, iteration):
            now[0] += 3
            return step(batch, iteration)

        method.train_step = train_step
        return method

    monkeypatch.setattr(Sinusoids, "batch", fetching)
    monkeypatch.setattr(Setup, "method", building)


def test_seconds_are_those_of_fetching_and_of_the_step(clock):
    found = measure(request(seconds=40.0))
    assert found["status"] == "measured", found
    times = [found[f"seconds_{name}"] for name in ("q1", "median", "q3")]
    assert times == [4.0, 4.0, 4.0]
    assert (found["steps"], found["warm_up_steps"], found["warmed_up"]) == (10, 5, True)
    assert found["fetch_share"] == 0.25
    assert found["tasks_per_second"] == 0.5


def test_a_method_without_an_inner_loop():
    found = measure(request(variant="pretrained", sets=("training.meta_batch=2",)))
    assert found["status"] == "measured", found
    assert found["operations_per_step"] > 0


def test_memory_of_more_steps_is_more():
    few, many = (
        measure(request("memory", sets=(*TINY, f"method.inner_steps={k}"))) for k in (1, 8)
    )
    assert few["status"] == many["status"] == "measured"
    assert 0 < few["live_tensor_bytes"] < many["live_tensor_bytes"]
    assert few["host_growth_bytes"] >= 0
    assert few["host_peak_bytes"] > 2**20
    assert few["device_allocated_bytes"] == few["device_reserved_bytes"] == 0


@pytest.mark.parametrize("kind", ["time", "memory"])
@pytest.mark.parametrize(
    ("error", "status", "note"),
    [
        (MemoryError(), "out of memory", "MemoryError: "),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "out of memory",
            "RuntimeError: [enforce fail]",
        ),
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), "out of memory", "OutOfMemoryError"),
        (RuntimeError("sizes do not fit\nmore"), "failed", "RuntimeError: sizes do not fit"),
        (ZeroDivisionError("x"), "failed", "ZeroDivisionError: x"),
    ],
)
def test_what_a_step_raises_is_a_status(monkeypatch, kind, error, status, note):
    def broken(self, tasks):
        raise error

    monkeypatch.setattr(Setup, "method", broken)
    found = measure(request(kind))
    assert found["status"] == status
    assert found["note"].startswith(note)
    assert "\n" not in found["note"]


def test_a_users_mistake_is_a_status_too():
    found = measure(request(sets=("method.inner_steps=x",)))
    assert found["status"] == "failed"
    assert found["note"].endswith("method.inner_steps: found 'x' (str), wanted int, 0 to 10000.")


def test_without_images_nothing_is_recorded(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found = measure(request(cell="maml/omniglot-5way-1shot", variant="second-order", sets=()))
    assert found["status"] == "no tasks"
    assert "found no Omniglot images" in found["note"]


@pytest.mark.parametrize("kind", ["time", "memory"])
def test_a_point_that_would_take_too_long_is_not_measured(clock, kind):
    found = measure(request(kind, limit=11.0))
    assert found == {"status": "over limit", "note": "the first meta-step took 4 s"}


def test_time_that_runs_out_within_a_step():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(OverLimit, match=r"it was not done after 0.05 s"), time_limit(0.05):
        time.sleep(5)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def steps_of(*seconds):
    left = iter(seconds)
    return lambda: (next(left), 0.0)


@pytest.mark.parametrize(
    ("seconds", "settled", "taken"),
    [
        ([9.0, 5.0, 3.0, 2.0, 1.0, 1.05, 1.0, 1.0, 1.0], True, 9),  # two medians of three agree
        ([9.0, 5.0, 3.0, 1.0, 1.0, 1.0, 99.0], False, 7),  # the time is over first
        ([30.0, 20.0, 19.0], True, 3),  # but for the first step, which counts for nothing
        ([30.0, 20.0, 10.0], False, 3),
        ([15.0, 15.0, 15.0, 15.0], True, 4),
        ([70.0, 70.0, 70.0], True, 3),  # thrice at least, however long it takes
    ],
)
def test_warm_up_ends_when_steps_settle_or_time_is_over(seconds, settled, taken):
    left = iter([*seconds, *[1.0] * 20])
    assert warm_up(lambda: (next(left), 0.0), 60.0, 1000.0) == settled
    assert len(list(left)) == len(seconds) + 20 - taken


def test_warm_up_sees_that_the_rest_will_not_fit():
    with pytest.raises(OverLimit, match="the first meta-step took 3 s"):
        warm_up(steps_of(3.0, 3.0), 1.0, 17.0)


def test_slow_steps_are_timed_three_times():
    assert timed(steps_of(2.0, 3.0, 4.0, 5.0), 1.0)[:, 0].tolist() == [2.0, 3.0, 4.0]
    assert len(timed(steps_of(*[1.0] * 20), 8.0)) == 8


def test_the_entry_point_prints_json_last(monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(measure_point, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(measure_point.Path, "write_text", lambda *_, **__: 0)
    asked = []
    monkeypatch.setattr(
        measure_point, "measure", lambda r: asked.append(r) or {"status": "measured"}
    )
    for kind in ("time", "memory"):
        assert measure_point.main(request(kind).words()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"status": "measured"}] * 2
    assert [r.kind for r in asked] == ["time", "memory"]
    assert len(kept) == 1, "kept memory would hide the peak"
    assert asked[0] == dataclasses.replace(asked[1], kind="time")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["time", "memory"])
def test_on_a_device(kind):
    found = measure(request(kind, device="cuda"))
    assert found["status"] == "measured", found
    if kind == "memory":
        assert found["device_allocated_bytes"] > found["device_before_bytes"] > 0
        assert found["device_reserved_bytes"] >= found["device_allocated_bytes"]
