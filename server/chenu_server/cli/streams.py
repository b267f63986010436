"""
Standard output and error: text that they cannot carry is escaped, and what cannot be written is
never a stack trace.

Whatever is written to them may have been paid for, so nothing about their encoding may end a
command. A reader that went away ends it quietly, like any program in a pipe.
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TextIO

from chenu_server.cli.exit_codes import ExitCode


class OutputLost(OSError):
    """What was printed could not be written. Without the number that typer would act on."""

    def __init__(self, descriptor: int, cause: OSError) -> None:
        super().__init__(descriptor, cause)
        self.descriptor = descriptor
        self.cause = cause


class _Descriptor(io.FileIO):
    """A standard stream's descriptor, which stays open. What it cannot write is `OutputLost`."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, data: Any) -> int:
        """Write, and wait for a reader who has set the pipe or terminal to non-blocking."""
        try:
            while (written := super().write(data)) is None:
                select.select((), (self,), ())
        except OSError as error:
            raise OutputLost(self.fileno(), error) from error
        return written


@contextmanager
def standard_streams() -> Iterator[None]:
    """
    Print through streams as above while the block runs, and end the program if that fails.

    Raises:
        SystemExit: What was printed is not written: 141 if nobody reads it, else 15.
    """
    sys.stdout, sys.stderr = _prepared(sys.stdout, 1), _prepared(sys.stderr, 2)
    try:
        try:
            yield
        finally:
            # Inside the outer block: what is left in a buffer may be lost as well.
            sys.stdout.flush()
            sys.stderr.flush()
    except OutputLost as lost:
        raise SystemExit(_ended(lost)) from None


def _prepared(stream: TextIO | None, descriptor: int) -> TextIO:
    """The stream with its encoding; one that is closed goes nowhere."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - lives to the end
    try:
        stream.fileno()
    except (OSError, ValueError):  # a test's, or an embedding program's: there is nothing to lose
        return stream
    raw: IO[bytes] = io.BufferedWriter(_Descriptor(descriptor))
    return io.TextIOWrapper(
        raw,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.isatty() or descriptor == 2,
    )


def _ended(lost: OutputLost) -> ExitCode:
    """The exit status, once it has been said why where somebody may see it."""
    _silence(lost.descriptor)
    if isinstance(lost.cause, BrokenPipeError):
        code = ExitCode.PIPE
    else:
        code = ExitCode.OUTPUT
        name = "standard output" if lost.descriptor == 1 else "standard error"
        # Standard error may be lost as well, and then nobody can be told.
        with suppress(OutputLost):
            print(f"chenu: cannot write {name}: {lost.cause.strerror}", file=sys.stderr, flush=True)
    # Now and not at exit, where the interpreter would complain, and end with a status of its own.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OutputLost as other:
            _silence(other.descriptor)
    return code


def _silence(descriptor: int) -> None:
    """Let the interpreter write what is left to nowhere, instead of complaining at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
