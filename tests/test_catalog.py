"""A paper folder read into typed objects, and each way it can be wrong in one sentence."""

import pytest

from harness.catalog import (
    SECTIONS,
    find_cell,
    papers,
    read_paper,
    replications_folder,
)
from harness.cli import main as cli
from harness.errors import HarnessError
from harness.paper_code import method_class, task_source_class
from harness.stated import Stated

CELL = "demo/sinusoid-10shot"


@pytest.fixture
def demo(tmp_path, monkeypatch, capsys):
    """The scaffold: a right paper to be made wrong."""
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(tmp_path))
    assert cli.main(["new", "demo"]) == 0
    capsys.readouterr()
    return tmp_path / "demo"


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def sentence(function, *arguments):
    with pytest.raises(HarnessError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_variant_has_every_switch(demo):
    variant = find_cell(CELL).variant("kernel-mean")
    assert variant.key == f"{CELL}/kernel-mean"
    assert variant.protocol()["training"]["iterations"] == 500
    assert variant.protocol()["algorithm"] == "kernel-mean"
    assert variant.tasks.train_shots == 10


def test_overrides_change_one_switch(demo):
    cell = find_cell(CELL)
    changed = cell.variant("kernel-mean", {"training.iterations": 7}).protocol()
    usual = cell.variant("kernel-mean").protocol()
    assert changed["training"].pop("iterations") == 7
    assert usual["training"].pop("iterations") == 500
    assert changed == usual


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"training.iteration": 7}, "--set: found switch 'training.iteration' (did you mean"),
        ({"iterations": 7}, "--set: found switch 'iterations'"),
        ({"training.iterations": "7"}, f"{CELL}/kernel-mean: training.iterations: found '7' (str)"),
    ],
)
def test_wrong_overrides(demo, overrides, expected):
    assert sentence(find_cell(CELL).variant, "kernel-mean", overrides).startswith(expected)


def test_a_switch_of_other_variants_is_said_with_these():
    cell = find_cell("maml/sinusoid-5shot")
    said = sentence(cell.variant, "pretrained", {"method.inner_rate": 0.1})
    assert said.startswith(
        "--set: found switch 'method.inner_rate', which maml/sinusoid-5shot/pretrained does not "
        "have; add `--variant maml "
    )
    assert "did you mean" not in said
    named = said.split("`--variant ")[1].split("`")[0].split()
    assert "pretrained" not in named
    for name in named:
        assert (
            cell.variant(name, {"method.inner_rate": 0.1}).protocol()["method"]["inner_rate"] == 0.1
        )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "iterations = 500",
            'iterations = "500"',
            "iterations: found '500' (str), wanted int, 1 to",
        ),
        ("meta_batch = 16", "meta_batch = 1.5", "meta_batch: found 1.5 (float), wanted int, 1 to"),
        ("meta_batch = 16\n", "", "training: switch 'meta_batch' is not set; every switch"),
        ("meta_batch", "metabatch", "unknown switch 'metabatch' (did you mean 'meta_batch'?)"),
        ("start_width", "width", "method: unknown switch 'width'"),
        ('"last"', '"lats"', "found 'lats' (did you mean 'last'?); wanted one of"),
        ('"sinusoids"', '"sinusoid"', "found task source 'sinusoid' (did you mean 'sinusoids'?)"),
        ('"kernel-mean"', '"kernel-men"', "found algorithm 'kernel-men' (did you mean 'kernel-m"),
        ('task_source = "sinusoids"\n', "", "task_source is not set; every variant needs it."),
    ],
)
def test_a_variant_that_does_not_resolve(demo, old, new, expected):
    change(demo / "paper.toml", old, new)
    assert expected in sentence(find_cell(CELL).variant, "kernel-mean")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("year = 2026", 'year = "2026"', "[paper] year: found '2026', wanted a whole number."),
        ("year = 2026\n", "", "[paper] year: found None, wanted a whole number."),
        ("[paper]", "[paper", "not valid TOML"),
        ("algorithm =", "algoritm =", "unknown key 'algoritm' (did you mean 'algorithm'?)"),
        ("algorithm =", 'bases = ["images"]\nalgorithm =', "found base 'images', not defined."),
        ("10shot.method]", "10shot.metod]", "unknown key 'metod' (did you mean 'method'?)"),
    ],
)
def test_a_paper_that_does_not_read(demo, old, new, expected):
    change(demo / "paper.toml", old, new)
    assert expected in sentence(read_paper, demo)


