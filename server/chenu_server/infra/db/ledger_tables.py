"""The ledger's tables, and each writer's last batch. Written by the writer alone."""

from __future__ import annotations

from typing import Final, NamedTuple

import sqlalchemy as sa

from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import TableMap

ZERO_HASH: Final = bytes(32)

LEDGER_HEADS: Final = sa.Table(
    "ledger_heads",
    METADATA,
    sa.Column("ledger_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("last_hash", sa.LargeBinary, nullable=False),
    sa.Column("last_time_us", sa.BigInteger, nullable=False),
)

LEDGER_ENTRIES: Final = sa.Table(
    "ledger_entries",
    METADATA,
    sa.Column("ledger_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry_id", sa.Text, nullable=False, unique=True),
    sa.Column("batch_id", sa.Text, nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("identity_id", sa.Text, nullable=False),
    sa.Column("principal_type", sa.Text, nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("resource_kind", sa.Text, nullable=False),
    sa.Column("resource_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("canonical", sa.LargeBinary, nullable=False),
    sa.Column("entry_hash", sa.LargeBinary, nullable=False),
    sa.Index("ix_ledger_entries_identity", "identity_id", "ledger_number", "sequence"),
    sa.Index("ix_ledger_entries_resource", "resource_id", "resource_kind"),
)

# Apart from the entries, so that a payload and its salt can be erased without breaking the chain.
LEDGER_PAYLOADS: Final = sa.Table(
    "ledger_payloads",
    METADATA,
    sa.Column("entry_id", sa.Text, primary_key=True),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

# One row per writer, replaced by each of its batches: it never acts before it knows what became
# of its last one, so the last one is all that is ever asked for.
BATCHES: Final = sa.Table(
    "batches",
    METADATA,
    sa.Column("writer_id", sa.Text, primary_key=True),
    sa.Column("batch_id", sa.Text, nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


class HeadRow(NamedTuple):
    """Where a chain ends. `last_time_us` is its last batch's time; no later one is before it."""

    ledger_number: int
    origin: str
    size: int
    last_hash: bytes
    last_time_us: int


class EntryRow(NamedTuple):
    """One sealed entry; the columns before `canonical` repeat parts of it, to query by."""

    ledger_number: int
    sequence: int
    entry_id: str
    batch_id: str
    time_us: int
    decision: str
    action: str
    identity_id: str
    principal_type: str
    principal_id: str
    resource_kind: str
    resource_id: str
    reason: str
    canonical: bytes
    entry_hash: bytes


class PayloadRow(NamedTuple):
    """What an entry's payload digest was made from."""

    entry_id: str
    salt: bytes
    payload: str


class BatchRow(NamedTuple):
    """The last batch that a writer committed."""

    writer_id: str
    batch_id: str
    time_us: int


HEADS_MAP: Final = TableMap(HeadRow, LEDGER_HEADS)
ENTRIES_MAP: Final = TableMap(EntryRow, LEDGER_ENTRIES, append_only=True)
PAYLOADS_MAP: Final = TableMap(PayloadRow, LEDGER_PAYLOADS, append_only=True)
BATCHES_MAP: Final = TableMap(BatchRow, BATCHES)
# What the kernel writes when a batch ends.
LEDGER_MAPS: Final = (HEADS_MAP, ENTRIES_MAP, PAYLOADS_MAP, BATCHES_MAP)


def other_ledger(found: int, number: int) -> str:
    """Why nothing may be decided here: what counts for a database counts for one ledger."""
    return (
        f"the database holds ledger {found}, and ledger.number is {number} here; all servers of a"
        " database write one ledger"
    )
