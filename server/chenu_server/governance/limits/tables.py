"""Provider slots in SQL."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from chenu_server.governance.limits.model import (
    HOLD_SLOT,
    RETIRED_US,
    Slot,
)
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import LookupSql, TableMap

SLOTS: Final = sa.Table(
    "provider_slots",
    METADATA,
    sa.Column("ledger_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("free_at_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("slot >= 0", "ck_provider_slots_slot"),
    sa.Index("ix_provider_slots_oldest", "ledger_number", "provider", "free_at_us", "slot"),
    sqlite_with_rowid=False,
)

_OF_PROVIDER: Final = (SLOTS.c.ledger_number, SLOTS.c.provider)
_IN_USE: Final = f"ledger_number = {{0}} AND provider = {{1}} AND free_at_us < {RETIRED_US}"


SLOTS_MAP: Final = TableMap(
    Slot,
    SLOTS,
    lookups={
        "oldest_of_provider": LookupSql(
            keys=_OF_PROVIDER, where=_IN_USE, order_by="free_at_us, slot"
        ),
        "last_of_provider": LookupSql(
            keys=_OF_PROVIDER,
            where=(
                "ledger_number = {0} AND provider = {1} AND slot = (SELECT last.slot"
                " FROM provider_slots AS last WHERE last.ledger_number = {0}"
                # The `+` keeps SQLite from reading every slot by the other index.
                f" AND last.provider = {{1}} AND last.slot < {HOLD_SLOT}"
                f" AND +last.free_at_us < {RETIRED_US}"
                " ORDER BY last.slot DESC LIMIT 1)"
            ),
            limited=False,
        ),
    },
)

MAPS: Final = (SLOTS_MAP,)
