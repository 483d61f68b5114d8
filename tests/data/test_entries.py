"""Only plain files are opened, and what systems leave in folders is no data."""

from __future__ import annotations

import os

import pytest

from harness.data.entries import entries, is_folder, is_plain, read_plain, some, subfolders
from harness.data.stamp import Located
from harness.errors import HarnessError


def test_clutter_is_passed_over(tmp_path):
    for name in (".ipynb_checkpoints", "__MACOSX", "b", "a", "@eaDir"):
        (tmp_path / name).mkdir()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "c.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in entries(tmp_path)] == ["a", "b", "c.txt"]
    assert [p.name for p in subfolders(tmp_path)] == ["a", "b"]
    assert some("abcdefg") == "a, b, c, d, e and 2 more"
    assert some([]) == "nothing"


def test_what_is_not_a_plain_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "large").write_bytes(bytes(11))
    for name, why in (
        ("pipe", "is a pipe, wanted a plain file"),
        ("loop", "cannot be read .Too many levels"),
        ("large", r"is larger than 10 bytes \(11\)"),
        (".", "is a folder, wanted a plain file"),
        ("gone", "cannot be read .No such file"),
    ):
        with pytest.raises(HarnessError, match=why):
            read_plain(tmp_path / name, 10)
        assert is_plain(tmp_path / name) == (name == "large")
        assert is_folder(tmp_path / name) == (name == ".")
    with pytest.raises(HarnessError, match="null is a device, wanted a plain file"):
        read_plain(type(tmp_path)("/dev/null"), 10)
    with pytest.raises(HarnessError, match="gone cannot be read"):
        entries(tmp_path / "gone")


def test_a_stamp_is_of_names_sizes_times_and_inodes(tmp_path):
    def stamp():
        return Located("x", (tmp_path / "d",)).stamp()

    folder = tmp_path / "d" / "sub"
    folder.mkdir(parents=True)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "again").symlink_to(tmp_path / "d")
    os.mkfifo(folder / "pipe")
    a = folder / "a"
    a.write_text("one")
    seen = [stamp()]
    assert stamp() == seen[0]
    (folder / ".hidden").touch()
    assert stamp() == seen[0]
    kept = a.stat()
    a.write_text("two")
    os.utime(a, ns=(1, 1))
    seen.append(stamp())
    os.utime(a, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert stamp() == seen[0], "what keeps size, time and inode is for `harness data verify`"
    (folder / "b").write_text("two")
    os.utime(folder / "b", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    (folder / "b").replace(a)
    seen.append(stamp())
    a.rename(folder / "c")
    seen.append(stamp())
    assert len(set(seen)) == len(seen)
