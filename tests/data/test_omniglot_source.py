from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from harness.data.omniglot_source import find_omniglot, read_drawings
from harness.errors import HarnessError


def read_all() -> dict[str, list[bytes]]:
    return dict(read_drawings(find_omniglot()))


def test_zips_give_every_class_in_order(make_zips):
    make_zips()
    drawings = read_all()
    assert len(drawings) == 85
    assert list(drawings) == sorted(drawings)
    assert {len(v) for v in drawings.values()} == {20}


@pytest.mark.parametrize("place", ["omniglot", "omniglot-py", "."])
def test_unpacked_trees_are_read_as_zips_are(make_zips, place, tmp_path, monkeypatch):
    zips = make_zips()
    from_zip = read_all()
    unpacked = tmp_path / "unpacked" / place
    for part in ("images_background", "images_evaluation"):
        with zipfile.ZipFile(zips / f"{part}.zip") as z:
            z.extractall(unpacked)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "unpacked"))
    assert find_omniglot().background == unpacked / "images_background"
    assert read_all() == from_zip


def test_cache_folder_is_looked_at_too(make_zips, tmp_path, monkeypatch):
    folder = make_zips()
    monkeypatch.delenv("HARNESS_DATA")
    with pytest.raises(HarnessError, match="set HARNESS_DATA or run `harness data fetch omniglot`"):
        find_omniglot()
    (tmp_path / "cache").mkdir()
    folder.rename(tmp_path / "cache" / "omniglot-py")
    assert find_omniglot().evaluation.parent == tmp_path / "cache" / "omniglot-py"


def test_half_a_dataset_and_a_false_folder(make_zips, monkeypatch):
    folder = make_zips()
    (folder / "images_evaluation.zip").unlink()
    with pytest.raises(HarnessError, match=r"found only .*background.*wanted both"):
        find_omniglot()
    monkeypatch.setenv("HARNESS_DATA", str(folder / "nowhere"))
    with pytest.raises(HarnessError, match="not a folder"):
        find_omniglot()


def test_missing_class(make_zips):
    def edit(files):
        for name in [n for n in files if "/Greek/character07/" in n]:
            del files[name]

    make_zips(edit)
    with pytest.raises(HarnessError, match=r"Greek/character07 is missing \(found 64 of 65"):
        read_all()


def test_wrong_count_and_unknown_class(make_zips):
    name = "images_background/Greek/character07"

    def edit(files):
        del files[next(n for n in files if n.startswith(name))]

    folder = make_zips(edit)
    with pytest.raises(HarnessError, match="Greek/character07 has 19 drawings, wanted 20"):
        read_all()
    with zipfile.ZipFile(folder / "images_background.zip", "a") as z:
        z.writestr("images_background/Klingon/character01/1_01.png", b"")
    with pytest.raises(HarnessError, match="found class Klingon/character01"):
        read_all()


@pytest.mark.parametrize("keep", [0, 1000, 0.5])
def test_cut_off_zip(make_zips, keep):
    path = make_zips() / "images_background.zip"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep != 0.5 else len(content) / 2)])
    with pytest.raises(HarnessError, match="not a readable zip"):
        read_all()


def test_damage_inside_a_zip(make_zips):
    path = make_zips() / "images_background.zip"
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(HarnessError, match="corrupt at images_background/"):
        read_all()


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "images_background/../../x.png", "C:/x", "..\\x.png"]
)
def test_members_that_point_outside(make_zips, name, tmp_path):
    make_zips(lambda files: files.update({name: b"x"}))
    before = sorted(Path(tmp_path).rglob("*"))
    with pytest.raises(HarnessError, match="points outside the archive"):
        read_all()
    assert sorted(Path(tmp_path).rglob("*")) == before


def test_a_huge_member_is_refused(make_zips):
    name = "images_background/Greek/character07"

    def edit(files):
        files[next(n for n in files if n.startswith(name))] = bytes(1 << 21)

    make_zips(edit)
    with pytest.raises(HarnessError, match="larger than"):
        read_all()


def test_clutter_of_archivers_is_passed_over(make_zips):
    clutter = "__MACOSX/images_background/Greek/character01/._0001_01.png"
    make_zips(lambda files: files.update({clutter: b"x", "images_background/.DS_Store": b"x"}))
    assert len(read_all()) == 85
