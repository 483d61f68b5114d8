"""Command lines run in this process, in a folder of their own, with nothing left behind."""

from __future__ import annotations

import shlex
import signal
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import pytest
import torch

from harness import places
from harness.cli import run as run_verb
from harness.cli.main import main
from harness.run import allocator

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """What a command line gave."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that a user's mistake is answered with."""
        assert self.status == 2
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("harness: ")
        return self.err.removeprefix("harness: ").rstrip()


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty working folder and cache; one core; signals and torch as they were afterwards."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    # Records go beside the papers unless told; here, into this folder.
    monkeypatch.setattr(places, "_beside_papers", Path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for runs in processes of their own
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    for place in (run_verb, allocator):  # it cannot be taken back
        monkeypatch.setattr(place, "keep_freed_memory", lambda: True)
    signals = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield folder
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    for number, handler in signals.items():
        signal.signal(number, handler)


@pytest.fixture
def say(workplace, capsys):
    """Run a line as a shell would: words are split and globs expanded."""

    def run(line: str) -> Said:
        first, *words = shlex.split(line)
        assert first == "harness"
        expanded = [w for word in words for w in (sorted(glob(word)) or [word])]
        capsys.readouterr()
        try:
            status = main(expanded)
        except SystemExit as e:  # argparse
            status = int(e.code or 0)
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return run
