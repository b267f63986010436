"""What the command's exit status says. Scripts rely on it: numbers are never reused.

| status | name | when |
|---|---|---|
| 0 | `OK` | it did what was asked |
| 1 | `FAILED` | a bug, here or in the server |
| 2 | `USAGE` | the command line, or a field of the request, is not acceptable |
| 3 | `UNAUTHENTICATED` | the token is missing, not valid or expired |
| 4 | `DENIED` | a role, an identity's boundary or a policy forbids it |
| 5 | `BLOCKED` | a person must approve first; nothing ran |
| 6 | `STOPPED` | the query was rejected, expired, cancelled, cut or ran out of time |
| 7 | `BUDGET` | no budget covers it, or no price is known |
| 8 | `BUSY` | there is no room now; the message says when there is |
| 9 | `PROVIDER` | no model fits, or every provider failed |
| 10 | `CONFLICT` | it does not go with what is stored |
| 11 | `NOT_FOUND` | there is no such thing |
| 12 | `UNAVAILABLE` | the server cannot be reached, or cannot record decisions |
| 13 | `BROKEN` | the ledger, or an export of it, does not verify |
| 14 | `CONFIG` | the configuration or the database's schema is not usable |
| 15 | `OUTPUT` | what it printed could not be written: a full disk, a lost terminal |
| 130 | `INTERRUPTED` | Ctrl-C |
| 141 | `PIPE` | whoever read what it printed has stopped reading, as `head` does; nothing is said |
"""

from __future__ import annotations

import enum

import typer

from chenu_server.cli.output import note


class ExitCode(enum.IntEnum):
    """The statuses of the table above."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAUTHENTICATED = 3
    DENIED = 4
    BLOCKED = 5
    STOPPED = 6
    BUDGET = 7
    BUSY = 8
    PROVIDER = 9
    CONFLICT = 10
    NOT_FOUND = 11
    UNAVAILABLE = 12
    BROKEN = 13
    CONFIG = 14
    OUTPUT = 15
    INTERRUPTED = 130
    PIPE = 141  # 128 + SIGPIPE: what a shell shows for a program that the signal ended


def fail(code: ExitCode, text: str) -> typer.Exit:
    """Say on standard error why the command ends with `code`; raise what this returns."""
    note(f"chenu: {text}")
    return typer.Exit(code)
