"""Which store a URL names."""

from __future__ import annotations

from chenu_server.infra.db.engine import BUSY_TIMEOUT_MS
from chenu_server.infra.db.postgres import PostgresStore
from chenu_server.infra.db.session import Fenced, Store
from chenu_server.infra.db.sqlite import SqliteStore
from chenu_server.infra.db.urls import is_sqlite


def store_at(
    url: str,
    *,
    ledger_number: int = 0,
    owner: Fenced | None = None,
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
) -> Store:
    """The writer's store at a `sqlite:///` or `postgresql+psycopg://` URL.

    Args:
        url: Where it is.
        ledger_number: The chain that its writer appends to.
        owner: Whose batches they are; on PostgreSQL none is taken once somebody has taken over.
        busy_timeout_ms: How long SQLite waits for another tool's transaction.
    """
    if is_sqlite(url):
        return SqliteStore(url, ledger_number=ledger_number, busy_timeout_ms=busy_timeout_ms)
    return PostgresStore(url, ledger_number=ledger_number, owner=owner)
