from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from harness.data import fetch as fetch_module
from harness.data.fetch import fetch
from harness.errors import HarnessError


def test_both_parts_go_to_the_cache(monkeypatch, tmp_path):
    asked = []
    fake = SimpleNamespace(Omniglot=lambda root, **options: asked.append((root, options)))
    monkeypatch.setattr(fetch_module, "import_torchvision", lambda _: fake)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert fetch("omniglot") == tmp_path / "cache" / "omniglot-py"
    assert asked == [
        (str(tmp_path / "cache"), {"background": b, "download": True}) for b in (True, False)
    ]


def test_a_failed_download_is_one_sentence(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(
        fetch_module, "import_torchvision", lambda _: SimpleNamespace(Omniglot=fail)
    )
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    with pytest.raises(HarnessError, match=r"failed .*corrupted"):
        fetch("omniglot")


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
