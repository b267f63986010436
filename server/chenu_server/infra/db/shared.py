"""The kernel on the SQLite that Python itself uses.

Two copies of the library in a process drop each other's locks on a file. The core links none
(`core_rs/shared_sqlite`) and is given the functions of the one that is there.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import sqlite3
import threading
from typing import Final

import structlog

from chenu_server import engine

log = structlog.get_logger(__name__)

# The table of an older one is shorter than what the core reads of it.
_OLDEST: Final = (3, 34, 1)

_once = threading.Lock()


def share() -> bool:
    """Whether the kernel has SQLite's functions, given to it now if they were not before."""
    with _once:
        return engine.has_sqlite() or _given()


def _given() -> bool:
    try:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise OSError(f"SQLite {sqlite3.sqlite_version} is too old")
        # Through Python's own module: under any other name a second copy might be loaded.
        library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        register, cancel = library.sqlite3_auto_extension, library.sqlite3_cancel_auto_extension
        entry_point = ctypes.c_void_p(engine.sqlite_entry_point())
        # What is registered so is run when a connection is opened, and given the functions.
        register(entry_point)
        try:
            sqlite3.connect(":memory:").close()
        finally:
            # Once is enough: left there, it would be run for every connection of the process.
            cancel(entry_point)
        if not engine.has_sqlite():
            raise OSError("SQLite was built without a table of its functions")
    except (AttributeError, OSError, sqlite3.Error) as error:
        # Nothing is lost but speed: the same batches run statement by statement.
        log.warning("sqlite_hidden", error=str(error), do="use a Python whose sqlite3 is a library")
        return False
    return True
