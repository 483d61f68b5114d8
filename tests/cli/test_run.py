"""`harness run`: mistakes are one sentence, and what was asked for is what goes on record."""

from __future__ import annotations

import signal
import subprocess
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from harness.errors import HarnessError
from harness.records.store import find_records, verify_files
from harness.run import jobs, stop


@dataclass(frozen=True)
class Planned:
    """What `run_jobs` asks of a plan."""

    place: Path
    status: int = 0
    label: str = "a run"

    @property
    def setup(self) -> Namespace:
        return Namespace(label=self.label)

    def folder(self) -> Path:
        return self.place


SMOKE = "harness run maml/sinusoid-5shot --variant maml --budget smoke"
IMAGES = "harness run maml/omniglot-5way-1shot --variant first-order --budget smoke"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("--set method.iner_rate=1", "--set: found switch 'method.iner_rate' (did you mean"),
        ("--set inner_rate=1", "--set: found switch 'inner_rate'"),
        ("--set method.inner_rate", "--set: found 'method.inner_rate', wanted section.switch=va"),
        ("--set training.iterations=many", "training.iterations: found 'many' (str), wanted int, "),
        ("--set method.order=third", "method.order: found 'third'; wanted one of 'second', 'first"),
        ("--set method.inner_rate=nan", "method.inner_rate: found nan, wanted 0 to 100."),
        ("--set method.inner_steps=-1", "method.inner_steps: found -1, wanted 0 to 10000."),
        ("--set method.hidden=[-4]", "method.hidden: found -4, wanted 1 to 8192."),
        ("--set training.meta_batch=0", "training.meta_batch: found 0, wanted 1 to 1000000."),
        ("--set training.iterations=-5", "training.iterations: found -5, wanted 1 to 1000000000."),
        ("--set training.validation_tasks=0", "training.validation_tasks: found 0, wanted at le"),
        ("--set training.patience=-1", "training.patience: found -1, wanted 0 to 1000000000."),
        (
            "--set testing.tasks=10000000000",
            "testing.tasks: found 10000000000, wanted 1 to 1000000.",
        ),
        ("--set testing.tasks_at_once=0", "testing.tasks_at_once: found 0, wanted 1 to 1000000."),
        ("--set testing.task_seed=-1", "testing.task_seed: found -1, wanted 0 to 2**63 - 1."),
        ("--set tasks.train_shots=0", "tasks.train_shots: found 0, wanted 1 to 100000."),
        (
            "--set tasks.train_shots=10000000000",
            "tasks.train_shots: found 10000000000, wanted 1 to",
        ),
        (
            "--set tasks.train_shots=100000 --set training.meta_batch=1000000",
            "maml/sinusoid-5shot/maml: found 1000000 train tasks of 745.3 GiB together, wanted at "
            "most 64.0 GiB; set training.meta_batch lower or make each task smaller",
        ),
        (
            "--set training.validation_metric=mse@11",
            "training.validation_metric: found 'mse@11' (did you mean 'mse@1'?); maml/sinusoid-5",
        ),
        ("--budget 2", "found budget '2'; wanted full, smoke or a fraction"),
        ("--budget nan", "found budget 'nan'; wanted full, smoke or a fraction"),
        ("--budget half", "found budget 'half'; wanted full, smoke or a fraction"),
        ("--engine lop", "found engine 'lop' (did you mean 'loop'?); wanted one of batched, func,"),
        ("--variant mam", "found variant 'mam' (did you mean 'maml'?); wanted one of maml,"),
        ("--budget 0_1", "found budget '0_1'; wanted full, smoke or a fraction"),
        ("--engine batched:²MB", "found engine 'batched:²MB'; wanted a memory budget"),
        (
            "--seeds 0 -1",
            "argument --seeds: found -1, wanted 0 to 2**63 - 1; see `harness run --hel",
        ),
        ("--seeds 1_0", "--seeds: found '1_0', wanted a whole number, 0 to 2**63 - 1; see"),
        ("--seeds ١", "--seeds: found '١', wanted a whole number, 0 to 2**63 - 1; see"),
        ("--jobs 0", "--jobs: found 0, wanted 1 to 4; see"),
        ("--threads 0", "--threads: found 0, wanted 1 to 4; see"),
        ("--threads 100000", "--threads: found 100000, wanted 1 to 4; see"),
        ("--threads 2147483648", "--threads: found 2147483648, wanted 1 to 4; see"),
        ("--checkpoint-every nan", "--checkpoint-every: found 'nan', wanted a number, 0 to 86400"),
        ("--checkpoint-every inf", "--checkpoint-every: found 'inf', wanted a number, 0 to 86400"),
        ("--checkpoint-every -1", "--checkpoint-every: found -1.0, wanted 0 to 86400; see"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(say, workplace, more, expected):
    assert expected in say(f"{SMOKE} {more}").sentence
    assert not list(workplace.rglob("*.pt"))
    assert not list(workplace.rglob("record.json"))


def test_an_unknown_cell(say):
    said = say("harness run maml/sinusoid-5shoot")
    assert said.sentence.startswith("found no cell 'maml/sinusoid-5shoot' (did you mean 'maml/sinu")
    assert said.sentence.endswith("run `harness list` for the cells.")


def test_devices(say, monkeypatch):
    assert "invalid choice: 'tpu'" in say(f"{SMOKE} --device tpu").err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "found no CUDA device; use `--device cpu`" in say(f"{SMOKE} --device cuda").sentence


def test_missing_images_are_forgiven_only_when_asked(say, workplace, monkeypatch):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    assert say(IMAGES).sentence.startswith("found no Omniglot images; set HARNESS_DATA or run")
    said = say(f"{IMAGES} --if-data-at-hand")
    assert said.status == 0
    assert said.err.count("\n") == 1
    assert said.err.startswith("harness: maml/omniglot-5way-1shot is left out: found no Omniglot")
    assert not list(workplace.rglob("record.json"))


def test_broken_images_are_not_forgiven(say, workplace, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(workplace))
    (workplace / "images_background.zip").write_bytes(b"half of it")
    said = say(f"{IMAGES} --if-data-at-hand")
    assert "wanted both images_background and images_evaluation" in said.sentence


def test_a_run_is_put_on_record_once(say, workplace):
    assert "finished, on record in" in say(SMOKE).err
    [stored] = find_records(workplace / "results")
    assert stored.record.protocol_differences == []
    assert stored.record.budget == "smoke"
    before = stored.folder.stat().st_mtime_ns
    again = say(SMOKE)
    assert again.status == 0
    assert (
        again.err
        == f"harness: maml/sinusoid-5shot/maml seed 0 is on record already: {stored.folder}\n"
    )
    assert stored.folder.stat().st_mtime_ns == before


def test_switches_folders_and_engines_reach_the_run(say, workplace):
    more = "--set method.inner_rate=0.02 --set training.meta_batch=2 --engine loop --seeds 3"
    assert say(f"{SMOKE} {more} --deterministic --results a/b --work c").status == 0
    assert torch.are_deterministic_algorithms_enabled()
    [stored] = find_records(workplace / "a" / "b")
    record = stored.record
    assert record.seed == 3
    assert record.measurement["sessions"][0]["engine"] == "loop"
    assert sorted(record.protocol_differences) == [
        "method.inner_rate: 0.01 -> 0.02",
        "training.meta_batch: 25 -> 2",
    ]
    assert list((workplace / "c").rglob("checkpoint.pt"))
    assert sorted(p.name for p in workplace.iterdir()) == ["a", "c"]


def test_all_variants_unless_told(say, workplace, monkeypatch):
    ran = []

    def asked(plans, jobs, threads, arguments):
        ran.extend((plan, arguments.checkpoint_every) for plan in plans)
        return 0

    monkeypatch.setattr("harness.cli.run.run_jobs", asked)
    line = "harness run maml/sinusoid-10shot --seeds 1 2 --checkpoint-every 7"
    assert say(line).status == 0
    names = ["maml", "maml-code-rate", "pretrained", "oracle"]
    setups = [plan.setup for plan, _ in ran]
    assert [(s.variant.name, s.seed) for s in setups] == [(n, s) for n in names for s in (1, 2)]
    assert {(s.budget.label, s.budget.iterations) for s in setups} == {("full", 70000)}
    assert {every for _, every in ran} == {7.0}


def test_seeds_side_by_side_give_what_they_give_alone(say, workplace, monkeypatch):
    words, asked = jobs.command, []

    def asking(*arguments):
        asked.append(" ".join(words(*arguments)))
        return words(*arguments)

    monkeypatch.setattr(jobs, "command", asking)
    more = "--seeds 0 1 --threads 1 --set method.inner_rate=0.02 --deterministic --if-data-at-hand"
    assert say(f"{SMOKE} {more} --jobs 2 --results both").status == 0
    assert len(asked) == 2
    for i, line in enumerate(asked):
        assert f"--seeds {i} --jobs 1 --budget smoke" in line
        assert "--set method.inner_rate=0.02 --deterministic --if-data-at-hand" in line
    for seed in (0, 1):
        own = more.replace("0 1", str(seed), 1)
        assert say(f"{SMOKE} {own} --results alone --work other").status == 0
    assert len(asked) == 2
    both, alone = (find_records(workplace / name) for name in ("both", "alone"))
    assert [s.record.seed for s in both] == [0, 1]
    assert [s.record.result() for s in both] == [s.record.result() for s in alone]
    assert all(s.record.environment["deterministic_algorithms"] for s in both)
    for one, other in zip(both, alone, strict=True):
        for name in verify_files(one.folder).files:
            assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_the_worst_exit_status_of_the_processes_is_given(monkeypatch):
    monkeypatch.setattr(jobs, "command", lambda plan, *_: code(f"raise SystemExit({plan.status})"))
    plans = [Planned(Path(str(i)), status) for i, status in enumerate((0, 2, 1))]
    assert jobs.run_jobs(plans, 2, 1, Namespace()) == 2
    assert jobs.run_jobs(plans[:1] * 2, 1, 1, Namespace()) == 0


def test_plans_that_share_a_training_come_one_after_the_other(monkeypatch, tmp_path):
    """Each would find the other's lock on the checkpoint."""
    alone = (
        "import sys, time; from pathlib import Path\n"
        "lock = Path(sys.argv[1]); lock.touch(exist_ok=False)\n"
        "time.sleep(0.3); lock.unlink()\n"
    )
    monkeypatch.setattr(jobs, "command", lambda plan, *_: [*code(alone), str(plan.folder())])
    shared, other = Planned(tmp_path / "shared"), Planned(tmp_path / "other")
    assert jobs.run_jobs([shared, shared, other, shared], 3, 1, Namespace()) == 0


WAITING = """
import signal, sys, time
from pathlib import Path
def stop(*_):
    Path(sys.argv[1], "stopped").touch(); sys.exit(130)
signal.signal(signal.SIGUSR1, stop)
Path(sys.argv[1], "ready").touch()
while True:
    time.sleep(0.01)
"""


def when_ready(monkeypatch, folder, act):
    """Let `run_jobs` do `act` once, when its process says that it is ready."""
    sleep, left = jobs.time.sleep, [act]

    def looking(seconds):
        sleep(seconds)
        if left and (folder / "ready").exists():
            left.pop()()

    monkeypatch.setattr(jobs.time, "sleep", looking)


def test_a_signal_reaches_the_processes_and_waits_for_them(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(jobs, "command", lambda *_: [*code(WAITING), str(tmp_path)])
    when_ready(monkeypatch, tmp_path, lambda: signal.raise_signal(signal.SIGHUP))
    with stop.listening(), pytest.raises(KeyboardInterrupt):
        jobs.run_jobs([Planned(tmp_path), Planned(tmp_path / "later")], 1, 1, Namespace())
    assert (tmp_path / "stopped").exists()
    assert "ended by" not in capsys.readouterr().err


def test_a_second_signal_ends_processes_that_are_busy(monkeypatch, tmp_path):
    deaf = WAITING.replace('Path(sys.argv[1], "stopped").touch(); sys.exit(130)', "pass")
    monkeypatch.setattr(jobs, "command", lambda *_: [*code(deaf), str(tmp_path)])
    monkeypatch.setattr(jobs, "PATIENCE", 0.1)
    started = []
    popen = subprocess.Popen

    def starting(*words, **how):
        started.append(popen(*words, **how))
        return started[-1]

    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(jobs.subprocess, "Popen", starting)
    when_ready(monkeypatch, tmp_path, twice)
    with stop.listening(), pytest.raises(KeyboardInterrupt):
        jobs.run_jobs([Planned(tmp_path)], 1, 1, Namespace())
    assert [p.returncode for p in started] == [-signal.SIGKILL]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_process_that_a_signal_ended_is_named(monkeypatch, tmp_path, capsys, name):
    ending = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    lines = {"a": code(ending), "b": code("")}
    monkeypatch.setattr(jobs, "command", lambda plan, *_: lines[plan.place.name])
    plans = [Planned(tmp_path / "a", label="maml seed 0"), Planned(tmp_path / "b")]
    assert jobs.run_jobs(plans, 1, 1, Namespace()) == 128 + getattr(signal, name)
    assert capsys.readouterr().err == (
        f"harness: maml seed 0 was ended by {name}; the same command goes on from where it was.\n"
    )


def test_a_run_gives_its_parent_the_signal(say, monkeypatch):
    monkeypatch.setattr(stop, "end_with_parent", lambda: setattr(stop._requests, "quiet", True))
    monkeypatch.setattr("harness.cli.run.run", lambda *_: signal.raise_signal(signal.SIGTERM))
    said = say(f"{SMOKE} --end-with-parent")
    assert (said.status, said.err) == (128 + signal.SIGTERM, "")


def test_fresh_sets_aside_what_there_was(say, workplace):
    assert say(f"{SMOKE} --results a").status == 0
    [before] = workplace.glob("runs/maml/*")
    said = say(f"{SMOKE} --results b --fresh")
    aside, there = sorted(workplace.glob("runs/maml/*"), key=lambda p: len(p.name), reverse=True)
    assert there == before
    assert (aside / "train" / "checkpoint.pt").exists()
    assert f"harness: starting anew; what there was is in {aside} now.\n" in said.err
    assert "going on from" not in said.err
    again = say(f"{SMOKE} --results b --fresh")
    assert again.status == 0
    assert "harness: --fresh leaves records alone: " in again.err
    assert len(list(workplace.glob("runs/maml/*"))) == 2, "what is on record is left alone"


def test_a_seed_named_twice_is_one_run(say):
    said = say(f"{SMOKE} --seeds 3 3 3")
    assert said.status == 0
    assert "on record already" not in said.err


def test_an_interrupt_is_one_line_and_130(say, monkeypatch):
    def stopped(plan, seconds):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("harness.cli.run.run", stopped)
    said = say(SMOKE)
    assert said.status == 130
    assert said.err == "harness: stopped; the same command goes on from where it was.\n"


def test_overrides_are_read_as_toml():
    from harness.cli.run import overrides

    assert overrides(["a.b = [1, 2]", "c.d=x=y"]) == {"a.b": [1, 2], "c.d": "x=y"}
    with pytest.raises(HarnessError, match="wanted section"):
        overrides(["a.b"])


def code(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


def test_the_module_is_a_command(workplace):
    words = [sys.executable, "-m", "harness.cli.main", "run", "nothing"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("harness: found no cell 'nothing'")
