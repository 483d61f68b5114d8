"""The scaffold passes the contract, and each broken clause is one line that says what to do."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.catalog import read_paper
from harness.check import FILES
from harness.cli import check
from harness.cli import main as cli
from harness.compare.orderings import COLUMNS as ORDERINGS
from harness.costs.published import COLUMNS


@pytest.fixture
def demo(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(tmp_path))
    assert cli.main(["new", "demo"]) == 0
    capsys.readouterr()
    return tmp_path / "demo"


def checked(capsys, *words):
    status = cli.main(["check", "demo", *words])
    return status, capsys.readouterr().out.splitlines()


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_new_says_how_many_lines_and_what_is_next(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(tmp_path / "replications"))
    assert cli.main(["new", "meta_sgd"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-2:] == [
        "harness check meta_sgd",
        "harness run meta_sgd/sinusoid-10shot --budget smoke",
    ]
    folder = tmp_path / "replications" / "meta_sgd"
    assert {p.name for p in folder.iterdir()} == {*FILES, "RESULTS.md", "test_meta_sgd.py"}
    assert "PAPER" not in "".join(p.read_text() for p in folder.iterdir())


@pytest.mark.parametrize("name", ["De-mo", "1st", "../demo", "", "a b", "maml/x"])
def test_new_refuses_names_that_are_no_folder_names(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(tmp_path))
    assert cli.main(["new", name]) == 2
    assert f"found name {name!r}, wanted lower-case letters" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_new_overwrites_nothing(demo, capsys):
    (demo / "method.py").write_text("mine\n")
    assert cli.main(["new", "demo"]) == 2
    assert "is there already and is not overwritten; run `harness" in capsys.readouterr().err
    assert (demo / "method.py").read_text() == "mine\n"


def test_new_below_a_file(tmp_path, monkeypatch, capsys):
    papers = tmp_path / "notes.txt"
    papers.touch()
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(papers))
    assert cli.main(["new", "demo"]) == 2
    said = f"harness: could not make {papers / 'demo'}: {papers} is no folder; nothing half-written"
    assert capsys.readouterr().err.startswith(said)


def test_new_on_a_full_disk_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(tmp_path))
    real, written = Path.write_text, []

    def full(self, *words, **named):
        written.append(self)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        assert not list(tmp_path.glob("*/paper.toml")), "nobody sees half a paper"
        return real(self, *words, **named)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        assert cli.main(["new", "demo"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"harness: could not make {tmp_path / 'demo'}: No space left on device; nothing "
        f"half-written is left: free some space or mend that, and run the command again.\n"
    )
    assert not list(tmp_path.iterdir())
    assert cli.main(["new", "demo"]) == 0


def test_the_scaffold_passes(demo, capsys):
    status, lines = checked(capsys)
    assert status == 0, lines
    assert any("smoke run demo/sinusoid-10shot/kernel-mean: 1 iteration " in s for s in lines)
    assert lines[-1].endswith(", 0 failed")
    warned = [s for s in lines if s.startswith("warning")]
    assert any("EXAMPLE" in s for s in warned), "what is left of the scaffold is said"


def test_the_tests_of_the_scaffold_pass(demo):
    # In a process of its own: it is a test run inside a test run.
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(demo)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("paper.toml", "year = 2026", 'year = "x"', "FAILED  paper.toml:"),
        ("paper.toml", "patience = 0\n", "", "'patience' is not set"),
        ("published.csv", ",low,", ",none,", "FAILED  paper.toml:"),
        ("published.csv", ",,mse@0,", ",kernel-mean,mse@1,", "found metric 'mse@1' for variant"),
        ("README.md", "## Claim", "## What", "wanted a section with 'claim'"),
        ("README.md", "## The method in code", "## What", "wanted a section with 'method in code'"),
        ("README.md", "\n1. EXAMPLE", "\n- EXAMPLE", "wanted the departures as a numbered list"),
        ("README.md", "results:end headline", "results:end", "end headline/demo --> around"),
        ("method.py", '("mse@0",)', "()", "metrics() of 'kernel-mean' names none"),
        ("method.py", "import math", "import replications.maml", "wanted imports from harness"),
        (
            "method.py",
            "import math",
            "import maths",
            "cannot be imported (ModuleNotFoundError: No module",
        ),
        ("paper.toml", "validate_every = 0", "validate_every = 9", "validation_tasks: found 0"),
    ],
)
def test_a_broken_clause_is_one_line(demo, capsys, name, old, new, line):
    change(demo / name, old, new)
    status, lines = checked(capsys, "--no-runs")
    matching = [s for s in lines if line in s]
    assert len(matching) == 1, lines
    assert status == int(not matching[0].startswith("passed"))


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ('beside = { setting = "sinusoids", metric = "mse@0" }', "passed  compared metrics"),
        ('beside = { setting = "sinusoids", metric = "accuracy" }', "found metric 'accuracy', but"),
        ('beside = { setting = "sinusoids" }', "beside: metric: found none, wanted text"),
        ('bound = "told everything"', "passed  paper.toml"),
        ('bound = ""', "bound: found '', wanted what the variant knows"),
    ],
)
def test_what_stands_beside_other_methods_is_checked(demo, capsys, stated, wanted):
    title = 'title = "EXAMPLE: sinusoids, 10 points"\n'
    change(demo / "paper.toml", title, f"{title}{stated}\n")
    status, out = checked(capsys, "--no-runs")
    assert any(wanted in text for text in out), out
    assert status == int(not wanted.startswith("passed"))


@pytest.mark.parametrize(
    ("line", "status", "wanted"),
    [
        ("CELL,VARIANT,SECOND,mse@0,Figure 1,Doe (2020),high,", 0, "1 orderings, each with"),
        ("CELL,VARIANT,none,mse@0,Figure 1,Doe (2020),high,", 1, "worse: found 'none'"),
        (
            "CELL,VARIANT,SECOND,accuracy,Figure 1,Doe (2020),high,",
            1,
            "published_orderings.csv: found metric 'accuracy', but demo/",
        ),
    ],
)
def test_orderings_are_checked_where_there_are_any(demo, capsys, line, status, wanted):
    [cell] = read_paper(demo).cells.values()
    variant = next(iter(cell.variants))
    line = line.replace("CELL", cell.name).replace("VARIANT", variant).replace("SECOND", "second")
    with (demo / "paper.toml").open("a") as paper:
        paper.write(f'\n[cells.{cell.name}.variants.second]\ntitle = "the same again"\n')
    (demo / "published_orderings.csv").write_text(f"{','.join(ORDERINGS)}\n{line}\n")
    found, out = checked(capsys)
    assert found == status
    assert any("published_orderings.csv" in text and wanted in text for text in out)


def test_a_paper_that_prints_no_number_says_why(demo, capsys):
    table = demo / "published.csv"
    table.write_text(table.read_text().splitlines(keepends=True)[0])
    status, out = checked(capsys)
    assert status == 1
    assert "FAILED  published.csv: 0 published lines, each with source and confidence." in out
    change(demo / "paper.toml", "[paper]\n", '[paper]\nno_numbers = "all are curves"\n')
    status, out = checked(capsys)
    assert "passed  published.csv: 0 published lines; no_numbers says: all are curves." in out
    assert status == 0


def test_a_paper_with_numbers_does_not_say_that_it_has_none(demo, capsys):
    change(demo / "paper.toml", "[paper]\n", '[paper]\nno_numbers = "all are curves"\n')
    status, out = checked(capsys)
    assert status == 1
    assert any("published.csv" in line and line.startswith("FAILED") for line in out)


def test_a_validation_metric_must_be_one_that_is_given(demo, capsys):
    change(demo / "paper.toml", "validate_every = 0", "validate_every = 9")
    change(demo / "paper.toml", "validation_tasks = 0", "validation_tasks = 8")
    change(demo / "paper.toml", '"mse@0"', '"accuracy"')
    status, lines = checked(capsys, "--no-runs")
    assert status == 1
    assert any("validation_metric 'accuracy' is not one of mse@0." in s for s in lines)


@pytest.mark.parametrize("name", [*FILES, "test_demo.py"])
def test_a_missing_file_is_named(demo, capsys, name):
    (demo / name).unlink()
    status, lines = checked(capsys, "--no-runs")
    assert status == 1
    assert f"FAILED  file {name}: wanted {demo / name}." in lines


def test_a_number_without_a_range_is_named(demo, capsys):
    change(demo / "method.py", "learning_rate: Rate", "learning_rate: float")
    status, lines = checked(capsys, "--no-runs")
    assert status == 1
    [line] = [s for s in lines if "states no range" in s]
    assert line.startswith("FAILED  ranges: KernelMeanSettings.learning_rate states no range; wan")


def test_a_long_method_is_a_warning(demo, capsys):
    path = demo / "method.py"
    path.write_text(path.read_text() + "# more\n" * (290 - path.read_text().count("\n")))
    status, lines = checked(capsys, "--no-runs")
    assert status == 0
    assert "warning method.py: 290 lines; aim for at most 250." in lines


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("nearness @ batch.support_y", "nearness @ batch.suport_y", "AttributeError: "),
        ('return ("mse@0",)', 'return ("mse@1",)', "metrics() names mse@1, evaluate gave mse@0."),
        (
            "square().mean((1, 2))}",
            "square().mean((1, 2)) * math.nan}",
            "wanted finite metrics, found mse@0.",
        ),
        ("loss.detach()", "loss.detach() * math.nan", "diverged: "),
    ],
)
def test_a_method_that_does_not_run_is_a_finding(demo, capsys, old, new, expected):
    change(demo / "method.py", old, new)
    status, lines = checked(capsys)
    assert status == 1
    assert any("FAILED  smoke run" in s and expected in s for s in lines), lines


def test_data_that_is_not_at_hand_is_a_warning(demo, capsys, monkeypatch):
    from harness.errors import DataNotAtHand
    from harness.tasks.sinusoids import Sinusoids

    def missing(*arguments):
        raise DataNotAtHand("found no images; run `harness data fetch images`.")

    monkeypatch.setattr(Sinusoids, "__init__", missing)
    status, lines = checked(capsys)
    assert status == 0
    assert any("warning smoke run" in s and "not run: found no images" in s for s in lines)


def test_a_slow_smoke_run_is_a_warning(demo, capsys, monkeypatch):
    monkeypatch.setattr("harness.cli.check.SMOKE_SECONDS", 1e-9)
    status, lines = checked(capsys)
    assert status == 0
    assert any(
        re.match(r"warning smoke run .* 1 iteration in \d+\.\d s, .*wanted 1e-09 s", s)
        for s in lines
    ), lines


def test_an_unknown_paper_is_answered(demo, capsys):
    assert cli.main(["check", "dem"]) == 2
    error = capsys.readouterr().err
    assert "(did you mean 'demo'?)" in error
    assert "run `harness new dem` to make it" in error


def test_examples_are_command_lines():
    assert all(line.startswith("harness check ") for line in check.EXAMPLES)


COSTS = "sinusoid-10shot,half as slow,seconds,2,times,,,,toys,Doe and Roe 2020,{},,\n"


@pytest.mark.parametrize(
    ("lines", "status", "wanted"),
    [
        (COSTS.format("high"), 0, "passed  published_costs.csv: 1 claims on cost, each with so"),
        (COSTS.format("low"), 0, "warning published_costs.csv: 1 of low confidence: confirm in"),
        (COSTS.format("sure"), 1, "FAILED  published_costs.csv: "),
        ("", 1, "FAILED  published_costs.csv: 0 claims on cost"),
    ],
)
def test_claims_on_cost_are_checked_where_there_are_any(demo, capsys, lines, status, wanted):
    (demo / "published_costs.csv").write_text(",".join(COLUMNS) + "\n" + lines)
    returned, said = checked(capsys, "--no-runs")
    assert returned == status
    assert any(line.startswith(wanted) for line in said), said