def test_a_cell_without_variants(demo):
    path = demo / "paper.toml"
    path.write_text(path.read_text().split("[cells.sinusoid-10shot.variants")[0])
    assert sentence(read_paper, demo).endswith(
        "wanted at least one variant, or published_only = true."
    )


def test_a_cell_of_published_numbers_only(demo):
    path = demo / "paper.toml"
    path.write_text(path.read_text() + "[cells.elsewhere]\npublished_only = true\n")
    cell = read_paper(demo).cells["elsewhere"]
    for call in (cell.names, lambda: cell.variant("any")):
        assert "found published numbers only" in sentence(call)
    change(path, "published_only = true", "published_only = false")
    assert "wanted at least one variant" in sentence(read_paper, demo)
    path.write_text(path.read_text().replace("published_only = false", ""))
    change(path, "[cells.sinusoid-10shot]\n", "[cells.sinusoid-10shot]\npublished_only = true\n")
    assert "wanted at least one variant" in sentence(read_paper, demo)


def test_bases_are_merged_in_order(demo):
    path = demo / "paper.toml"
    change(path, "learning_rate = 0.01\n", "")
    change(path, "start_width = 3.0\n", "")
    path.write_text(
        path.read_text()
        + '[cells.sinusoid-10shot.variants.wide]\nbases = ["fast", "wide"]\n'
        + "[cells.sinusoid-10shot.variants.own]\n"
        + 'bases = ["fast", "wide"]\nmethod = { start_width = 4.0 }\n'
        + "[bases.fast]\nmethod = { learning_rate = 0.1, start_width = 1.0 }\n"
        + "[bases.wide]\nmethod = { start_width = 9.0 }\n"
    )
    cell = find_cell(CELL)
    assert cell.variant("wide").protocol()["method"] == {"learning_rate": 0.1, "start_width": 9.0}
    assert cell.variant("own").protocol()["method"] == {"learning_rate": 0.1, "start_width": 4.0}
    assert "switch 'learning_rate' is not set" in sentence(cell.variant, "kernel-mean")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sinusoid-10shot,,", "sinusoid-5shot,,", "found cell 'sinusoid-5shot' (did you mean"),
        ("10shot,,", "10shot,kernel,", "found variant 'kernel'; wanted some of kernel-mean."),
        (",EXAMPLE: replace this whole line,", ",,", "a published line needs its source"),
    ],
)
def test_published_lines_must_fit_the_cells(demo, old, new, expected):
    change(demo / "published.csv", old, new)
    assert expected in sentence(read_paper, demo)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("paper = 3\n", "paper: found 3, wanted a table."),
        ("[cells]\nodd = 3\n", "cells odd: found 3, wanted a table."),
        ("[cells.odd]\nvariants = 3\n", "[cells.odd] variants: found 3, wanted a table."),
        ("[cells.odd]\ntasks = 5\n", "[cells.odd] tasks: found 5, wanted a table."),
        ("[cells.odd]\nbases = [3]\n", "bases: found [3], wanted a list of names."),
        ('[cells.odd]\nbases = "all"\n', "bases: found 'all', wanted a list of names."),
        ("[bases.odd.mehtod]\nrate = 1\n", "unknown key 'mehtod' (did you mean 'method'?)"),
        ("[bases.odd]\ntasks = 5\n", "[bases.odd] tasks: found 5, wanted a table."),
    ],
)
def test_odd_tables_are_one_sentence(demo, lines, expected):
    path = demo / "paper.toml"
    rest = path.read_text() if "paper =" not in lines else ""
    path.write_text(rest + lines if "odd" in lines and "[cells]" not in lines else lines + rest)
    assert expected in sentence(read_paper, demo)


def test_a_paper_without_published_lines(demo):
    (demo / "published.csv").unlink()
    assert "wanted the paper's numbers there." in sentence(read_paper, demo)


def test_unknown_names_are_answered_with_the_nearest(demo):
    assert "(did you mean 'demo/sinusoid-10shot'?)" in sentence(find_cell, "demo/sinusoid-5shot")
    assert "wanted one of kernel-mean." in sentence(find_cell(CELL).variant, "plain")
    assert "wanted one of kernel-mean." in sentence(method_class, demo, "plain")


OWN = """from harness.tasks.sinusoids import Sinusoids

class Waves(Sinusoids):
    pass

TASK_SOURCES = {"waves": Waves}
"""


