"""A file that a command writes for somebody to keep: whole or not at all, and over no other."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.streams import OutputLost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedWriter


@contextmanager
def new_file(path: Path, *, mode: int = 0o666) -> Iterator[BufferedWriter]:
    """A file that is there, durably, only if the block ends well; none is overwritten."""
    try:
        # With its mode from the start: who opened it before a change could read on after it.
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
    except FileExistsError as error:
        raise fail(ExitCode.USAGE, f"{path} exists; name another file") from error
    except OSError as error:
        raise fail(ExitCode.USAGE, f"cannot write {path}: {error.strerror}") from error
    try:
        with file:
            yield file
            file.flush()
            # An export may be all that is left of a ledger: what is said to be written must survive
            # a power cut.
            os.fsync(file.fileno())
        _write_name(path.parent)
    except BaseException as error:
        # Half an export does not verify, and under its name it would look like a broken ledger.
        path.unlink()
        if isinstance(error, OSError) and not isinstance(error, OutputLost):
            text = f"cannot write {path}: {error.strerror}, so it is removed; make room"
            raise fail(ExitCode.OUTPUT, text) from error
        raise


def _write_name(directory: Path) -> None:
    """Until its directory is written, a file that is written may be gone after a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
