"""A session: points in turn, each on record at once, and what goes wrong with them."""

from __future__ import annotations

import sys
import threading

import pytest
import torch

from harness.costs import session as session_module
from harness.costs.grid import grid
from harness.costs.record import CostRecord
from harness.costs.session import Effort, Measuring
from harness.costs.store import empty_record, find_costs
from harness.durable import held
from harness.errors import HarnessError
from tests.costs.made_up import outcome

EFFORT = Effort(seconds=0.1, rounds=2, limit=10.0, memory=True)


class Machine:
    """Stands for the processes: keeps what was asked, and answers as told."""

    def __init__(self):
        self.asked = []
        self.answers = {}

    def __call__(self, request):
        self.asked.append(request)
        switches = dict(text.split("=") for text in request.sets)
        key = (request.kind, request.engine, int(switches.get("method.inner_steps", 0)))
        answer = self.answers.get(key, outcome(request.kind))
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(session_module, "measure_apart", made)
    state = {"commit": "c" * 40, "clean": True}
    monkeypatch.setattr(session_module, "git_state", lambda **_: state)
    made.state = state
    return made


@pytest.fixture
def start(cell, tmp_path):
    def measuring(steps=(1, 5), effort=EFFORT, anew=False, **words) -> Measuring:
        groups = grid(cell, "cpu", ["second"], ["func", "loop"], ("second",), steps, **words)
        record = empty_record("toy", "loops", torch.device("cpu"), 2)
        return Measuring(cell, groups, record, effort, tmp_path / "results", anew)

    return measuring


def stored(tmp_path) -> CostRecord:
    [found] = find_costs(tmp_path / "results", ["toy/loops"])
    return found


def by_key(record):
    return {(p.point.engine, p.point.inner_steps): p for p in record.points}


def test_compared_points_are_timed_in_turn(start, machine):
    record = start().run()
    one_group = [
        *[("time", "func"), ("time", "loop")] * 2,
        *[("memory", "func"), ("memory", "loop")],
    ]
    assert [(r.kind, r.engine) for r in machine.asked] == one_group * 2
    assert {len(p.rounds) for p in record.points} == {2}
    assert record.sessions[0].end is not None


def test_a_request_says_all(start, machine):
    start(steps=(5,), sets=["training.meta_batch=8"]).run()
    first, *_, last = machine.asked
    assert (first.cell, first.variant, first.threads) == ("toy/loops", "second", 2)
    assert first.sets == ("training.meta_batch=8", "method.order=second", "method.inner_steps=5")
    assert (first.seconds, first.limit) == (0.1, 10.0)
    assert first.operations
    assert not last.operations
    assert [r.operations for r in machine.asked if r.kind == "time"] == [True] * 2 + [False] * 2


def test_stopped_and_started_again_it_goes_on(start, machine, tmp_path, capsys):
    machine.answers["memory", "loop", 5] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        start().run()
    assert by_key(stored(tmp_path))["loop", 5].memory_status == "not yet"
    assert stored(tmp_path).sessions[0].end is None
    machine.answers.clear()
    machine.asked.clear()
    record = start().run()
    assert "going on; points left: 1." in capsys.readouterr().err
    assert [(r.kind, r.engine, r.sets[-1]) for r in machine.asked] == [
        ("memory", "loop", "method.inner_steps=5")
    ]
    assert {p.memory_status for p in record.points} == {"measured"}
    assert len(record.points) == 4
    assert len(record.sessions) == 1
    assert stored(tmp_path) == record


def test_stopped_within_a_group_all_of_it_is_timed_again_in_turn(start, machine, tmp_path):
    machine.answers["time", "loop", 5] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        start().run()
    assert set(by_key(stored(tmp_path))) == {("func", 1), ("loop", 1)}
    machine.answers.clear()
    machine.asked.clear()
    record = start().run()
    timed = [(r.engine, r.sets[-1][-1]) for r in machine.asked if r.kind == "time"]
    assert timed == [("func", "5"), ("loop", "5")] * 2
    assert len(record.points) == 4


def test_after_the_end_everything_is_measured_anew(start, machine):
    start().run()
    machine.asked.clear()
    machine.answers["time", "func", 1] = outcome("time", 0.25)
    record = start().run()
    assert len(machine.asked) == 12
    assert len(record.points) == 4
    assert len(record.sessions) == 1, "the older one has no points left"
    assert by_key(record)["func", 1].rounds[0].seconds_median == 0.25


@pytest.mark.parametrize("change", ["anew", "commit", "effort"])
def test_another_measurement_does_not_go_on_with_a_stopped_one(start, machine, tmp_path, change):
    machine.answers["memory", "loop", 5] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        start().run()
    machine.answers.clear()
    machine.asked.clear()
    if change == "commit":
        machine.state["commit"] = "d" * 40
    effort = Effort(0.2, 2, 10.0, True) if change == "effort" else EFFORT
    record = start(effort=effort, anew=change == "anew").run()
    assert len(machine.asked) == 12
    assert len(record.sessions) == 1


