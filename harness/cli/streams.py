"""Standard input, output and error as a verb finds them, whatever they are outside.

Every verb writes through these: text is made harmless (`harness.report.plain_text`), a character
that the encoding lacks is no error, messages that nobody can read any more stop no run, and results
that could not be written are an error.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from harness.report.plain_text import ERRORS, plain


class ResultsNotWritten(Exception):
    """Standard output took no more, or is closed."""


class PlainStream:
    """A stream that shows control characters instead of sending them, and is otherwise `stream`.

    `stream` is None where it was closed when the process began.
    """

    def __init__(self, stream: TextIO | None, messages: bool) -> None:
        self.unfiltered, self.messages = stream, messages
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)

    def write(self, text: str) -> int:
        """Write the text, harmless."""
        self._try("write", plain(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered."""
        if self.unfiltered is not None:
            self._try("flush")

    def isatty(self) -> bool:
        """Return whether someone is looking."""
        return self.unfiltered is not None and self.unfiltered.isatty()

    def _try(self, name: str, *words: str) -> None:
        try:
            if self.unfiltered is None:
                raise OSError("it is closed")
            getattr(self.unfiltered, name)(*words)
        except BrokenPipeError:
            if not self.messages:
                raise
        except (OSError, ValueError) as e:  # ValueError: closed by whoever started us
            if not self.messages:
                raise ResultsNotWritten(getattr(e, "strerror", None) or str(e)) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)


@contextmanager
def plain_streams() -> Iterator[None]:
    """Let standard output and standard error be plain streams, and take descriptors 0 to 2, so that
    no file of a run gets the number of a closed one and the messages written to it."""
    _take_standard_descriptors()
    with (
        contextlib.redirect_stdout(PlainStream(sys.stdout, messages=False)),
        contextlib.redirect_stderr(PlainStream(sys.stderr, messages=True)),
    ):
        yield


def drop_waiting(*streams: Any) -> None:
    """Discard what is still buffered in streams that failed: Python would try again when it exits,
    and exit with another status."""
    for stream in streams:
        inner = getattr(stream, "unfiltered", stream)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, inner.fileno())
            finally:
                os.close(nowhere)


def _take_standard_descriptors() -> None:
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is given: this very one, as those below are taken.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
