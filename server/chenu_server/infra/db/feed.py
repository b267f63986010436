"""What other processes have committed, by the ledger: its entries are in commit order.

Each command that changes an operation leaves an entry about it. So whoever has read up to a
position has been told of everything before it, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from chenu_server.command import Key
from chenu_server.infra.db.ledger_tables import LEDGER_ENTRIES, LEDGER_HEADS
from chenu_server.infra.db.reader import Reader
from chenu_server.vocabulary import OperationKind

PAGE: Final = 1_000
OPERATIONS: Final = frozenset(kind.value for kind in OperationKind)


class Feed:
    """One reader's place in the ledger."""

    def __init__(self, reader: Reader, *, ledger_number: int) -> None:
        self._reader = reader
        self._ledger_number = ledger_number
        self._position = 0
        self._found: dict[Key, None] = {}

    async def begin(self) -> None:
        """
        Take a place behind all that is committed so far.

        Raises:
            GovernanceUnavailable, ServerOverloaded: It cannot be read now.
        """
        self._position = await self._size()

    async def operations(self) -> Sequence[Key]:
        """
        The operations that something was committed of since the last time.

        Raises:
            GovernanceUnavailable, ServerOverloaded: They cannot be read now; nothing is skipped.
        """
        columns = LEDGER_ENTRIES.c
        while True:
            wanted = (
                sa.select(
                    columns.sequence,
                    columns.resource_kind,
                    columns.identity_id,
                    columns.resource_id,
                )
                .where(
                    columns.ledger_number == self._ledger_number,
                    columns.sequence > self._position,
                )
                .order_by(columns.sequence)
                .limit(PAGE)
            )
            rows = await self._reader.rows(wanted)
            for row in rows:
                self._position = row.sequence
                # Kept until they are handed out: the next page may fail to come.
                if row.resource_kind in OPERATIONS:
                    self._found[row.identity_id, row.resource_id] = None
            if len(rows) < PAGE:
                found, self._found = list(self._found), {}
                return found

    async def _size(self) -> int:
        columns = LEDGER_HEADS.c
        wanted = sa.select(columns.size).where(columns.ledger_number == self._ledger_number)
        rows = await self._reader.rows(wanted)
        return int(rows[0][0]) if rows else 0
