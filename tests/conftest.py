"""Settings for all tests."""

import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: the time of an example says nothing about what is tested.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_addoption(parser):
    group = parser.getgroup("ratios", "comparisons by paired ratios (tests/bench)")
    group.addoption("--ratios", action="store_true", help="run the timed comparisons, in turn")
    group.addoption(
        "--bench-seconds",
        type=float,
        default=20.0,
        help="how long a comparison goes on after its fifth round (default: %(default)s)",
    )
    group.addoption(
        "--bench-store",
        metavar="FOLDER",
        help="for its JSON file (default: $HARNESS_BENCH_STORE or .benchmarks/ratios/<time>)",
    )


@pytest.fixture(autouse=True)
def _papers_stay_those_of_the_checkout():
    """Put back the modules of papers that a test took from a copy of their folder: tests that were
    collected hold the classes of the first ones."""
    before = {n: m for n, m in sys.modules.items() if n.startswith("replications.")}
    yield
    replaced = {n.split(".")[1] for n, m in before.items() if sys.modules.get(n) is not m}
    for name in [n for n in sys.modules if n.startswith("replications.")]:
        if name.split(".")[1] in replaced:
            del sys.modules[name]
    sys.modules.update({n: m for n, m in before.items() if n.split(".")[1] in replaced})


def pytest_configure():
    """Hear hang-ups also where the tests were started by `nohup`, which ignores them: a run that is
    started so ignores them too, and tests send some."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_sessionstart(session):
    session.config.stash_of_results = _results()


def pytest_sessionfinish(session):
    """Fail where a test wrote into the checkout: a verb without `--results` does so by default."""
    before, after = session.config.stash_of_results, _results()
    if touched := sorted(p for p in {*before, *after} if before.get(p) != after.get(p)):
        print(f"\n{len(touched)} files of the checkout were made or changed, such as {touched[0]}")
        session.exitstatus = 1


def _results():
    checkout = Path(__file__).resolve().parent.parent
    folders = [checkout / "results", checkout / "runs"]
    return {p: p.stat().st_mtime_ns for f in folders for p in f.rglob("*") if p.is_file()}
