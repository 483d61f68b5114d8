"""A paper that cannot be read stops only itself; no table is made by running a paper's code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.catalog import find_cell, papers, readable_papers
from harness.cli import main as cli
from harness.errors import HarnessError
from harness.paper_code import task_source_class
from tests.toy_paper import ToyPaper, draws


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A right paper, `toy`, with a record; and `demo`, to be made wrong."""
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    assert cli.main(["new", "demo"]) == 0
    made.add({"accuracy": draws(95, 4)})
    forget()
    capsys.readouterr()
    return made


def forget() -> None:
    for name in [n for n in sys.modules if n.startswith("replications.")]:
        del sys.modules[name]


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, list[str]]:
    status = cli.main([str(w) for w in words])
    out, err = capsys.readouterr()
    return status, out, err.splitlines()


WRONG = {
    "cp1252": ("published.csv", lambda t: t.replace("EXAMPLE", "Müller", 1).encode("cp1252")),
    "UTF-16": ("paper.toml", lambda t: t.encode("utf-16")),
    "no title": ("paper.toml", lambda t: t.replace("title =", "# title =", 1).encode()),
    "odd table": ("paper.toml", lambda t: (t + "[cell.x]\npublished_only = true\n").encode()),
    "odd key": ("paper.toml", lambda t: t.replace("[paper]", "[paper]\nyera = 1", 1).encode()),
    "deep": ("paper.toml", lambda t: (t + "x = " + "[" * 5000 + "]" * 5000).encode()),
    "digits": ("paper.toml", lambda t: t.replace("2026", "9" * 5000, 1).encode()),
    "hexadecimal": ("paper.toml", lambda t: t.replace("2026", "0x" + "f" * 5000, 1).encode()),
    "NUL": ("published.csv", lambda t: (t + "\0").encode()),
    "empty": ("published.csv", lambda t: b""),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_paper_stops_itself_alone(toy, capsys, wrong):
    name, change = WRONG[wrong]
    path = toy.replications / "demo" / name
    path.write_bytes(change(path.read_text()))
    for words in (["list"], ["compare"], ["compare", "--across"]):
        status, out, err = said(capsys, *words, "--results", toy.results)
        left = [line for line in err if line.startswith("harness: paper demo is left out: ")]
        assert (status, len(left)) == (0, 1), err
        assert name in left[0]
        assert "\n" not in left[0]
        assert "toy" in out or "--across" in words
    status, out, err = said(capsys, "show", "toy/images", "--no-measure")
    assert (status, err) == (0, [])
    assert find_cell("toy/images").variant("plain").paper == "toy"
    for words in (["list", "demo"], ["compare", "demo/sinusoid-10shot"], ["show", "demo/x"]):
        status, out, err = said(capsys, *words)
        assert (status, out, len(err)) == (2, "", 1)
        assert f"demo/{name}" in err[0]


def test_pages_are_not_written_without_a_paper(toy, capsys):
    (toy.root / "README.md").write_text("<!-- results:begin all -->\n<!-- results:end all -->\n")
    (toy.replications / "demo" / "paper.toml").write_text("[paper]\n")
    for option in ("--check-readmes", "--update-readmes"):
        status, _, err = said(capsys, "compare", option, "--results", toy.results)
        assert status == 2
        assert "[paper] title: found None, wanted text." in err[-1]
    assert "verdict" not in (toy.root / "README.md").read_text()


BOM = b"\xef\xbb\xbf"


def test_the_mark_of_an_editor_is_no_letter(toy):
    for name in ("paper.toml", "published.csv"):
        path = toy.replications / "demo" / name
        path.write_bytes(BOM + path.read_bytes())
    assert sorted(papers()) == ["demo", "toy"]


def test_a_folder_that_cannot_be_read_is_named(toy, monkeypatch):
    stat = Path.stat

    def closed(self: Path, **how):
        if self.parent.name == "demo":
            raise PermissionError(13, "Permission denied")
        return stat(self, **how)

    monkeypatch.setattr(Path, "stat", closed)
    readable, broken = readable_papers()
    assert list(readable) == ["toy"]
    assert "demo: cannot be read (Permission denied)." in str(broken["demo"])


OWN_TASKS = "TASK_SOURCES = {}\n"
IMPORTS = {
    "import nosuchpackage": "ModuleNotFoundError: No module named 'nosuchpackage'",
    "raise SystemExit(7)": "SystemExit: 7",
    "def (:": "SyntaxError: invalid syntax",
    "1 / 0": "ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize(
    ("file", "line"), [*(("method.py", line) for line in IMPORTS), ("tasks.py", "1 / 0")]
)
def test_a_method_that_does_not_import_stops_only_what_needs_it(toy, capsys, file, line):
    path = toy.replications / "toy" / file
    path.write_text(f"{path.read_text() if path.exists() else OWN_TASKS}\n{line}\n")
    number = len(path.read_text().splitlines())
    for words in (["list", "toy"], ["compare", "toy"]):
        assert said(capsys, *words, "--results", toy.results)[0] == 0
    status, out, err = said(capsys, "show", "toy/images")
    assert (status, err) == (0, [])
    assert out.count("not measured: ") == 3
    status, _, err = said(capsys, "run", "toy/images", "--results", toy.results)
    assert (status, len(err)) == (2, 1)
    assert f"{path}:{number}: cannot be imported ({IMPORTS[line]})" in err[0]
    status, out, err = said(capsys, "check", "toy", "--no-runs")
    assert (status, err) == (1, [])
    assert IMPORTS[line].partition(":")[0] in out or "not valid Python" in out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "found ALGORITHMS = None, wanted a dict from names to classes."),
        ("ALGORITHMS = [1]", "found ALGORITHMS = [1], wanted a dict from names to classes."),
        ("ALGORITHMS = {'toy': 3}", "found 3 under 'toy', wanted a class with a dataclass `Settin"),
        ("class T: pass\nALGORITHMS = {'toy': T}", "wanted a class with a dataclass `Settings`."),
    ],
)
def test_a_method_file_lists_its_classes(toy, text, sentence):
    (toy.replications / "toy" / "method.py").write_text(text)
    with pytest.raises(HarnessError) as caught:
        find_cell("toy/images").variant("plain")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "tasks.py: found TASK_SOURCES = None, wanted a dict from names to classes."),
        ("TASK_SOURCES = {'x': 3}", "found 3 under 'x', wanted a class with a dataclass `Setti"),
    ],
)
def test_a_file_of_tasks_lists_its_classes(toy, text, sentence):
    (toy.replications / "toy" / "tasks.py").write_text(text)
    with pytest.raises(HarnessError) as caught:
        task_source_class(toy.replications / "toy", "x")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["compare"],
        ["compare", "--across"],
        ["compare", "--paired", "--format", "json"],
        ["compare", "--plots", "plots"],
        ["compare", "--update-readmes"],
        ["show", "toy/curves", "--no-measure"],
    ],
    ids=" ".join,
)
def test_no_table_is_made_by_running_a_paper_s_code(toy, capsys, monkeypatch, words):
    monkeypatch.chdir(toy.root)
    for seed in (0, 1):
        toy.add({"mse@0": draws(4, 1), "mse@1": draws(1, 1)}, cell="curves", seed=seed)
    forget()
    (toy.replications / "toy" / "tasks.py").write_text(OWN_TASKS)
    for name in ("method", "tasks"):
        path = toy.replications / "toy" / f"{name}.py"
        leave = f"from pathlib import Path\nPath({str(toy.root / name)!r}).touch()\n"
        path.write_text(leave + path.read_text())
    assert said(capsys, *words)[0] == 0
    assert not [n for n in sys.modules if n.startswith("replications.toy.")]
    ran = [toy.root / name for name in ("method", "tasks")]
    assert not any(path.exists() for path in ran)
    find_cell("toy/images").variant("plain")
    assert all(path.exists() for path in ran), "this verb would have shown it"
