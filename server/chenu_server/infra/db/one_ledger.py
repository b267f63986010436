"""One ledger for each database: whoever writes another would count limits apart.

Slots of providers are counted for each ledger, so two ledgers beside each other would let through
twice what a provider allows.
"""

from __future__ import annotations

import sqlalchemy as sa

from chenu_server.infra.db.engine import reader_engine
from chenu_server.infra.db.ledger_tables import LEDGER_HEADS, other_ledger
from chenu_server.infra.db.owners import StoreInUse


def check(url: str, number: int) -> None:
    """Make sure that the database at `url` holds no other ledger than this one. Blocks.

    A database has none before its first entry; after it every transaction looks again.

    Raises:
        StoreInUse: It does.
        sqlalchemy.exc.DBAPIError: The database does not answer.
    """
    others = sa.select(LEDGER_HEADS.c.ledger_number).where(LEDGER_HEADS.c.ledger_number != number)
    engine = reader_engine(url, connections=1)
    try:
        with engine.connect() as connection:
            other = connection.scalar(others)
    finally:
        engine.dispose()
    if other is not None:
        raise StoreInUse(other_ledger(other, number))