def test_points_of_an_older_commit_stay_until_replaced(start, machine):
    start(steps=(1, 5)).run()
    machine.state["commit"] = "d" * 40
    record = start(steps=(5,)).run()
    commits = {k: record.sessions[p.session].commit[0] for k, p in by_key(record).items()}
    assert commits == {
        ("func", 1): "c",
        ("loop", 1): "c",
        ("func", 5): "d",
        ("loop", 5): "d",
    }


@pytest.mark.parametrize("status", ["over limit", "out of memory"])
def test_more_steps_are_not_tried_where_fewer_were_too_many(start, machine, status):
    bad = {"status": status, "note": "why"}
    machine.answers["time", "loop", 5] = bad
    machine.answers["memory", "loop", 5] = bad
    found = by_key(start(steps=(1, 5, 20)).run())
    asked = {(r.engine, r.sets[-1]) for r in machine.asked}
    assert ("loop", "method.inner_steps=20") not in asked
    assert ("func", "method.inner_steps=20") in asked
    for kind in ("time", "memory"):
        ends = [getattr(found["loop", k], f"{kind}_status") for k in (1, 5, 20)]
        assert ends == ["measured", status, status]
        assert getattr(found["loop", 20], f"{kind}_note") == "so it was with 5 inner steps"
    assert found["loop", 5].rounds == ()
    assert found["loop", 5].memory is None


def test_a_failed_point_is_on_record_and_more_steps_are_tried(start, machine):
    machine.answers["time", "func", 1] = {"status": "failed", "note": "ValueError: no"}
    found = by_key(start().run())
    assert (found["func", 1].time_status, found["func", 1].time_note) == (
        "failed",
        "ValueError: no",
    )
    assert found["func", 1].memory is not None
    assert found["func", 5].time_status == "measured"


def test_a_point_that_fails_in_a_later_round_has_no_rounds(start, machine, monkeypatch):
    count = []

    def flaky(request):
        count.append(request)
        late = request.kind == "time" and len(count) > 2
        return {"status": "out of memory", "note": "n"} if late else outcome(request.kind)

    monkeypatch.setattr(session_module, "measure_apart", flaky)
    found = start(steps=(1,)).run()
    assert {(p.time_status, p.rounds) for p in found.points} == {("out of memory", ())}


def test_without_memory_none_is_asked_for(start, machine):
    found = start(effort=Effort(0.1, 1, 10.0, False)).run()
    assert {r.kind for r in machine.asked} == {"time"}
    assert {(p.memory_status, p.memory) for p in found.points} == {("not asked", None)}


def test_missing_images_stop_it_before_anything_is_on_record(start, machine, tmp_path):
    machine.answers["time", "func", 1] = HarnessError("found no images")
    with pytest.raises(HarnessError, match="found no images"):
        start().run()
    assert not list((tmp_path / "results").iterdir())


def test_two_at_once_lose_nothing(start, machine, tmp_path, monkeypatch):
    one, other = start(steps=(1,)), start(steps=(5,))
    assert one.own != other.own, "each began before the other had put anything on record"
    meanwhile = []

    def answer(request):
        if not meanwhile:
            meanwhile.append(request)
            other.run()
        return outcome(request.kind)

    monkeypatch.setattr(session_module, "measure_apart", answer)
    one.run()
    found = stored(tmp_path)
    assert {p.point.inner_steps for p in found.points} == {1, 5}
    assert all(p.memory is not None and p.rounds for p in found.points)
    assert len(found.sessions) == 2
    for session, steps in enumerate((5, 1)):
        assert {p.session for p in found.points if p.point.inner_steps == steps} == {session}
        assert found.sessions[session].end is not None


def test_two_that_measure_the_same_leave_one_of_each(start, machine, tmp_path, monkeypatch):
    one, other = start(steps=(1,)), start(steps=(1,))
    other_ran = []

    def answer(request):
        if request.kind == "memory" and not other_ran:
            other_ran.append(request)
            other.run()
        return outcome(request.kind)

    monkeypatch.setattr(session_module, "measure_apart", answer)
    one.run()
    found = stored(tmp_path)
    assert len(found.points) == 2, "one engine each"
    assert all(p.memory is not None for p in found.points)


def test_a_writer_waits_for_another(tmp_path):
    held_then = []

    def second():
        with held(tmp_path / "m"):
            held_then.append("second")

    with held(tmp_path / "m"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.1)
        held_then.append("first")
    waiting.join()
    assert held_then == ["first", "second"]


def test_a_system_without_locks_measures_all_the_same(start, machine, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    start(steps=(1,)).run()
    assert len(stored(tmp_path).points) == 2
