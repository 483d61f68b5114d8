from __future__ import annotations

import dataclasses
import io
import os
import zipfile

import numpy as np
import pytest

from harness.data.glyphs import make_glyphs
from harness.data.lake_runs import RUNS, WAYS, read_lake_runs, runs_of_glyphs
from harness.data.omniglot_decode import resize
from harness.data.verify_omniglot import check_runs
from harness.errors import DataNotAtHand, HarnessError

Image = pytest.importorskip("PIL.Image")


def drawing(run: int, part: int, i: int) -> np.ndarray:
    """White paper with the three numbers in ink, as bits; uint8 [105, 105]."""
    bits = np.full((105, 105), 255, np.uint8)
    for row, number in enumerate((run, part, i)):
        for bit in range(6):
            if number >> bit & 1:
                bits[10 + 30 * row : 30 + 30 * row, 10 + 15 * bit : 20 + 15 * bit] = 0
    return bits


def members() -> dict[str, bytes]:
    content = {}
    for run in range(RUNS):
        name = f"run{run + 1:02d}"
        for part, kind in enumerate(("training/class", "test/item")):
            for i in range(WAYS):
                out = io.BytesIO()
                Image.fromarray(drawing(run, part, i)).convert("1").save(out, "PNG")
                content[f"{name}/{kind}{i + 1:02d}.png"] = out.getvalue()
        order = np.random.default_rng(run).permutation(WAYS)
        lines = [
            f"{name}/test/item{i + 1:02d}.png {name}/training/class{c + 1:02d}.png"
            for i, c in enumerate(order)
        ]
        content[f"{name}/class_labels.txt"] = ("\n".join(lines) + "\n").encode()
    return content


@pytest.fixture
def make(tmp_path, monkeypatch):
    def write(edit=lambda files: None):
        files = members()
        edit(files)
        (tmp_path / "omniglot").mkdir()
        with zipfile.ZipFile(tmp_path / "omniglot" / "all_runs.zip", "w") as z:
            for name, content in files.items():
                z.writestr(name, content)

    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return write


def test_drawings_and_labels(make):
    make()
    runs = read_lake_runs(105, "nearest")
    for run in (0, 7, 19):
        for i in (0, 13):
            np.testing.assert_array_equal(runs.support[run, i], 255 - drawing(run, 0, i))
            np.testing.assert_array_equal(runs.query[run, i], 255 - drawing(run, 1, i))
        assert runs.label[run].tolist() == np.random.default_rng(run).permutation(WAYS).tolist()
    small = read_lake_runs(28, "box")
    image = Image.fromarray(drawing(3, 1, 5))
    np.testing.assert_array_equal(small.query[3, 5], resize(image, 28, "box"))
    assert small.source_digest == runs.source_digest
    assert small.digest() != runs.digest()
    relabelled = dataclasses.replace(runs, label=runs.label[::-1])
    assert relabelled.digest() != runs.digest()


def drop_image(files):
    del files["run04/test/item09.png"]


def drop_labels(files):
    del files["run20/class_labels.txt"]


def corrupt(files):
    files["run02/training/class01.png"] = b"PNG?"


def label_twice(files):
    old = files["run05/class_labels.txt"].decode().splitlines()
    files["run05/class_labels.txt"] = "\n".join([*old[:-1], old[0]]).encode()


def label_another_run(files):
    files["run05/class_labels.txt"] = files["run06/class_labels.txt"]


def escape(files):
    files["../evil.png"] = b"x"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop_image, r"all_runs.zip has no run04/test/item09.png; take a fresh copy, or put"),
        (drop_labels, r"has no run20/class_labels.txt"),
        (corrupt, r"run02/training/class01.png is not a readable PNG"),
        (label_twice, r"run05/class_labels.txt does not pair each of the 20 test drawings"),
        (label_another_run, r"run05/class_labels.txt does not pair"),
        (escape, r"has a member '../evil.png' that points outside"),
    ],
)
def test_a_wrong_archive_is_one_sentence(make, edit, message):
    make(edit)
    with pytest.raises(HarnessError, match=message):
        read_lake_runs(28, "nearest")


def test_nothing_there_and_no_zip(make, tmp_path):
    with pytest.raises(DataNotAtHand, match=r"put all_runs.zip of github.com/brendenlake/omniglot"):
        read_lake_runs(28, "nearest")
    (tmp_path / "all_runs.zip").write_text("no zip")
    with pytest.raises(HarnessError, match="not a readable zip"):
        read_lake_runs(28, "nearest")


def test_runs_of_glyphs_are_within_an_alphabet_by_two_drawers(make, tmp_path):
    store = make_glyphs(28)
    runs = runs_of_glyphs(store)
    assert runs.support.shape == runs.query.shape == (RUNS, WAYS, 28, 28)
    (tmp_path / "all_runs.zip").touch()  # named in the line
    assert "20 runs, each within one of 3 evaluation alphabets" in check_runs(runs, store)
    both = np.concatenate([runs.support, runs.query]).reshape(-1, 28 * 28)
    assert len(np.unique(both, axis=0)) == len(both), "no drawing is shown twice"


def test_runs_that_are_not_what_they_say_are_found(make, tmp_path):
    store = make_glyphs(28)
    runs = runs_of_glyphs(store)
    (tmp_path / "all_runs.zip").touch()
    mixed, background, odd = (runs.support.copy() for _ in range(3))
    mixed[2, 0] = runs.support[3, 0]
    background[2] = store.images[:20, 0]
    odd[2, 0] = 0
    for support in (mixed, background, odd):
        with pytest.raises(HarnessError, match=r"run03 of .* is not of the evaluation characters"):
            check_runs(dataclasses.replace(runs, support=support), store)
    with pytest.raises(HarnessError, match="run01 of"):
        check_runs(dataclasses.replace(runs, label=runs.label[:, ::-1]), store)


def lower(files):
    for name in list(files):
        files[name.replace("run", "RUN").replace("/", "\\")] = files.pop(name)


def below(files):
    for name in list(files):
        files[f"all_runs/{name}"] = files.pop(name)
    files["__MACOSX/run01/training/class01.png"] = b"x"


@pytest.mark.parametrize("edit", [lower, below])
def test_an_archive_packed_anew_is_read(make, edit):
    make(edit)
    np.testing.assert_array_equal(
        read_lake_runs(105, "nearest").query[3, 5], 255 - drawing(3, 1, 5)
    )


def test_unpacked_runs_are_read_and_other_drawings_warned_of(make, tmp_path, capsys):
    make()
    with zipfile.ZipFile(tmp_path / "omniglot" / "all_runs.zip") as z:
        z.extractall(tmp_path / "omniglot" / "all_runs")
    from_zip = read_lake_runs(28, "nearest")
    assert "warning: lake-runs with other pixels than the known copy (" in capsys.readouterr().err
    (tmp_path / "omniglot" / "all_runs.zip").unlink()
    assert read_lake_runs(28, "nearest").digest() == from_zip.digest()


@pytest.mark.omniglot
@pytest.mark.skipif(not os.environ.get("HARNESS_DATA"), reason="HARNESS_DATA is not set")
def test_the_real_runs():
    """That each drawing is Omniglot's is checked by the example of `harness data verify`."""
    runs = read_lake_runs(105, "nearest")
    assert (np.sort(runs.label, 1) == np.arange(WAYS)).all()
    assert runs.source_digest.startswith("a80afe40ef76")
    assert runs.data_note == ""
