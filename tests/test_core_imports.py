"""The core needs torch, numpy and safetensors only: it imports with all else out of reach."""

import subprocess
import sys

SCRIPT = """
import sys

EXTRAS = {"scipy", "pandas", "higher", "torchvision", "matplotlib", "PIL"}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)

sys.meta_path.insert(0, Blocked())
from importlib import import_module
for name in EXTRAS:
    try:
        import_module(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} was not blocked")
from harness.tasks.registry import SOURCES
for name in sys.argv[1].split():
    import_module(name)
for where in SOURCES.values():
    import_module(where.partition(":")[0])
"""
CORE = [
    "harness",
    "harness.catalog",
    "harness.method",
    "harness.evaluation.evaluate",
    "harness.check",
    "harness.protocol",
    "harness.published",
    "harness.records.schema",
    "harness.costs.measure_point",
    "harness.explain.explain",
    "harness.costs.session",
    "harness.measure.environment",
    "harness.measure.git_state",
    "harness.measure.memory",
    "harness.meta_gradient.contract",
    "harness.meta_gradient.engines",
    "harness.run.loop",
    "harness.tasks.sinusoids",
    "harness.cli.main",
    "harness.cli.check",
    "harness.cli.cost",
    "harness.cli.env",
    "harness.cli.explain",
    "harness.cli.new",
]


def test_the_core_imports_without_the_extras():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, " ".join(CORE)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_one_verb_loads_one_module():
    script = (
        "import sys; from harness.cli.main import main\n"
        "try: main(['new', '--help'])\n"
        "except SystemExit: pass\n"
        "print('loaded', *sorted(m for m in sys.modules if m.startswith('harness.cli.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1].split()[1:]
    helpers = {"folders", "main", "settings", "streams", "words"}
    assert set(loaded) - {f"harness.cli.{name}" for name in helpers} == {"harness.cli.new"}
