"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import threading

import pytest

from harness.durable import in_place_of, write_whole
from harness.errors import HarnessError
from harness.report import style


def test_a_reader_sees_a_whole_file(tmp_path):
    path, seen, done = tmp_path / "page.md", set(), threading.Event()
    texts = {c * 50_000 for c in "ab"}
    write_whole(path, "a" * 50_000)

    def read():
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(20):
        write_whole(path, "ab"[i % 2] * 50_000)
    done.set()
    reader.join()
    assert seen <= texts


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real.md", tmp_path / "link.md"
    real.write_text("old")
    link.symlink_to(real)
    write_whole(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_what_a_killed_writer_left_is_removed_and_what_another_writes_is_not(tmp_path):
    left, fresh = tmp_path / ".page.123.md", tmp_path / ".page.124.md"
    other = tmp_path / ".page.draft.md"
    for path in (left, fresh, other):
        path.write_text("half")
    for path in (left, other):
        os.utime(path, (0, 0))
    write_whole(tmp_path / "page.md", "whole")
    assert not left.exists()
    assert fresh.exists()
    assert other.exists(), "not of the form that writers here use"


def test_a_plot_that_could_not_be_written_leaves_the_one_before(tmp_path):
    pytest.importorskip("matplotlib")
    made, _ = style.figure()
    path = style.save(made, tmp_path / "plot")
    old = {path: path.read_bytes()}

    def full(path, **_):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    made.savefig = full
    with pytest.raises(HarnessError, match="give another place"):
        style.save(made, tmp_path / "plot")
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == old


def test_an_error_of_the_writer_is_not_hidden(tmp_path):
    with pytest.raises(ZeroDivisionError), in_place_of(tmp_path / "x") as partial:
        partial.write_text(f"half {1 / 0}")
    assert not list(tmp_path.iterdir())
