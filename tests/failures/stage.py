"""Where a case is brought about: a fresh folder, command lines in it, nothing left behind."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import pytest
import torch

from harness import places
from harness.cli import evaluate as evaluate_verb
from harness.cli import run as run_verb
from harness.cli.main import main
from harness.data.datasets import load_store
from harness.run import allocator
from tests.failures.nursery import Started, start
from tests.failures.said import ROOT, Said


class Stage:
    """`folder` is the current one and holds everything; `patch` undoes itself afterwards."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.before: dict[str, tuple[int, int]] | None = None
        """Files as they were before the first command."""
        self.lines: list[str] = []
        """The command lines, for whoever wants to try them."""
        self.started: list[Started] = []

    def say(self, line: str, status: int = 2) -> Said:
        """Run a line as a shell would, in this process; it has to end with `status`."""
        first, *words = shlex.split(line)
        assert first == "harness"
        words = [w for word in words for w in (sorted(glob(word)) or [word])]
        self._note(line)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                returned = main(words)
            except SystemExit as e:  # argparse
                returned = int(e.code or 0)
        assert returned == status, f"{line}: status {returned}\n{out.getvalue()}{err.getvalue()}"
        return Said(returned, out.getvalue(), err.getvalue(), self.folder)

    def start(self, line: str, first: str = "", fresh: bool = False, **environment: str) -> Started:
        """Start a line in a process of its own, to be sent signals and waited for.

        `first` is Python to run there before (limits, closed files). The process is forked from one
        that has imported everything, in a tenth of a second; a `fresh` one takes seconds.
        """
        self._note(line)
        self.started.append(start(line, self.folder, first, fresh, environment))
        return self.started[-1]

    def paper(self, name: str) -> Path:
        """Copy one of our papers to be made wrong, and look for papers beside it only."""
        folder = self.folder / "replications" / name
        shutil.copytree(ROOT / "replications" / name, folder)
        self.patch.setenv("HARNESS_REPLICATIONS", str(folder.parent))
        return folder

    def put(self, name: str, content: str | bytes = "") -> Path:
        """Write a file below the folder, and folders as needed."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def edit(self, path: Path, old: str, new: str) -> None:
        """Change the first `old` of a text file, which has to be there."""
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def one(self, pattern: str) -> Path:
        """Return the one file that `pattern` finds below the folder."""
        (path,) = self.folder.rglob(pattern)
        return path

    def files(self) -> dict[str, tuple[int, int]]:
        """Return size and time of every file below the folder, by name; locks are left out, and
        what Python keeps of the modules that it loaded."""
        sizes_and_times = {}
        for folder, _, names in os.walk(self.folder):  # links are not followed
            if Path(folder).name == "__pycache__":
                continue
            for path in (Path(folder) / name for name in names if name != "lock"):
                at = path.lstat()
                sizes_and_times[str(path.relative_to(self.folder))] = (at.st_size, at.st_mtime_ns)
        return sizes_and_times

    def _note(self, line: str) -> None:
        self.lines.append(line)
        if self.before is None:
            self.before = self.files()


@contextmanager
def on_stage(folder: Path) -> Iterator[Stage]:
    """Return a stage in `folder`: no data, no CUDA, one core; the process is then as it was."""
    folder.mkdir(parents=True)
    signals = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in [n for n in os.environ if n.startswith("HARNESS_")]:
            patch.delenv(name)
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        patch.setenv("COLUMNS", "100")  # argparse folds its lines
        # Records go beside the papers unless told; here, into the folder.
        patch.setattr(places, "_beside_papers", folder.joinpath)
        patch.setattr("os.cpu_count", lambda: 1)
        patch.setattr(torch.cuda, "is_available", lambda: False)
        for place in (run_verb, evaluate_verb, allocator):  # it cannot be taken back
            patch.setattr(place, "keep_freed_memory", lambda: True)
        load_store.cache_clear()
        stage = Stage(folder, patch)
        try:
            yield stage
        finally:
            for process in stage.started:
                process.end()
            load_store.cache_clear()
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            for number, handler in signals.items():
                signal.signal(number, handler)
