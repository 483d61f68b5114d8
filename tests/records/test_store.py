import dataclasses
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.records import store
from harness.records.scores_file import SCORES, scores_bytes
from harness.records.store import find_records, record_folder, verify_files, write_record
from harness.run.on_record import summary
from tests.toy_paper import ToyPaper, draws

FILES = {SCORES: scores_bytes({"accuracy": np.array([1.0])}), "curve.csv": b""}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyPaper:
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made


def test_a_record_lies_where_the_schema_says(toy: ToyPaper) -> None:
    record = toy.record(seed=3, budget="0.1")
    folder = write_record(toy.results, record, FILES)
    name = f"seed3-0.1-{record.config_digest[:8]}"
    assert folder == toy.results / "toy/images/plain" / name == record_folder(toy.results, record)
    assert sorted(p.name for p in folder.iterdir()) == ["curve.csv", "record.json", SCORES]
    assert verify_files(folder).files == store.file_digests(FILES)


def test_scores_and_curve_are_read_back(toy: ToyPaper) -> None:
    x = draws(95, 4)
    toy.add({"accuracy": x})
    [stored] = find_records(toy.results)
    np.testing.assert_array_equal(stored.scores["accuracy"], x)
    assert [p.iteration for p in stored.curve] == [0, 500, 1000]


def test_records_are_found_in_order(toy: ToyPaper) -> None:
    for seed in (10, 2):
        toy.add({"accuracy": draws(95, 4)}, seed=seed)
    toy.add({"accuracy": draws(95, 4)}, variant="fancy")
    order = [(s.record.variant, s.record.seed) for s in find_records(toy.results)]
    assert order == [("fancy", 0), ("plain", 2), ("plain", 10)]


def test_an_equal_rerun_keeps_the_old_record(toy: ToyPaper) -> None:
    record = toy.record()
    first = write_record(toy.results, record, FILES)
    before = (first / "record.json").read_bytes()
    again = dataclasses.replace(record, measurement={"train_seconds": 3.0})
    assert write_record(toy.results, again, FILES) == first
    assert (first / "record.json").read_bytes() == before


def test_a_different_result_is_refused(toy: ToyPaper) -> None:
    record = toy.record()
    folder = write_record(toy.results, record, FILES)
    before = (folder / "record.json").read_bytes()
    with pytest.raises(HarnessError, match="another result stands there"):
        write_record(toy.results, record, {**FILES, SCORES: b"other"})
    assert (folder / "record.json").read_bytes() == before


def test_a_damaged_record_is_not_taken_for_an_equal_one(toy: ToyPaper) -> None:
    folder = write_record(toy.results, toy.record(), FILES)
    (folder / SCORES).write_bytes(b"edited")
    with pytest.raises(HarnessError, match=r"not the record's.*Move .* away"):
        write_record(toy.results, toy.record(), FILES)


def test_an_edited_record_is_refused(toy: ToyPaper) -> None:
    path = toy.add({"accuracy": draws(95, 4)}) / "record.json"
    raw = json.loads(path.read_text())
    raw["metrics"]["accuracy"]["mean"] = 99.9
    path.write_text(json.dumps(raw))
    with pytest.raises(HarnessError, match="changed after the run"):
        find_records(toy.results)


def test_edited_and_missing_files_are_refused(toy: ToyPaper) -> None:
    folder = toy.add({"accuracy": draws(95, 4)})
    (folder / SCORES).write_bytes(scores_bytes({"accuracy": np.array([100.0])}))
    [stored] = find_records(toy.results)
    with pytest.raises(HarnessError, match=r"scores\.safetensors: its sha256 is not the record's"):
        _ = stored.scores
    (folder / SCORES).unlink()
    with pytest.raises(HarnessError, match="names this file, but"):
        verify_files(folder)


def test_a_record_in_the_wrong_folder_is_refused(toy: ToyPaper) -> None:
    folder = toy.add({"accuracy": draws(95, 4)})
    other = folder.parent.with_name("fancy")
    other.mkdir()
    folder.rename(other / folder.name)
    with pytest.raises(HarnessError, match="found a record of toy/images/plain"):
        find_records(toy.results)


