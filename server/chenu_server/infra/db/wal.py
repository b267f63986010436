"""The write-ahead log of a SQLite file: kept short, and told of when somebody keeps it long.

A reader keeps every page of the log that was written since its snapshot. Once it has left, the
log begins anew, but its file keeps the size of its peak until somebody cuts it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import Final

import structlog

from chenu_server.infra.db.engine import LOG_BYTES

log = structlog.get_logger(__name__)

# The log passes its limit a little on every round; this is no round any more.
_LONG: Final = 2


class Wal:
    """What is known of a file's log, over all the writer's sessions on it."""

    def __init__(self, *, log_bytes: int = LOG_BYTES, busy_timeout_ms: int) -> None:
        self._bytes_max = _LONG * log_bytes
        self._busy_timeout_ms = busy_timeout_ms
        self._moved: int | None = None
        self._told = False

    def tend(self, cursor: sqlite3.Cursor) -> None:
        """Cut a log that has grown too long; warn, once, when a reader keeps it from that."""
        with suppress(sqlite3.Error, OSError):  # the next batch meets whatever is wrong
            size = _size(cursor)
            if size <= self._bytes_max:
                self._short(size)
            else:
                self._cut(cursor, size)

    def _cut(self, cursor: sqlite3.Cursor, size: int) -> None:
        # The decisions behind this one do not wait for a reader that has not ended.
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            kept, pages, moved = cursor.fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms}")
            cursor.fetchone()
        if not kept:
            self._short(0)
        # At the same page as the last time: readers that come and go let it move on, one that stays
        # does not.
        elif moved == self._moved and moved < pages and not self._told:
            self._told = True
            log.warning(
                "wal_kept_by_a_reader",
                bytes=size,
                pages_kept=pages - moved,
                do="end the backup, shell or tool that reads the database file",
            )
        self._moved = None if not kept else moved

    def _short(self, size: int) -> None:
        if self._told:
            log.info("wal_short_again", bytes=size)
        self._told = False
        self._moved = None


def _size(cursor: sqlite3.Cursor) -> int:
    """How long the log's file is; 0 while there is none."""
    for _, name, path in cursor.execute("PRAGMA database_list").fetchall():
        if name == "main":
            with suppress(FileNotFoundError):
                return os.stat(f"{path}-wal").st_size  # noqa: PTH116 - bytes of any name
    return 0
