"""Checkpoints of any bytes and of any content: set aside with a message, or one sentence."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.run import checkpoint
from tests.fuzz.guard import boxed, fuzzed, plain, told

STATE = {"iteration": 3, "weights": {"w": torch.arange(4.0)}, "curve": [(1, 0.5, None)]}


@pytest.fixture
def folder(tmp_path):
    checkpoint.save(tmp_path, STATE)
    return tmp_path


def test_bytes(folder, capsys):
    path = folder / checkpoint.CURRENT
    right = path.read_bytes()

    @fuzzed
    @given(
        st.integers(0, len(right)),
        st.integers(0, 200),
        st.binary(max_size=60) | st.just(b"\0" * 64),
    )
    def changed(at, left_out, put_in):
        path.write_bytes(right[:at] + put_in + right[at + left_out :])
        told(lambda: checkpoint.load(folder), folder)

    boxed(1.5, changed)
    path.write_bytes(right)
    assert told(lambda: checkpoint.load(folder), folder)["iteration"] == 3
    for name in (b"", b"PK", right[: len(right) // 2]):
        path.write_bytes(name)
        assert told(lambda: checkpoint.load(folder), folder) is None
    assert "Traceback" not in capsys.readouterr().err


def test_content(folder):
    path = folder / checkpoint.CURRENT

    @fuzzed
    @given(plain)
    def anything(value):
        torch.save(value, path)
        told(lambda: checkpoint.load(folder), folder)

    boxed(1, anything)


def test_nothing_that_a_pickle_names_is_called(folder, tmp_path):
    """A file that would make another one, in torch's format and as a bare pickle."""
    path, made = folder / checkpoint.CURRENT, tmp_path.parent / "made-by-a-pickle"
    program = b"cposix\nsystem\n(S'touch " + str(made).encode() + b"'\ntR."
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, program if name.endswith("data.pkl") else old.read(name))
    for write in (lambda: None, lambda: path.write_bytes(program)):
        write()
        assert told(lambda: checkpoint.load(folder), folder) is None
        assert not made.exists()
