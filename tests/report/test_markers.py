import errno
import stat
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.report.markers import Tables, replace_tables, stale_markers, update_markers
from tests.toy_paper import ToyPaper, draws


def page(name: str) -> str:
    return f"# Title\n\n<!-- results:begin {name} -->\nold\n<!-- results:end {name} -->\n\nAfter.\n"


def test_a_stale_table_is_found_and_mended(toy: ToyPaper) -> None:
    paper = toy.replications / "toy" / "README.md"
    paper.write_text(page("toy"))
    (toy.root / "README.md").write_text(page("all"))
    both = ["README.md", "replications/toy/README.md"]
    toy.add({"accuracy": draws(95, 4, 1)}, variant="ours")
    assert stale_markers(toy.root, toy.results) == both
    assert update_markers(toy.root, toy.results) == both
    assert stale_markers(toy.root, toy.results) == []
    assert update_markers(toy.root, toy.results) == []
    text = paper.read_text()
    assert text.startswith(
        "# Title\n\n<!-- results:begin toy -->\n\n**Without a published number**"
    )
    assert text.endswith("\n<!-- results:end toy -->\n\nAfter.\n")
    assert "**Not run yet**" in text
    assert "| toy/images | 2 | plain, fancy |" in text
    toy.add({"accuracy": draws(95, 4)})
    assert stale_markers(toy.root, toy.results) == both


def test_pages_without_markers_are_left_alone(toy: ToyPaper) -> None:
    (toy.root / "README.md").write_text("no tables\n")
    assert update_markers(toy.root, toy.results) == []


def test_two_tables_in_one_page(toy: ToyPaper) -> None:
    text = page("toy/images") + page("toy/curves")
    found = replace_tables(text, Tables(toy.root, toy.results), "README.md")
    first, second = found.split("After.")[:2]
    assert "toy/images" in first
    assert "toy/curves" not in first.partition("end toy/images")[0]
    assert "| toy/curves | 2 | plain |" in second


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<!-- results:begin toy -->\n", "found no `<!-- results:end toy -->`"),
        ("<!-- results:begin toy -->\n" + page("toy"), "found no `<!-- results:end toy -->`"),
        ("<!-- results:end toy -->\n", "broken marker"),
        ("<!--results:begin toy-->\n", "broken marker"),
        (page("toi"), "no paper or cell 'toi' (did you mean 'toy'?)"),
    ],
)
def test_broken_markers_are_one_sentence(toy: ToyPaper, text: str, found: str) -> None:
    with pytest.raises(HarnessError) as e:
        replace_tables(text, Tables(toy.root, toy.results), "README.md")
    assert found in str(e.value)


def test_without_records_no_page_is_rewritten(toy: ToyPaper) -> None:
    paper = toy.replications / "toy" / "README.md"
    paper.write_text(page("toy"))
    for ask in (stale_markers, update_markers):
        with pytest.raises(HarnessError, match=r"found no record in .*name the folder of records"):
            ask(toy.root, toy.results)
    assert paper.read_text() == page("toy")


def test_a_page_is_there_whole_or_as_it_was(toy: ToyPaper, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = toy.replications / "toy" / "README.md"
    paper.write_text(page("toy"))
    paper.chmod(0o640)
    toy.add({"accuracy": draws(95, 4)})

    def full(self: Path, data: str, **_: object) -> int:
        with self.open("w") as f:
            f.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        with pytest.raises(HarnessError, match="No space left on device; what stood there is unto"):
            update_markers(toy.root, toy.results)
    assert paper.read_text() == page("toy")
    assert not list(paper.parent.glob(".README*")), "nothing half-written is left"
    assert update_markers(toy.root, toy.results) == ["replications/toy/README.md"]
    assert stat.S_IMODE(paper.stat().st_mode) == 0o640


def test_a_broken_page_stops_all_before_one_is_written(toy: ToyPaper) -> None:
    (toy.root / "README.md").write_text(page("toy"))
    (toy.replications / "toy" / "README.md").write_text("<!-- results:end toy -->\n")
    toy.add({"accuracy": draws(95, 4)})
    with pytest.raises(HarnessError, match="broken marker"):
        update_markers(toy.root, toy.results)
    assert (toy.root / "README.md").read_text() == page("toy")
