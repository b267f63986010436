"""Runs `chenu migrate` again and again, each time in a process that may be killed at any step.

A step is each end of a statement and each COMMIT; on SQLite also every few instructions of its
machine, so that a statement that moves many rows is interrupted in its midst. Each line of the
standard input is a JSON list of a URL and the step to be killed at, 0 for none; each line of the
output is one of the exit status, how many steps there were, and before which a COMMIT was sent.
Of what was killed no steps are known.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from chenu_server.__main__ import main as chenu
from chenu_server.cli import migrate as migrate_command
from chenu_server.config import load_settings
from chenu_server.infra.db import migrate

INSTRUCTIONS: Final = 100
_IMPORTED: Final = (psycopg, migrate_command, load_settings, migrate)
"""What the command imports when it runs, so that no fork has to."""


class Steps:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self.count = 0
        self.commits: list[int] = []
        self._kill_at = kill_at
        for name in ("before_cursor_execute", "after_cursor_execute"):
            sa.event.listen(sa.Engine, name, self._step)
        sa.event.listen(sa.Engine, "commit", self._commit)
        sa.event.listen(sa.Pool, "connect", self._connected)

    def _step(self, *_: Any) -> int:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def _commit(self, _: sa.Connection) -> None:
        self._step()
        self.commits.append(self.count)

    def _connected(self, connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_progress_handler(self._step, INSTRUCTIONS)


def forked(url: str, kill_at: int) -> tuple[int, int, list[int]]:
    """Migrate in a process of its own: its exit status, its steps, and which were a COMMIT."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _migrate(url, kill_at, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        steps, commits = json.loads(told.read() or "[0, []]")
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), steps, commits


def _migrate(url: str, kill_at: int, writing: int) -> None:
    """What the process does; it never returns."""
    os.dup2(2, 1)  # what the command prints is no answer
    sys.argv = ["chenu", "migrate", "--set", f"database.url={url}"]
    steps, status = Steps(kill_at), 1
    try:
        chenu()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        os.write(writing, json.dumps([steps.count, steps.commits]).encode())
        os._exit(status)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(forked(*json.loads(line))), flush=True)  # noqa: T201 - read by the test
