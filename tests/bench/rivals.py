"""Who is compared: our engines, and what users would pick instead."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from harness.meta_gradient.engines import ENGINES
from harness.meta_gradient.problem import Engine

PLAIN, TORCHOPT, HIGHER = "plain loop", "torchopt", "higher"
RIVALS = {PLAIN: "tests.bench.plain_maml", TORCHOPT: "tests.bench.torchopt_maml"}
"""Modules with `meta_gradient`, beside the engines (of which `higher` is one)."""


def meta_gradients(first_order: bool) -> tuple[dict[str, Engine], dict[str, str]]:
    """Return everything that computes a meta-gradient, by name, and why something is left out."""
    left_out = {n: "not installed" for n in (HIGHER, TORCHOPT) if not find_spec(n)}
    if first_order:
        left_out.setdefault(TORCHOPT, "its MetaSGD has no first order")
    modules = {n: path for n, path in {**ENGINES, **RIVALS}.items() if n not in left_out}
    return {name: import_module(path).meta_gradient for name, path in modules.items()}, left_out


def evaluations() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Return the modules with `query_outputs`, by name, and why something is left out."""
    left_out = {n: "not installed" for n in (HIGHER, TORCHOPT) if not find_spec(n)}
    modules = {**RIVALS, HIGHER: "tests.bench.higher_maml"}
    importable = {n: import_module(p) for n, p in modules.items() if n not in left_out}
    return importable, left_out
