"""The rules of the house that a reader relies on, kept by tests."""

from pathlib import Path

import pytest

from harness.paper_contract import imported, is_replication

ROOT = Path(__file__).resolve().parent.parent
HARNESS = sorted((ROOT / "harness").rglob("*.py"))
REPLICATIONS = sorted((ROOT / "replications").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LIBRARIES = {"higher", "matplotlib", "numpy", "pytest", "safetensors", "scipy", "torch"}


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", HARNESS, ids=name)
def test_the_harness_imports_no_replication(path):
    assert not [n for n in imported(path) if is_replication(n)]


@pytest.mark.parametrize("path", REPLICATIONS, ids=name)
def test_a_replication_imports_from_the_harness_only(path):
    import sys

    own = path.relative_to(ROOT / "replications").parts[0]
    for found in imported(path):
        first, *rest = found.split(".")
        known = first == "harness" or first in LIBRARIES or first in sys.stdlib_module_names
        assert known or (first == "replications" and rest[:1] == [own]), found


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
