"""The table of owners, and what is asked of it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from chenu_server.infra.db.engine import STATEMENT_TIMEOUT_MS
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.postgres import WRITER_LOCK

OWNERS: Final = sa.Table(
    "owners",
    METADATA,
    sa.Column("owner_id", sa.Text, primary_key=True),
    sa.Column("lock_key", sa.BigInteger, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("lease_until_us", sa.BigInteger, nullable=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="1"),
)

_FIELDS: Final = "owner_id, lock_key, label, started_us, lease_until_us"
_NOW_US: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
ENTER: Final = sa.text(
    f"INSERT INTO owners ({_FIELDS})"
    f" VALUES (:owner_id, :lock_key, :label, {_NOW_US}, {_NOW_US} + :lease_us)"
    " ON CONFLICT (owner_id) DO UPDATE SET lease_until_us = excluded.lease_until_us"
    " RETURNING epoch"
)
# An advisory lock on one bigint shows in pg_locks as its two halves, with objsubid 1.
_IS_LOCKED: Final = (
    "EXISTS (SELECT 1 FROM pg_locks AS l"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND l.classid = ((o.lock_key >> 32) & 4294967295)::oid"
    " AND l.objid = (o.lock_key & 4294967295)::oid)"
)
OTHERS: Final = sa.text(
    f"SELECT o.owner_id, o.lease_until_us, {_IS_LOCKED} AS is_locked"
    " FROM owners AS o WHERE o.owner_id <> :owner_id"
)
# One that has renewed since it was seen to be dead is none: its lock alone may be lost again.
FENCE: Final = sa.text(
    f"UPDATE owners AS o SET epoch = epoch + 1 WHERE o.owner_id = :owner_id AND NOT {_IS_LOCKED}"
    " AND lease_until_us IS NOT DISTINCT FROM CAST(:lease_until_us AS bigint)"
)
# Word for word the condition of the index of what is unfinished: SQLite uses it for nothing else.
_RUNNING: Final = "status IN ('running', 'approved') AND status = 'running'"
LEFT_RUNNING: Final = sa.text(
    f"SELECT identity_id, request_id FROM queries WHERE {_RUNNING} AND owner_id = :owner_id"
    " ORDER BY identity_id, request_id"
)
# Whom no row of `owners` names, whoever took it away: what it runs would hold its money for ever.
NAMED_NOWHERE: Final = sa.text(
    # What a service holds is nobody's to recover: it stands before all owners and is passed by.
    f"SELECT DISTINCT owner_id FROM queries WHERE {_RUNNING}"
    " AND owner_id > '' AND owner_id <> :owner_id"
    " AND NOT EXISTS (SELECT 1 FROM owners AS o WHERE o.owner_id = queries.owner_id)"
)
NAME: Final = sa.text(
    "INSERT INTO owners (owner_id, lock_key, label, started_us, lease_until_us)"
    " VALUES (:owner_id, :lock_key, 'found by what it runs', 0, 0) ON CONFLICT DO NOTHING"
)
# A host that is gone says nothing: its lock is free once the server has asked in vain.
KEEPALIVES: Final = sa.text(
    "SELECT set_config('tcp_keepalives_idle', '5', false),"
    " set_config('tcp_keepalives_interval', '3', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)
# A pool may give the session to another client as it is left.
AS_BEFORE: Final = [
    sa.text(f"RESET tcp_keepalives_{name}") for name in ("idle", "interval", "count")
]
PATIENCE: Final = sa.text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
# Who says so itself needs no lease to be over.
LEFT_US: Final = 0
LEAVE: Final = sa.text(f"UPDATE owners SET lease_until_us = {LEFT_US} WHERE owner_id = :owner_id")
FORGET: Final = sa.text("DELETE FROM owners WHERE owner_id = :owner_id")
# A process may be dead while its last COMMIT is still under way: who looks for what it left must
# wait for that, or would strike off the only name under which its queries are ever found.
AFTER_WRITERS: Final = sa.select(sa.func.pg_advisory_xact_lock(*WRITER_LOCK))
FORGET_UNLESS_NAMED: Final = sa.text(
    "DELETE FROM owners AS o WHERE o.owner_id = :owner_id"
    # It may have come back since it was found dead; who withdraws still holds its own lock.
    f" AND (o.owner_id = :me OR NOT {_IS_LOCKED})"
    " AND NOT EXISTS (SELECT 1 FROM queries WHERE status = 'running' AND owner_id = :owner_id)"
)
# Nobody is left to hear it, to follow anything or to say more.
FORGET_TOLD: Final = [
    sa.text(
        f"DELETE FROM {name} AS told WHERE NOT EXISTS"
        f" (SELECT 1 FROM owners AS o WHERE o.owner_id = told.{column})"
    )
    for name, column in (
        ("query_stops", "owner_id"),
        ("query_watchers", "owner_id"),
        ("query_watchers", "watcher_id"),
        ("query_output", "owner_id"),
    )
]
