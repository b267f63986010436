"""Provider slots as they are stored, read outside any command."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from chenu_server.governance.limits.model import HOLD_SLOT, RETIRED_US
from chenu_server.governance.limits.ports import SlotUse
from chenu_server.governance.limits.tables import SLOTS
from chenu_server.governance.limits.times import times_after
from chenu_server.infra.db.reader import Reader


class SqlSlots:
    """A `SlotReader`. `limit_of` is how many slots a provider may have, made or not."""

    def __init__(
        self, reader: Reader, *, limit_of: Callable[[str], int], ledger_number: int = 0
    ) -> None:
        self._reader = reader
        self._limit_of = limit_of
        self._ledger_number = ledger_number

    async def use(self, now_us: int) -> Mapping[str, SlotUse]:
        """Taken slots by provider."""
        columns = SLOTS.c
        # Those that a lowered limit took away stand at a time that no clock comes to.
        is_taken = sa.between(columns.free_at_us, now_us + 1, RETIRED_US - 1)
        taken = (
            sa.select(
                columns.provider,
                sa.func.count().filter(is_taken).label("in_use"),
                sa.func.min(columns.free_at_us).filter(is_taken).label("next_free_us"),
                sa.func.min(columns.free_at_us).label("held"),
            )
            .where(
                columns.ledger_number == self._ledger_number,
                # The end of a hold stands negated: in force it lies below the time that it is now,
                # negated too.
                sa.or_(is_taken, columns.free_at_us < -now_us),
            )
            .group_by(columns.provider)
        )
        rows = await self._reader.rows(taken)
        return {
            row.provider: SlotUse(row.in_use, row.next_free_us or 0, max(-row.held, 0))
            for row in rows
        }

    async def free_times(self, provider: str, count: int) -> tuple[int, ...]:
        """The earliest first."""
        columns = SLOTS.c
        of_provider = (
            columns.ledger_number == self._ledger_number,
            columns.provider == provider,
            columns.free_at_us < RETIRED_US,
        )
        wanted = sa.select(columns.free_at_us).where(*of_provider).order_by(columns.free_at_us)
        # One more than asked for: the first row may be a hold, which is no slot.
        times = [row.free_at_us for row in await self._reader.rows(wanted.limit(count + 1))]
        if not times or times[0] >= 0:
            return tuple(times[:count])
        until_us = -times.pop(0)
        created = sa.select(sa.func.count()).where(*of_provider, columns.slot < HOLD_SLOT)
        (row,) = await self._reader.rows(created)
        return times_after(until_us, times, self._limit_of(provider) - row[0], count)
