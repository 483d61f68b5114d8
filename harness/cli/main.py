"""Entry point of `harness`: one module per verb, loaded only when the verb is used or listed.

A verb module in `harness/cli/` gives `SUMMARY` (one line), `EXAMPLES` (command lines that
`--help` shows and tests run), `add_arguments(parser)` and `main(arguments) -> int`.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from harness import __version__
from harness.cli.settings import unread
from harness.cli.streams import ResultsNotWritten, drop_waiting, plain_streams
from harness.cli.words import cell_first
from harness.errors import HarnessError
from harness.run import stop

VERBS = {
    "list": "harness.cli.list_cells",
    "show": "harness.cli.show",
    "run": "harness.cli.run",
    "compare": "harness.cli.compare",
    "cost": "harness.cli.cost",
    "evaluate": "harness.cli.evaluate",
    "explain": "harness.cli.explain",
    "data": "harness.cli.data",
    "check": "harness.cli.check",
    "new": "harness.cli.new",
    "env": "harness.cli.env",
}


class _Parser(argparse.ArgumentParser):
    """Reports in one line what is wrong with the words, as for all other mistakes."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"harness: {message}; see `{self.prog} --help`.\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = sys.argv[1:] if args is None else args
        return super().parse_known_args(cell_first(self, words), namespace)


def build_parser(verb_names: Iterable[str] = VERBS) -> argparse.ArgumentParser:
    """Return the parser with these verbs, all of them unless told."""
    parser = _Parser(
        prog="harness",
        description="Run published meta-learning settings and compare them with their papers.",
        epilog="`harness VERB --help` has examples.",
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in verb_names:
        module: ModuleType = import_module(VERBS[name])
        examples = "\n".join(f"  {line}" for line in module.EXAMPLES)
        verb = verbs.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(verb)
        verb.set_defaults(main=module.main)
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command line; a user's mistake is one line on stderr and exit status 2."""
    with stop.listening(for_good=words is None):
        try:
            return _main(words)
        except KeyboardInterrupt:
            return stop.stopped("stopped.")


def _main(words: list[str] | None) -> int:
    words = sys.argv[1:] if words is None else words
    with plain_streams():
        try:
            try:
                status = _run(words)
            finally:  # also after `--help`, which leaves by an exception
                sys.stdout.flush()
        except BrokenPipeError:
            drop_waiting(sys.stdout)
            status = 1
        except ResultsNotWritten as e:
            print(f"harness: could not write the results to standard output: {e}.", file=sys.stderr)
            drop_waiting(sys.stdout)
            status = 1
        finally:
            _end_messages()
        return status


def _run(words: list[str]) -> int:
    try:
        with stop.by_leaving():
            # For one verb, one module is loaded; anything else needs the list of all.
            known = words[:1] if words and words[0] in VERBS else list(VERBS)
            if words[:1] == ["--version"]:
                known = []
            arguments = build_parser(known).parse_args(words)
            if odd := unread():
                print(f"harness: {odd}", file=sys.stderr)
        return int(arguments.main(arguments))
    except HarnessError as e:
        print(f"harness: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as e:
        if e.errno is None:  # not from the system: a mistake of ours, shown in full
            raise
        full = e.errno in (errno.ENOSPC, errno.EDQUOT)
        where = f"{e.filename}: " if e.filename is not None else ""
        advice = "free some space" if full else "give another place or mend this one"
        print(f"harness: {where}{e.strerror}; {advice}, then try again.", file=sys.stderr)
        return 2


def _end_messages() -> None:
    """Keep the exit status when a message could not be written."""
    inner = getattr(sys.stderr, "unfiltered", None)
    try:
        if inner is not None:
            inner.flush()
    except (OSError, ValueError):
        drop_waiting(inner)


if __name__ == "__main__":
    sys.exit(main())