def test_a_killed_write_leaves_no_record(toy: ToyPaper, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            write_record(toy.results, toy.record(), FILES)
    assert find_records(toy.results) == []
    # What a power cut leaves behind is hidden, and no record.
    folder = write_record(toy.results, toy.record(), FILES)
    folder.rename(folder.with_name(".partial-" + folder.name))
    assert find_records(toy.results) == []
    assert write_record(toy.results, toy.record(), FILES) == folder


def test_what_a_killed_writer_left_is_taken_away(toy: ToyPaper) -> None:
    folder = write_record(toy.results, toy.record(), FILES)
    folder.rename(folder.with_name(f".partial-{folder.name}-0a1b"))
    other = folder.with_name(".partial-seed9-full-00000000-2c3d")
    other.mkdir()
    write_record(toy.results, toy.record(), FILES)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_what_is_being_written_is_left_alone(
    toy: ToyPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer comes while one is at its files: both end, and the record is whole."""
    fsync, others = os.fsync, []

    def another(descriptor: int) -> None:
        if not others:
            others.append(None)
            others.append(write_record(toy.results, toy.record(seed=1), FILES))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", another)
    folder = write_record(toy.results, toy.record(), FILES)
    assert verify_files(folder).seed == 0
    assert verify_files(others[1]).seed == 1
    assert not list(folder.parent.glob(".partial-*"))


def test_a_file_system_without_locks_is_written_to(
    toy: ToyPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    assert verify_files(write_record(toy.results, toy.record(), FILES))


def test_a_full_disk_is_one_sentence(toy: ToyPaper, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", full)
        with pytest.raises(HarnessError, match=r"No space left.*nothing half-written is left"):
            write_record(toy.results, toy.record(), FILES)
    assert not [p for p in toy.results.rglob("*") if p.is_file()]
    write_record(toy.results, toy.record(), FILES)


def test_a_race_ends_with_one_record(toy: ToyPaper, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        write_record(toy.results, toy.record(), FILES)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    folder = write_record(toy.results, toy.record(), FILES)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["record.json", "../x", ".hidden", "a/b"])
def test_file_names_stay_in_the_folder(toy: ToyPaper, name: str) -> None:
    with pytest.raises(HarnessError, match="plain name"):
        write_record(toy.results, toy.record(), {name: b""})


def test_folder_names_stay_in_the_results(toy: ToyPaper) -> None:
    record = dataclasses.replace(toy.record(), variant="..")
    with pytest.raises(HarnessError, match="a name that a folder can have"):
        write_record(toy.results, record, {})


def test_no_results_folder_is_no_records(tmp_path: Path) -> None:
    assert find_records(tmp_path / "results") == []


def test_a_folder_that_cannot_be_read_is_said(
    toy: ToyPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy.add({"accuracy": draws(95, 4)})
    listed = Path.iterdir

    def closed(self: Path) -> Iterator[Path]:
        if self == folder.parent:
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(HarnessError, match=r"plain: cannot be read \(Permission denied\), so what"):
        find_records(toy.results)


def test_a_record_that_lost_its_json_is_said(toy: ToyPaper) -> None:
    folder = toy.add({"accuracy": draws(95, 4)})
    (folder / "record.json").unlink()
    with pytest.raises(HarnessError, match=r"found no record\.json, wanted the folder of a record"):
        find_records(toy.results)
    (toy.results / "notes/of/mine/here").mkdir(parents=True)
    for name in ("curve.csv", SCORES):
        (folder / name).unlink()
    assert find_records(toy.results) == []


def test_scores_have_a_column_of_each_task_for_each_metric(toy: ToyPaper) -> None:
    record = toy.record()
    record.metrics["loss"] = summary(draws(95, 4))
    folder = write_record(toy.results, record, FILES)
    [stored] = find_records(toy.results)
    with pytest.raises(HarnessError, match=r"found scores of \{'accuracy': 1\}, its record has"):
        _ = stored.scores
    assert folder == stored.folder


def test_a_pipe_beside_a_record_is_not_waited_for(toy: ToyPaper) -> None:
    folder = toy.add({"accuracy": draws(95, 4)})
    (folder / SCORES).unlink()
    os.mkfifo(folder / SCORES)
    with pytest.raises(HarnessError, match="names this file, but"):
        verify_files(folder)
    (folder / "record.json").unlink()
    os.mkfifo(folder / "record.json")
    with pytest.raises(HarnessError, match="not a readable record: not a file but a pipe"):
        verify_files(folder)
