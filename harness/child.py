"""Starts a separate process that runs a module of this harness, and of no other.

Python puts the current folder first on the path of `python -m`, so that a `random.py` or a
`harness/` there would be executed. This file is started instead: it finds `harness` where it lies
itself, and all other modules where they are installed.
"""

import runpy
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path


def python(module: str) -> list[str]:
    """Return the words that start Python on `module`, as `python -m` would, with a clean path."""
    return [sys.executable, "-P", str(Path(__file__).resolve()), module]


def _find_harness() -> None:
    """Import the package that this file is part of, without putting its folder on the path."""
    spec = PathFinder.find_spec("harness", [str(Path(__file__).resolve().parent.parent)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["harness"] = package = module_from_spec(spec)
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _find_harness()
    name = sys.argv.pop(1)
    runpy.run_module(name, run_name="__main__", alter_sys=True)
