"""The commands that draw a paper's own plot from a record."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.report.drawing import draw_record, of_kind

RECORD = (
    Path(__file__).resolve().parents[2]
    / "results/es_maml/four-corners/hill-climbing/seed1-0.1-05c43634"
)


def draw(ready: Any, title: str, out: Path) -> Path:
    written = out.with_name(f"{out.name}.svg")
    written.write_text(f"{title} {type(ready.method).__name__}", "utf-8")
    return written


def test_what_is_drawn_is_told_of_which_record_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw_record(draw, [str(RECORD), str(tmp_path / "v1.2.svg")]) == 0
    assert (tmp_path / "v1.2.svg").read_text("utf-8") == (
        "es_maml/four-corners: hill-climbing (budget 0.1, seed 1) ESMAML"
    )
    assert capsys.readouterr().out == f"wrote {tmp_path / 'v1.2.svg'}\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["a", "b", "c"]])
def test_two_words_are_wanted(words: list[str]) -> None:
    with pytest.raises(HarnessError, match=r"wanted two words: the folder of a record"):
        draw_record(draw, words)


@pytest.mark.parametrize("name", ["", "plot", "plot.png", "..", "."])
def test_a_plot_is_named_svg(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HarnessError, match=r"wanted a file to write, NAME\.svg"):
        draw_record(draw, [str(RECORD), name])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_plot(tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(HarnessError, match=r"wanted a file to write"):
        draw_record(draw, [str(RECORD), str(tmp_path / "folder.svg")])


def test_weights_of_another_record_are_refused(tmp_path: Path) -> None:
    copy = tmp_path / "record"
    shutil.copytree(RECORD, copy)
    [other] = RECORD.parent.glob("seed2-0.1-*")
    shutil.copy(other / "weights.safetensors", copy)
    with pytest.raises(HarnessError, match="its sha256 is not the record's"):
        draw_record(draw, [str(copy), str(tmp_path / "plot.svg")])


def test_a_record_of_something_else_is_one_sentence() -> None:
    assert of_kind(3, int, "a number") == 3
    with pytest.raises(HarnessError, match=r"^found a record of str, wanted one of a number\.$"):
        of_kind("three", int, "a number")
