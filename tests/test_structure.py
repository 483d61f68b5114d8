"""The rules of the house that a reader relies on, kept by tests."""

import sys
from functools import cache
from pathlib import Path

import pytest

from harness.check import imported, is_replication
from harness.tasks.registry import SOURCES

ROOT = Path(__file__).resolve().parent.parent
HARNESS = sorted((ROOT / "harness").rglob("*.py"))
REPLICATIONS = sorted((ROOT / "replications").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SHARED = ("harness.models.", "harness.tasks.")
NO_USERS = ("harness.paper_tests.", "harness.tasks.registry")
OF_ONE_PAPER = {
    # A benchmark that any paper on Omniglot may be compared with, offered in CONTRIBUTING.
    "harness.tasks.lake_runs": set(),
}
"""Modules of `harness/models` and `harness/tasks` that stay there though one paper uses them, or
none, with the papers that do."""
LIBRARIES = {
    "higher",
    "hypothesis",
    "matplotlib",
    "numpy",
    "pytest",
    "safetensors",
    "scipy",
    "torch",
}


@cache
def imports(path):
    return tuple(imported(path))


def dotted(path, root):
    return ".".join(path.relative_to(root).with_suffix("").parts)


def users(root, named):
    """Return, for each module of `harness/models` and `harness/tasks`, the papers whose code
    imports
    it, itself or through another of these modules, or whose `paper.toml` names it; `harness` stands
    for the rest of the harness. `named` has the module of each name of a task source."""
    files = {dotted(p, root): p for p in root.glob("harness/**/*.py")}
    papers_of = {m: set() for m in files if m.startswith(SHARED) and not m.endswith("__init__")}
    through = {m: set() for m in papers_of}
    files |= {dotted(p, root): p for p in root.glob("replications/*/*.py")}
    for module, path in files.items():
        if module.startswith(NO_USERS) or path.name.startswith("test_"):
            continue
        user = module.split(".")[1] if module.startswith("replications.") else "harness"
        for used in {
            m for m in papers_of for n in imports(path) if n == m or n.startswith(f"{m}.")
        }:
            (through if module in papers_of else papers_of)[used].add(
                module if module in papers_of else user
            )
    for path in root.glob("replications/*/paper.toml"):
        text = path.read_text(encoding="utf-8")
        for source, module in named.items():
            if f'task_source = "{source}"' in text:
                papers_of[module].add(path.parent.name)
    for _ in papers_of:  # the longest way through them is no longer
        for module, others in through.items():
            papers_of[module] = papers_of[module].union(*(papers_of[other] for other in others))
    return papers_of


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", HARNESS, ids=name)
def test_the_harness_imports_no_replication(path):
    assert not [n for n in imports(path) if is_replication(n)]


@pytest.mark.parametrize("path", REPLICATIONS, ids=name)
def test_a_replication_imports_from_the_harness_only(path):
    own = path.relative_to(ROOT / "replications").parts[0]
    for module in imports(path):
        first, *rest = module.split(".")
        known = first == "harness" or first in LIBRARIES or first in sys.stdlib_module_names
        assert known or (first == "replications" and rest[:1] == [own]), module


def test_what_one_paper_uses_is_in_its_folder():
    """Code moves to `harness/` when a second paper needs it (CONTRIBUTING)."""
    named = {source: where.partition(":")[0] for source, where in SOURCES.items()}
    papers_of = users(ROOT, named)
    assert len(papers_of) > 20
    assert {m: f for m, f in papers_of.items() if len(f) < 2 and "harness" not in f} == OF_ONE_PAPER


def test_who_uses_a_shared_module_is_seen(tmp_path):
    files = {
        "harness/models/one.py": "",
        "harness/models/two.py": "import harness.models.below",
        "harness/models/below.py": "",
        "harness/tasks/drawn.py": "",
        "harness/tasks/core.py": "",
        "harness/run/loop.py": "from harness.tasks.core import x",
        "harness/paper_tests/toys.py": "import harness.models.one",
        "replications/a/method.py": "from harness.models.one import x\nimport harness.models.two",
        "replications/b/tasks.py": "from harness.models import two",
        "replications/b/test_b.py": "from harness.models import one",
        "replications/b/paper.toml": 'task_source = "drawn"',
    }
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert users(tmp_path, {"drawn": "harness.tasks.drawn"}) == {
        "harness.models.one": {"a"},
        "harness.models.two": {"a", "b"},
        "harness.models.below": {"a", "b"},
        "harness.tasks.drawn": {"b"},
        "harness.tasks.core": {"harness"},
    }


@pytest.mark.parametrize("folder", sorted({p.parent for p in REPLICATIONS}), ids=name)
def test_a_replication_shows_where_each_switch_is_seen(folder):
    """A switch that has come loose gives equal runs under two names (harness/paper_tests)."""
    tests = [p.read_text(encoding="utf-8") for p in folder.glob("test_*.py")]
    assert any("_seen(" in text for text in tests)


@pytest.mark.parametrize("path", HARNESS + REPLICATIONS + TESTS, ids=name)
def test_files_are_short_enough_to_be_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400
    assert path.stem not in ("utils", "util", "helpers", "misc", "common")


def test_test_folders_are_no_packages():
    # With --import-mode=importlib they would only hide two test files of the same name.
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_imports_are_seen(tmp_path):
    path = tmp_path / "method.py"
    path.write_text("import replications.maml.method as m\nfrom replications import protonet\n")
    assert list(imported(path)) == ["replications.maml.method", "replications.protonet"]
