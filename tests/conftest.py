"""Settings for all tests."""

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
