"""Stored images and documents: read outside any command, and swept once nothing needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.owner_sql import OWNERS
from chenu_server.infra.db.postgres import WRITER_LOCK
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.urls import is_sqlite
from chenu_server.pipeline.media_records import CHUNK_BYTES
from chenu_server.pipeline.media_tables import FILE_CHUNKS, HELD_FILES, STORED_FILES, USED_FILES

_AFTER_WRITERS: Final = sa.select(sa.func.pg_advisory_xact_lock(*WRITER_LOCK))
# Of one transaction, behind which writers wait.
_HOLDS_AT_A_TIME: Final = 64


class SqlFiles:
    """Files as they are stored."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def read(self, identity_id: str, sha256: str, offset: int, size: int) -> bytes:
        """The bytes of a file from `offset` on, at most `size`; fewer at its end."""
        columns, end = FILE_CHUNKS.c, offset + size
        # Chunks begin at whole multiples alone: the first bytes wanted stand in the one before.
        first = offset - offset % CHUNK_BYTES
        wanted = (
            sa.select(columns.data)
            .where(
                columns.identity_id == identity_id,
                columns.sha256 == bytes.fromhex(sha256),
                columns.offset >= first,
                columns.offset < end,
            )
            .order_by(columns.offset)
        )
        data = b"".join(row.data for row in await self._reader.rows(wanted))
        return data[offset - first : end - first]


class FileSweep:
    """Deletes files that were sent with queries which never came to be recorded.

    A hold is let go of when its process no longer has it, or is no more: the id of a process that
    has died is struck off once all that it left is seen to.
    """

    def __init__(
        self, url: str, reader: Reader, owner_id: str, is_held: Callable[[str], bool]
    ) -> None:
        self._engine = writer_engine(url)
        self._on_sqlite = is_sqlite(url)
        self._reader = reader
        self._owner_id = owner_id
        self._is_held = is_held

    async def sweep(self) -> int:
        """
        Let go of what nobody holds, and delete what nobody uses; how many holds were ended.

        Raises:
            GovernanceUnavailable: The database does not answer.
        """
        loop, ended, after = asyncio.get_running_loop(), 0, ("", b"")
        while True:
            found = await self._reader.rows(self._others(after))
            # Asked after the rows were read: a hold that begins later has an id of its own.
            left = [hold for hold in found if self._lapsed(hold)]
            if left:
                await loop.run_in_executor(None, self._let_go, left)
            ended += len(left)
            if len(found) < _HOLDS_AT_A_TIME:
                return ended
            # Behind them: those that are still held would be found again, for ever.
            after = (found[-1].hold_id, found[-1].sha256)

    def _others(self, after: tuple[str, bytes]) -> sa.Select[Any]:
        """Holds that may have ended: this process's, and those of processes that are no more."""
        columns, known = HELD_FILES.c, sa.select(OWNERS.c.owner_id)
        may_have_ended = sa.or_(columns.owner_id == self._owner_id, columns.owner_id.not_in(known))
        key = (columns.hold_id, columns.sha256)
        behind = sa.tuple_(*key) > after
        wanted = sa.select(HELD_FILES).where(may_have_ended, behind)
        return wanted.order_by(*key).limit(_HOLDS_AT_A_TIME)

    def _lapsed(self, hold: Any) -> bool:
        return hold.owner_id != self._owner_id or not self._is_held(hold.hold_id)

    def _let_go(self, holds: Sequence[Any]) -> None:
        """In one transaction, behind any command that is under way: no command comes between."""
        try:
            with self._engine.begin() as connection:  # on SQLite it takes the lock at once
                # Behind the writers' lock: a command that is just recording a query with this file
                # has committed or not yet looked, and cannot come between the look at who needs it
                # and the deletion.
                if not self._on_sqlite:
                    connection.execute(_AFTER_WRITERS)
                for hold in holds:
                    connection.execute(HELD_FILES.delete().where(*_is_hold(hold)))
                for file in dict.fromkeys((hold.identity_id, hold.sha256) for hold in holds):
                    if not _is_needed(connection, *file):
                        for table in (STORED_FILES, FILE_CHUNKS):
                            connection.execute(table.delete().where(*_is(table, *file)))
        except sa.exc.DBAPIError as error:
            raise GovernanceUnavailable from error


def _is_needed(connection: sa.Connection, identity_id: str, sha256: bytes) -> bool:
    return any(
        connection.execute(
            sa.select(sa.literal(1)).where(*_is(table, identity_id, sha256)).limit(1)
        ).first()
        for table in (USED_FILES, HELD_FILES)
    )


def _is_hold(hold: Any) -> Sequence[sa.ColumnElement[bool]]:
    columns = HELD_FILES.c
    return (columns.hold_id == hold.hold_id, columns.sha256 == hold.sha256)


def _is(table: sa.Table, identity_id: str, sha256: bytes) -> Sequence[sa.ColumnElement[bool]]:
    return (table.c.identity_id == identity_id, table.c.sha256 == sha256)
