"""Imports torchvision, also beside a CPU-only torch.

torchvision's Linux wheels are built against CUDA torch. Beside a CPU-only torch their C++
operators do not load, and `import torchvision` raises `operator torchvision::nms does not exist`.
Declaring the operators' schemas is enough for datasets and models, which use none of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

from harness.errors import HarnessError

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []  # schemas live as long as their Library object


def import_torchvision(module: str = "torchvision") -> ModuleType:
    """Import `module` (torchvision or one of its submodules).

    Raises HarnessError where torchvision is not installed.
    """
    try:
        return import_module(module)
    except ImportError as e:
        raise HarnessError(
            "torchvision is needed here; "
            "run `pip install 'metalearning-replications[torchvision]'`."
        ) from e
    except RuntimeError as e:
        if "torchvision::" not in str(e) or _declared:
            raise
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # left half imported by the failure
    untyped: Any = torch.library
    library = untyped.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}{_SCHEMA}")
    _declared.append(library)
    return import_module(module)
