"""Plain connections to PostgreSQL, beside the writer's and the readers'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from psycopg.rows import TupleRow

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.pgpipeline import ServerLost, ServerRefused

Connection = psycopg.Connection[TupleRow]


def connected(engine: sa.Engine) -> Connection:
    """A connection of its own to where writes are taken, on which nothing is open."""
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    # SQLAlchemy has opened it where writes are taken, and from here on must not roll it back or
    # close it.
    pooled.detach()
    assert isinstance(connection, psycopg.Connection)
    connection.rollback()
    connection.autocommit = True
    return connection


@contextmanager
def refusing() -> Iterator[None]:
    """
    Inside, whatever the database or the way to it refuses is one error.

    Raises:
        GovernanceUnavailable: The database does not answer.
    """
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError, ServerRefused, ServerLost) as error:
        raise GovernanceUnavailable from error
