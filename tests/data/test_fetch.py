from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.data import fetch as fetch_module
from harness.data.fetch import fetch
from harness.errors import HarnessError


class Torchvision:
    """Writes what it is asked for; `right` tells whether its sums are."""

    def __init__(self, right: bool = True) -> None:
        self.right, self.asked = right, []

    def Omniglot(self, root, background, download):
        self.asked.append((root, background, download))
        part = Path(root) / "omniglot-py" / f"part{background}"
        if download:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text("right" if self.right else "wrong")
        if not part.is_file() or part.read_text() != "right":
            raise RuntimeError("File not found or corrupted.")


@pytest.fixture
def use(monkeypatch, tmp_path):
    def put(fake):
        monkeypatch.setattr(fetch_module, "import_torchvision", lambda _: fake)
        return fake

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return put


def test_both_parts_go_to_the_cache_when_both_are_right(use, tmp_path):
    cache, fake = tmp_path / "cache", use(Torchvision())
    assert fetch("omniglot") == cache / "omniglot-py"
    assert [(b, d) for _, b, d in fake.asked] == [(True, True), (False, True)]
    assert all(Path(root).parent == cache for root, *_ in fake.asked), "not in place before"
    assert [p.name for p in cache.iterdir()] == ["omniglot-py"]
    fake.asked.clear()
    assert fetch("omniglot") == cache / "omniglot-py"
    assert [(b, d) for _, b, d in fake.asked] == [(True, False), (False, False)], "only checked"


def test_a_failed_download_is_one_sentence_and_leaves_nothing(use, tmp_path):
    use(Torchvision(right=False))
    with pytest.raises(HarnessError, match=r"failed .*corrupted"):
        fetch("omniglot")
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_is_there_and_not_right_is_set_aside(use, tmp_path, capsys):
    old = tmp_path / "cache" / "omniglot-py"
    old.mkdir(parents=True)
    (old / "partTrue").write_text("wrong")
    left = tmp_path / "cache" / ".fetching-old"
    left.mkdir()
    os.utime(left, (0, 0))
    use(Torchvision())
    assert (fetch("omniglot") / "partTrue").read_text() == "right"
    assert "was not what it should be; kept as omniglot-py.broken-" in capsys.readouterr().err
    assert len(list((tmp_path / "cache").iterdir())) == 2
    use(Torchvision(right=False))
    (old / "partTrue").write_text("wrong again")
    with pytest.raises(HarnessError, match="failed"):
        fetch("omniglot")
    assert (old / "partTrue").read_text() == "wrong again", "set aside only for a right one"


def test_names():
    with pytest.raises(HarnessError, match="nothing to fetch"):
        fetch("glyphs")
    with pytest.raises(HarnessError, match="did you mean 'omniglot'"):
        fetch("omniglott")


def test_torchvision_imports_beside_any_torch():
    pytest.importorskip("PIL")
    code = (
        "from importlib.util import find_spec\n"
        "from harness.data.torchvision_import import import_torchvision as i\n"
        "assert find_spec('torchvision') is None or i('torchvision.datasets').Omniglot\n"
        "assert find_spec('torchvision') is None or i('torchvision.models').resnet18\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torchvision(monkeypatch):
    from harness.data.torchvision_import import import_torchvision

    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(HarnessError, match="torchvision is needed"):
        import_torchvision()


@pytest.fixture
def torchvision_beside_another_torch(monkeypatch):
    """Imports fail as torchvision's do whose operators do not load, until these are declared."""
    from harness.data import torchvision_import as module

    declared = []

    class Library:
        def __init__(self, *names):
            assert names == ("torchvision", "DEF")

        def define(self, schema):
            declared.append(schema.partition("(")[0])

    def load(name):
        if "nms" not in declared:
            sys.modules["torchvision.half"] = SimpleNamespace()
            raise RuntimeError("operator torchvision::nms does not exist")
        return SimpleNamespace(name=name)

    monkeypatch.setattr(module, "_declared", [])
    monkeypatch.setattr(module, "import_module", load)
    monkeypatch.setattr("torch.library.Library", Library)
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    return module, declared


def test_operators_that_do_not_load_are_declared_once(torchvision_beside_another_torch):
    module, declared = torchvision_beside_another_torch
    assert module.import_torchvision("torchvision.datasets").name == "torchvision.datasets"
    assert declared == ["nms", "qnms"]
    assert "torchvision.half" not in sys.modules, "what was half imported is imported anew"
    module.import_torchvision()
    assert declared == ["nms", "qnms"]
    declared.clear()
    with pytest.raises(RuntimeError, match="does not exist"):
        module.import_torchvision()


def test_other_failures_of_torchvision_are_not_hidden(monkeypatch):
    from harness.data import torchvision_import as module

    def fail(name):
        raise RuntimeError("something else")

    monkeypatch.setattr(module, "import_module", fail)
    with pytest.raises(RuntimeError, match="something else"):
        module.import_torchvision()
