"""Imports `method.py` and `tasks.py` of a paper's folder. They are code, and importing them runs
it: the verbs that train, test or check with it do this; `list` and `compare` never do."""

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
from harness.tasks.registry import SOURCES, shared_task_source
from harness.tasks.source import TaskSource

METHODS, TASKS = "method.py", "tasks.py"
_IMPORTING = threading.RLock()


def method_class(folder: Path, algorithm: str) -> type[Method]:
    """Return the class that `method.py` of a paper's folder lists under `algorithm`.

    HarnessError where the file is missing, raises, or does not list classes with `Settings`.
    """
    path = folder / METHODS
    if not path.is_file():
        raise HarnessError(f"found no {path}; a paper folder needs one.")
    classes = _listed(path, "ALGORITHMS")
    if algorithm not in classes:
        raise HarnessError(
            f"{folder.name}: found algorithm {shown(algorithm)}{closest(algorithm, classes)}; "
            f"wanted one of {', '.join(classes)}."
        )
    cls: type[Method] = _with_settings(path, algorithm, classes[algorithm])
    return cls


def task_source_class(folder: Path, name: str) -> type[TaskSource]:
    """Return the class that a paper's `tasks.py` lists under `name`, or the one that all papers
    share (`harness.tasks.registry`).

    HarnessError where neither has it, or `tasks.py` raises, does not list classes with `Settings`,
    or gives a source of its own a shared name: a name means the same tasks everywhere.
    """
    path = folder / TASKS
    own = _listed(path, "TASK_SOURCES") if path.is_file() else {}
    for taken in own.keys() & SOURCES.keys():
        raise HarnessError(
            f"{path}: found {shown(taken)} in TASK_SOURCES, which harness/tasks/registry.py "
            f"has already; wanted another name."
        )
    if name not in own:
        return shared_task_source(name, own)
    cls: type[TaskSource] = _with_settings(path, name, own[name])
    return cls


def _listed(path: Path, table: str) -> dict[str, Any]:
    """Return the dict called `table` in a file of a paper's folder."""
    with _IMPORTING:  # another thread must not meet a module that is half loaded
        listed: Any = getattr(_module(path), table, None)
    if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed):
        raise HarnessError(
            f"{path}: found {table} = {shown(listed)}, wanted a dict from names to classes."
        )
    return listed


def _with_settings(path: Path, name: str, cls: Any) -> Any:
    if not isinstance(cls, type) or not dataclasses.is_dataclass(getattr(cls, "Settings", None)):
        raise HarnessError(
            f"{path}: found {shown(cls)} under {name!r}, wanted a class with a dataclass "
            f"`Settings`."
        )
    return cls


def _module(path: Path) -> ModuleType:
    """Import a file as `replications.<paper>.<its name>`, found by its path: `harness` discovers
    replications and never imports one by name."""
    folder, package = path.parent.absolute(), f"replications.{path.parent.name}"
    name = f"{package}.{path.stem}"
    if not _is_from(folder, package):
        _forget(package)  # a paper of the same name in another folder
    if name in sys.modules:
        return sys.modules[name]
    for package_name, place in (("replications", folder.parent), (package, folder)):
        module = ModuleType(package_name)
        module.__path__ = [str(place)]
        sys.modules.setdefault(package_name, module)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as e:
        _forget(package)  # what it had imported so far: the file may be mended and tried again
        raise HarnessError(
            f"{_place(e, path)}: cannot be imported ({_words(e)}); mend it, or install what it "
            f"needs."
        ) from e


def _is_from(folder: Path, package: str) -> bool:
    """Return whether something of a paper is loaded, and all of it from `folder`."""
    files = [m.__file__ for n, m in sys.modules.items() if n.startswith(f"{package}.")]
    places = [Path(file) for file in files if file]
    return bool(places) and all(place.is_relative_to(folder) for place in places)


def _forget(package: str) -> None:
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]


def _place(e: BaseException, path: Path) -> str:
    """Return `file:line`, the last of the paper's own lines that led to `e`."""
    if isinstance(e, SyntaxError) and e.filename and Path(e.filename).parent == path.parent:
        return f"{e.filename}:{e.lineno}"
    steps = traceback.extract_tb(e.__traceback__)
    own = [s for s in steps if Path(s.filename).parent == path.parent]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(path)


def _words(e: BaseException) -> str:
    said = e.msg if isinstance(e, SyntaxError) else str(e)
    return f"{type(e).__name__}: {' '.join(str(said).split())[:300]}"