def test_a_paper_s_own_tasks(demo):
    (demo / "tasks.py").write_text(OWN)
    shared = find_cell(CELL).variant("kernel-mean")
    path = demo / "paper.toml"
    path.write_text(path.read_text().replace('"sinusoids"', '"waves"'))
    own = find_cell(CELL).variant("kernel-mean")
    assert [v.task_source for v in (shared, own)] == ["sinusoids", "waves"]
    assert [v.task_source_class.__name__ for v in (shared, own)] == ["Sinusoids", "Waves"]
    assert own.method_class is shared.method_class
    assert own.tasks == shared.tasks
    assert "(did you mean 'waves'?); wanted one of waves, image_episodes," in sentence(
        task_source_class, demo, "wave"
    )


def test_a_name_means_the_same_tasks_in_every_paper(demo):
    (demo / "tasks.py").write_text(OWN.replace('"waves"', '"sinusoids"'))
    assert "tasks.py: found 'sinusoids' in TASK_SOURCES, which harness/tasks" in sentence(
        find_cell(CELL).variant, "kernel-mean"
    )


def test_a_paper_without_method(demo):
    (demo / "method.py").unlink()
    assert "a paper folder needs one." in sentence(find_cell(CELL).variant, "kernel-mean")


def test_no_folder_of_papers(tmp_path, monkeypatch):
    assert "set HARNESS_REPLICATIONS." in sentence(papers, tmp_path / "none")
    monkeypatch.delenv("HARNESS_REPLICATIONS", raising=False)
    assert replications_folder().name == "replications"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            '[algorithms.kernel-mean]\ninference_switch = "test_norm"\n',
            "inference_switch: found 'test_norm', wanted a switch of the method",
        ),
        ('[algorithms.kernel-mean]\ninference = "both"\n', "found 'both'; wanted inductive or tra"),
        (
            "[algorithms.kernel-mean]\ncounted = 3\n",
            "[algorithms.kernel-mean] counted: found 3, wa",
        ),
        ("[algorithms.kernel-mean]\ninfer = 'x'\n", "unknown key 'infer'"),
        (
            "[algorithms.kernel-men]\n",
            "found no variant with this algorithm (did you mean 'kernel-m",
        ),
        ("[algorithms.kernel-mean]\nolder_records = 3\n", "older_records: found 3, wanted a table"),
        (
            "[algorithms.kernel-mean.older_records]\nmethod = 3\n",
            "found {'method': 3}, wanted a tab",
        ),
        (
            "[algorithms.kernel-mean.older_records.method]\nwith = 3\n",
            "older_records: found method.with, wanted a switch of every variant with this algo",
        ),
        ("[algorithms]\nkernel-mean = 3\n", "algorithms kernel-mean: found 3, wanted a table."),
        ("[cells.'a/b']\npublished_only = true\n", "found the name 'a/b', wanted letters, digits"),
        ("[cells.'']\npublished_only = true\n", "found the name '', wanted letters, digits"),
        ("[cells.odd]\nalgorithm = 3\npublished_only = true\n", "algorithm: found 3, wanted text."),
        ("[cells.sinusoid-10shot.variants.'a b']\n", "found the name 'a b', wanted letters"),
        ("[cells.sinusoid-10shot.variants.a.variants.b]\n", "variant a: unknown key 'variants'"),
        ("[bases.odd]\ntasks = { x = 2020-01-01 }\n", "wanted text, a number, true or false."),
        ("[bases.odd]\ntasks = { x = nan }\n", "x: found nan, wanted a finite number."),
        ("[bases.odd]\ntasks = { x = 1e400 }\n", "x: found inf, wanted a finite number."),
    ],
)
def test_what_nothing_reads_is_refused(demo, lines, expected):
    path = demo / "paper.toml"
    path.write_text(path.read_text() + lines)
    assert expected in sentence(read_paper, demo)


def test_what_is_stated_of_an_algorithm_is_its_variants(demo):
    assert find_cell(CELL).variant("kernel-mean").stated == Stated()
    path = demo / "paper.toml"
    path.write_text(path.read_text() + '[algorithms.kernel-mean]\ninference = "inductive"\n')
    assert find_cell(CELL).variant("kernel-mean").stated == Stated(inference="inductive")


@pytest.mark.parametrize("key", sorted(c.key for p in papers().values() for c in p.cells.values()))
def test_switches_as_written_are_those_that_a_run_has(key):
    """Else tables, which import no method, would call a run's own switches others."""
    cell = find_cell(key)
    for name in cell.variants:
        written, resolved = cell.written(name), cell.variant(name).protocol()
        assert list(written) == list(resolved)
        for section in SECTIONS:
            assert written[section] == resolved[section]
            kinds = [(type(a), type(b)) for a, b in both(written[section], resolved[section])]
            assert all(a is b or (a, b) == (int, float) for a, b in kinds)


def both(a, b):
    return [(a[k], b[k]) for k in a]
