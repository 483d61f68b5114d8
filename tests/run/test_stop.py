"""A first signal waits for a deferred section, a second does not, a third ends the process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from harness.records.store import verify_files
from harness.run import stop
from harness.run.loop import run
from harness.run.training import Phase

raise_signal = signal.raise_signal


def result(folder):
    record = verify_files(folder)
    return record.result(), {n: (folder / n).read_bytes() for n in record.files}


ALL = pytest.mark.parametrize("number", stop.SIGNALS, ids=lambda n: n.name)


@pytest.fixture(autouse=True)
def listening():
    with stop.listening():
        yield


@ALL
def test_outside_of_a_section_it_is_raised_at_once(number):
    with pytest.raises(KeyboardInterrupt):
        raise_signal(number)


def section(done, *signals):
    """Get signals in a deferred section, one inside the other, and say how far it went."""
    with stop.deferred():
        for number in signals:
            raise_signal(number)
            done.append(stop.asked())
        with stop.deferred():
            done.append("inner")
        done.append("outer")


@ALL
def test_inside_it_waits(number):
    done = []
    with pytest.raises(KeyboardInterrupt):
        section(done, number)
    assert done == [True, "inner", "outer"]


def test_what_is_announced_is_written_past_the_buffers(monkeypatch, tmp_path):
    with (tmp_path / "said").open("w") as f:
        monkeypatch.setattr("sys.stderr", f)
        with pytest.raises(KeyboardInterrupt):
            section([], signal.SIGINT)
        said = (tmp_path / "said").read_text()
    assert said == "harness: stopping after this step; once more to stop at once.\n"


def test_without_a_signal_nothing_happens():
    done = []
    section(done)
    assert done == ["inner", "outer"]


def test_a_second_one_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt):
        section(done, signal.SIGINT, signal.SIGTERM)
    assert done == [True]


def test_a_third_ends_the_process(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with pytest.raises(KeyboardInterrupt):
        section([], signal.SIGINT, signal.SIGINT)
    assert ended == []
    with pytest.raises(KeyboardInterrupt):  # as nothing ends here
        raise_signal(signal.SIGINT)
    assert ended == [130]


def test_a_terminal_and_a_parent_are_one_request():
    done = []
    with pytest.raises(KeyboardInterrupt):
        section(done, signal.SIGINT, stop.FROM_PARENT)
    assert done == [True, True, "inner", "outer"]


def test_what_is_raised_in_a_section_comes_first():
    def worse():
        with stop.deferred():
            raise_signal(signal.SIGINT)
            raise ValueError("worse")

    with pytest.raises(ValueError, match="worse"):
        worse()


def test_a_hang_up_stays_ignored_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop.listening():
            raise_signal(signal.SIGHUP)
            assert not stop.asked()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_given_back():
    before = [signal.getsignal(n) for n in stop.SIGNALS]
    with pytest.raises(ZeroDivisionError), stop.listening():
        raise ZeroDivisionError
    assert [signal.getsignal(n) for n in stop.SIGNALS] == before


def test_in_another_thread_nothing_changes():
    seen = []

    def look():
        with stop.listening():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


def test_it_ends_with_its_parent():
    """Standard input is a pipe that the parent holds open."""
    read, write = os.pipe()
    kept = os.dup(0)
    os.dup2(read, 0)

    def until_the_parent_is_gone():
        with stop.deferred():
            os.close(write)
            while not stop.asked():
                threading.Event().wait(0.01)

    try:
        stop.end_with_parent()
        with pytest.raises(KeyboardInterrupt):
            until_the_parent_is_gone()
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(read)
    assert stop.stopped("nothing, as the parent says it") == 128 + stop.FROM_PARENT


def test_the_run_goes_on_as_if_it_had_not_been_stopped(make_plan, monkeypatch):
    """Stopped in a step, before and in a validation; and twice in a step, at once."""
    plan, steps = make_plan("stopped"), [0]
    step, validate = Phase._step, Phase._validate

    def stopping(self):
        steps[0] += 1
        if steps[0] in (7, 30):
            raise_signal(signal.SIGINT)
        if steps[0] == 45:
            raise_signal(signal.SIGINT)
            self.method.params[next(iter(self.method.params))].data.add_(1)
            raise_signal(signal.SIGINT)
        step(self)

    def stopping_too(self):
        if self.state.iteration == 20:
            raise_signal(signal.SIGTERM)
        return validate(self)

    monkeypatch.setattr(Phase, "_step", stopping)
    monkeypatch.setattr(Phase, "_validate", stopping_too)
    for _ in range(4):
        with stop.listening(), pytest.raises(KeyboardInterrupt):
            run(plan)
    stopped = result(run(plan))
    monkeypatch.undo()
    assert steps[0] == 60 + (45 - 30)
    assert stopped == result(run(make_plan("straight")))
