import argparse
import json
from pathlib import Path

import pytest

from harness.cli import compare
from harness.errors import HarnessError
from tests.episode_paper import EpisodePaper
from tests.toy_paper import ToyPaper, draws


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyPaper:
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    monkeypatch.chdir(tmp_path)
    made.add({"accuracy": draws(95, 4)})
    made.add({"accuracy": draws(95, 4, 1)}, variant="ours")
    return made


@pytest.fixture
def episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EpisodePaper:
    made = EpisodePaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    monkeypatch.chdir(tmp_path)
    for i, variant in enumerate(("plain", "ours")):
        x = {"accuracy": draws(95 + i, 4, i)}
        made.add(x, variant=variant, measurement={"train_seconds": 60.0 + i})
    return made


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    return compare.main(parser.parse_args(words))


def test_table_of_one_cell(toy: ToyPaper, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("toy/images") == 0
    out = capsys.readouterr().out
    assert "reproduced" in out
    assert "toy/curves" not in out


def test_json_and_context(toy: ToyPaper, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "json", "--context", "--results", str(toy.results)) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = {"reproduced", "no published number", "not run", "context"}
    assert {r["verdict"] for r in found} == wanted


def test_paired(toy: ToyPaper, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("toy", "--paired", "--format", "json") == 0
    assert [(r["a"], r["b"]) for r in json.loads(capsys.readouterr().out)] == [("plain", "ours")]


def test_across(episodes: EpisodePaper, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--across", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {r["method"] for r in found if r["rank"] == 1} == {"toy/ours"}
    assert "Other net" in {r["method"] for r in found}
    assert run("toy", "--across", "--paired", "--plots", "plots", "--format", "json") == 0
    captured = capsys.readouterr()
    [pair] = json.loads(captured.out)
    assert {pair["a"], pair["b"]} == {"toy/plain", "toy/ours"}
    assert captured.err.count("wrote ") == 1
    assert list(Path("plots").iterdir()) == [Path("plots/across")]


def test_across_without_an_accuracy(toy: ToyPaper, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("toy/curves", "--across") == 0
    said = capsys.readouterr()
    assert said.out == "no rows\n"
    assert "found no accuracy in these cells, wanted some" in said.err


def test_plots_leave_stdout_to_the_table(toy: ToyPaper, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--plots", "plots", "--format", "json") == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert "wrote plots/toy/images-paper-accuracy.svg" in captured.err
    assert Path("plots/toy/images-paper-accuracy.svg").is_file()


def test_readmes(toy: ToyPaper, capsys: pytest.CaptureFixture[str]) -> None:
    text = "<!-- results:begin all -->\n<!-- results:end all -->\n"
    text += "![accuracies](plots/toy/images-paper-accuracy.svg)\n"
    (toy.root / "README.md").write_text(text)
    assert run("--check-readmes") == 1
    assert "README.md: its table is not today's" in capsys.readouterr().out
    assert run("--update-readmes", "--plots", "plots") == 0
    # Of all plots that the records allow, the one that a page shows.
    assert list(Path("plots").rglob("*.svg")) == [Path("plots/toy/images-paper-accuracy.svg")]
    assert run("--check-readmes") == 0


def test_mistakes_are_one_sentence(toy: ToyPaper) -> None:
    with pytest.raises(HarnessError, match="found no folder nowhere"):
        run("--results", "nowhere")
    with pytest.raises(HarnessError, match="found no paper or cell 'ty'"):
        run("ty")


def test_choices_are_the_renderers_formats() -> None:
    from harness.report.render import FORMATS

    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    [action] = [a for a in parser._actions if a.dest == "format"]
    assert tuple(action.choices or ()) == FORMATS
