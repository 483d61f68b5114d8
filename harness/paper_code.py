"""Imports `method.py` of a paper's folder. It is code, and importing it runs it: this is done by
the verbs that train, test or check with it, never to list or compare."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import HarnessError, closest
from harness.method import Method
from harness.shown import shown

_IMPORTING = threading.RLock()


def method_class(folder: Path, algorithm: str) -> type[Method]:
    """Give the class that `method.py` of a paper's folder lists under `algorithm`.

    HarnessError where the file is missing, raises, or does not list classes with `Settings`.
    """
    path = folder / "method.py"
    if not path.is_file():
        raise HarnessError(f"found no {path}; a paper folder needs one.")
    with _IMPORTING:  # another thread must not meet a module that is half loaded
        found: Any = getattr(_module(folder), "ALGORITHMS", None)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise HarnessError(
            f"{path}: found ALGORITHMS = {shown(found)}, wanted a dict from names to classes."
        )
    if algorithm not in found:
        raise HarnessError(
            f"{folder.name}: found algorithm {algorithm!r}{closest(algorithm, found)}; "
            f"wanted one of {', '.join(found)}."
        )
    cls: Any = found[algorithm]
    if not isinstance(cls, type) or not dataclasses.is_dataclass(getattr(cls, "Settings", None)):
        raise HarnessError(
            f"{path}: found {shown(cls)} under {algorithm!r}, wanted a class with a dataclass "
            f"`Settings`."
        )
    return cls


def _module(folder: Path) -> ModuleType:
    """Import `method.py` as `replications.<paper>.method`, found by its path: `harness` discovers
    replications and never imports one by name."""
    package, path = f"replications.{folder.name}", folder / "method.py"
    known = sys.modules.get(f"{package}.method")
    if known is not None and Path(str(known.__file__)) == path:
        return known
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]  # a paper of the same name in another folder
    for name, place in (("replications", folder.parent), (package, folder)):
        module = ModuleType(name)
        module.__path__ = [str(place)]
        sys.modules.setdefault(name, module)
    try:
        return importlib.import_module(f"{package}.method")
    except (Exception, SystemExit) as e:
        raise HarnessError(
            f"{_place(e, path)}: cannot be imported ({_words(e)}); mend it, or install what it "
            f"needs."
        ) from e


def _place(e: BaseException, path: Path) -> str:
    """Give `file:line`, the last of the paper's own lines that led to `e`."""
    if isinstance(e, SyntaxError) and e.filename and Path(e.filename).parent == path.parent:
        return f"{e.filename}:{e.lineno}"
    steps = traceback.extract_tb(e.__traceback__)
    own = [s for s in steps if Path(s.filename).parent == path.parent]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(path)


def _words(e: BaseException) -> str:
    said = e.msg if isinstance(e, SyntaxError) else str(e)
    return f"{type(e).__name__}: {' '.join(str(said).split())[:300]}"
