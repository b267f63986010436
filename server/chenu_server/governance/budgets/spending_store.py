"""Reservations of services as they are stored, read outside any command."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from chenu_server.governance.budgets.spending_decide import ask_from, spending_of
from chenu_server.governance.budgets.spending_model import ReserveAsk, Spending
from chenu_server.governance.budgets.tables import LAPSING, RESERVATIONS
from chenu_server.infra.db.reader import Reader
from chenu_server.vocabulary import OperationKind, QueryStatus


class SqlSpendings:
    """A `SpendingReader`. Operations, and what they were asked, stand in the pipeline's tables."""

    def __init__(self, reader: Reader, *, operations: sa.Table, contents: sa.Table) -> None:
        self._reader = reader
        self._operations = operations
        self._contents = contents

    async def get(self, identity_id: str, request_id: str) -> Spending | None:
        """One reservation, with what was asked and until when it is held."""
        operations, contents, holds = self._operations, self._contents, RESERVATIONS
        # A refused one never held anything, and has no row there.
        joined = operations.join(contents, contents.c.query_id == operations.c.id).outerjoin(
            holds, holds.c.query_id == operations.c.id
        )
        wanted = (
            sa.select(operations, contents.c.request, holds.c.expires_us)
            .select_from(joined)
            .where(
                operations.c.identity_id == identity_id,
                operations.c.request_id == request_id,
                operations.c.kind == OperationKind.RESERVATION,
            )
        )
        rows = await self._reader.rows(wanted)
        if not rows:
            return None
        row = rows[0]
        ended = row.status.is_final or row.expires_us is None  # nothing was ever held
        asked = ask_from(row.request_id, row.request)
        return spending_of(row, asked, expires_us=0 if ended else row.expires_us)

    async def asked(self, identity_id: str, request_id: str) -> ReserveAsk:
        """What a reservation that there is was asked for. It never changes."""
        operations, contents = self._operations.c, self._contents.c
        wanted = (
            sa.select(contents.request)
            .join_from(self._contents, self._operations, contents.query_id == operations.id)
            .where(operations.identity_id == identity_id, operations.request_id == request_id)
        )
        rows = await self._reader.rows(wanted)
        return ask_from(request_id, rows[0].request)

    async def lapsed(
        self, now_us: int, after: tuple[int, str, str], count: int
    ) -> Sequence[tuple[int, str, str]]:
        """Time, identity and id of what is out of time, in this order behind `after`."""
        rows = await self._reader.rows(lapsed_sql(self._operations, now_us, after, count))
        return [(row.expires_us, row.identity_id, row.request_id) for row in rows]


def lapsed_sql(
    operations: sa.Table, now_us: int, after: tuple[int, str, str], count: int
) -> sa.Select[tuple[int, str, str]]:
    """What `lapsed` asks: of held money without an owner, what is over and waits for nobody."""
    holds = RESERVATIONS.c
    over = (
        sa.select(holds.expires_us, holds.query_id)
        # By itself, for the index knows this one alone.
        .where(LAPSING, holds.expires_us <= now_us, holds.expires_us >= after[0])
        .subquery()
    )
    place = (over.c.expires_us, operations.c.identity_id, operations.c.request_id)
    return (
        sa.select(*place)
        .join_from(over, operations, operations.c.id == over.c.query_id)
        .where(
            sa.tuple_(*place) > sa.tuple_(*map(sa.literal, after)),
            operations.c.kind == OperationKind.RESERVATION,
            # What waits for a person ends with its checkpoint.
            operations.c.status == QueryStatus.RUNNING,
        )
        .order_by(*place)
        .limit(count)
    )
