"""Provider slots as they are stored, read outside any unit."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from chenu_server.governance.limits.model import RETIRED_US
from chenu_server.governance.limits.ports import SlotUse
from chenu_server.governance.limits.tables import SLOTS
from chenu_server.infra.db.reader import Reader


class SqlSlots:
    """A `SlotReader`."""

    def __init__(self, reader: Reader, *, ledger_number: int = 0) -> None:
        self._reader = reader
        self._ledger_number = ledger_number

    async def use(self, now_us: int) -> Mapping[str, SlotUse]:
        """Taken slots by provider."""
        columns = SLOTS.c
        taken = (
            sa.select(
                columns.provider,
                sa.func.count().label("in_use"),
                sa.func.min(columns.free_at_us).label("next_free_us"),
            )
            .where(
                columns.ledger_number == self._ledger_number,
                columns.free_at_us > now_us,
                columns.free_at_us < RETIRED_US,
            )
            .group_by(columns.provider)
        )
        rows = await self._reader.rows(taken)
        return {row.provider: SlotUse(row.in_use, row.next_free_us) for row in rows}

    async def free_times(self, provider: str, count: int) -> tuple[int, ...]:
        """The earliest first."""
        columns = SLOTS.c
        wanted = (
            sa.select(columns.free_at_us)
            .where(
                columns.ledger_number == self._ledger_number,
                columns.provider == provider,
                columns.free_at_us < RETIRED_US,
            )
            .order_by(columns.free_at_us)
            .limit(count)
        )
        return tuple(row.free_at_us for row in await self._reader.rows(wanted))
