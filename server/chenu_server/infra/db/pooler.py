"""Finds out at start whether a connection pooler stands before PostgreSQL, and which kind.

The writer's and the owner's locks are a session's. A pooler that gives each transaction another
server connection (PgBouncer's `pool_mode = transaction`) gives one server's lock to another: both
would take themselves for the owner of what runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

import psycopg

from chenu_server.infra.db import hosts
from chenu_server.infra.db.engine import connect_parameters
from chenu_server.infra.db.pgask import ANSWER_WITHIN_S, ask
from chenu_server.infra.db.pgpipeline import ServerLost, ServerRefused
from chenu_server.infra.db.urls import is_sqlite

_PID: Final = "SELECT pg_backend_pid()"
# Others' calls may hide in one round what a pooler does; not in several.
_ROUNDS: Final = 5


class UnfitPooler(Exception):
    """A pooler stands before the database that does not keep a session together."""

    def __init__(self) -> None:
        super().__init__(
            "database.url leads to a connection pooler that changes the session between"
            " transactions, and with it the locks of this server; set its pool_mode to session"
            " for this database, or name PostgreSQL itself"
        )


class TooFewConnections(psycopg.OperationalError):
    """The second connection is not to be had while the first one is open."""


def check(url: str) -> None:
    """Make sure that what stands at `url` keeps a session together; SQLite does. Blocks, briefly.

    Two connections at most, and no wait of more than a few seconds for either.

    Raises:
        UnfitPooler: It does not.
        psycopg.OperationalError: The database does not answer.
    """
    if is_sqlite(url):
        return
    parameters = connect_parameters(url)
    try:
        with closing(hosts.connect(parameters, reading=False)) as one, _second(parameters) as two:
            # What a pooler says at login is not the number of the process behind it.
            direct = all(int(ask(it, _PID)[0]) == it.info.backend_pid for it in (one, two))
            for _ in range(1 if direct else _ROUNDS):
                _compare(one, two)
    except (ServerLost, ServerRefused) as error:
        raise psycopg.OperationalError(str(error)) from error


@contextmanager
def _second(parameters: dict[str, object]) -> Iterator[hosts.Connection]:
    try:
        connection = hosts.connect(parameters, reading=False)
    except psycopg.OperationalError as error:
        raise TooFewConnections(
            f"it gave one connection and no second within {ANSWER_WITHIN_S:.0f} s, and this server"
            " holds several at once (3 + database.reader_threads); raise the pool's size"
        ) from error
    with closing(connection):
        yield connection


def _compare(one: hosts.Connection, two: hosts.Connection) -> None:
    """While `two` is in a transaction, `one` must still be where it was."""
    before = ask(one, _PID)
    with _transaction(two):
        # The order matters: with one server connection in all, `one` would wait for `two`.
        if ask(two, _PID) == before:
            raise UnfitPooler
        with _transaction(one):
            if ask(one, _PID) != before:
                raise UnfitPooler


@contextmanager
def _transaction(connection: hosts.Connection) -> Iterator[None]:
    try:
        ask(connection, "BEGIN")
    except ServerRefused as error:
        # PostgreSQL itself never refuses a transaction; a statement pooler always does.
        raise UnfitPooler from error
    except ServerLost as error:
        if is_statement_pooler(error):
            raise UnfitPooler from error
        raise
    try:
        yield
    finally:
        with suppress(ServerLost, ServerRefused):
            ask(connection, "ROLLBACK")


def is_statement_pooler(error: BaseException | None) -> bool:
    """Whether what gave a connection has cut it because it knows no transactions."""
    return "in statement pooling mode" in str(error)
