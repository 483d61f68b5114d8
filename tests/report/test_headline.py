from pathlib import Path

import pytest

from harness.catalog import papers
from harness.compare.rows import collect
from harness.errors import HarnessError
from harness.report.headline import front_sections, paper_sections
from tests.toy_paper import ToyPaper, draws

NAMED = '[paper.headline]\n"Toy nets" = "images/plain"\n"Fancy nets" = "images/fancy"\n'


def name_systems(toy: ToyPaper, table: str = NAMED) -> None:
    path: Path = toy.replications / "toy" / "paper.toml"
    text = path.read_text()
    path.write_text(text.replace("\n[bases.all]", f"\n{table}\n[bases.all]", 1))


def front(toy: ToyPaper) -> list[tuple[str, ...]]:
    rows = collect(toy.results, [], toy.replications).rows
    [section] = front_sections(rows, papers(toy.replications))
    return [(line.cell, *line.columns) for line in section.lines]


def test_a_system_has_its_first_printed_number_run_or_not(toy: ToyPaper) -> None:
    name_systems(toy)
    plain, fancy = front(toy)
    assert plain[:2] == ("Toy nets", "toy/images")
    assert plain[-1] == fancy[-1] == "not run"
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(12, 4)}, budget="0.1")
    plain, fancy = front(toy)
    assert plain[7] == "full"
    assert float(plain[4]) > 90
    assert fancy[-1] == "not run"


def test_a_longer_training_stands_for_a_shorter_one_however_it_came_out(toy: ToyPaper) -> None:
    name_systems(toy)
    toy.add({"accuracy": draws(95, 4)}, budget="0.1")
    toy.add({"accuracy": draws(12, 4)}, budget="0.5")
    assert front(toy)[0][7] == "0.5"


def test_a_system_that_no_variant_stands_for_is_one_sentence(toy: ToyPaper) -> None:
    name_systems(toy, '[paper.headline]\n"Toy nets" = "images/plian"\n')
    with pytest.raises(HarnessError, match=r"found 'images/plian' \(did you mean 'images/plain'"):
        papers(toy.replications)


def test_the_page_of_a_paper_has_few_rows_those_at_full_length_first(toy: ToyPaper) -> None:
    toy.add({"accuracy": draws(95, 4)}, budget="0.1")
    toy.add({"accuracy": draws(95, 4)}, variant="fancy")
    rows = collect(toy.results, ["toy"], toy.replications).rows
    [section] = paper_sections(rows)
    assert [line.columns[0] for line in section.lines] == ["plain", "fancy"]
    [short] = paper_sections(rows, most=1)
    assert [line.columns[0] for line in short.lines] == ["fancy"]
    assert paper_sections([r for r in rows if r.measured.mean is None]) == []
