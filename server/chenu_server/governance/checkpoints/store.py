"""Checkpoints as they are stored, read outside any command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.checkpoints.ports import CheckpointFilter
from chenu_server.governance.checkpoints.tables import CHECKPOINTS, UNDECIDED, UNUSED
from chenu_server.infra.db.reader import Reader
from chenu_server.vocabulary import CheckpointState


class SqlCheckpoints:
    """A `CheckpointStore`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, identity_id: str, checkpoint_id: str) -> Checkpoint | None:
        """One checkpoint, or None."""
        columns = CHECKPOINTS.c
        wanted = sa.select(CHECKPOINTS).where(
            columns.identity_id == identity_id, columns.checkpoint_id == checkpoint_id
        )
        rows = await self._reader.rows(wanted)
        return Checkpoint(**rows[0]._mapping) if rows else None

    async def page(self, identity_id: str, wanted: CheckpointFilter) -> Sequence[Checkpoint]:
        """Newest first."""
        columns = CHECKPOINTS.c
        query = sa.select(CHECKPOINTS).where(columns.identity_id == identity_id)
        if wanted.states:
            query = query.where(columns.state.in_(wanted.states))
        if wanted.before is not None:
            created_us, checkpoint_id = wanted.before
            older = columns.created_us < created_us
            same = columns.created_us == created_us
            # Of one time the ids ascend, as they are ordered below.
            behind = sa.and_(same, columns.checkpoint_id > checkpoint_id)
            query = query.where(sa.or_(older, behind))
        ordered = query.order_by(columns.created_us.desc(), columns.checkpoint_id)
        rows = await self._reader.rows(ordered.limit(wanted.count))
        return [Checkpoint(**row._mapping) for row in rows]

    async def count_pending(self, identity_id: str) -> int:
        """How many wait for a person."""
        columns = CHECKPOINTS.c
        counted = sa.select(sa.func.count()).where(
            columns.identity_id == identity_id, columns.state == CheckpointState.PENDING
        )
        return int((await self._reader.rows(counted))[0][0])

    async def pending(self, identity_id: str) -> Sequence[str]:
        """The ids of those that wait for a person, oldest first."""
        columns = CHECKPOINTS.c
        wanted = sa.select(columns.checkpoint_id).where(
            columns.identity_id == identity_id, columns.state == CheckpointState.PENDING
        )
        ordered = wanted.order_by(columns.created_us, columns.checkpoint_id)
        return [row[0] for row in await self._reader.rows(ordered)]

    async def some(self, identity_id: str, ids: Sequence[str]) -> Sequence[Checkpoint]:
        """Those of these ids that there are, in this order."""
        columns = CHECKPOINTS.c
        wanted = sa.select(CHECKPOINTS).where(
            columns.identity_id == identity_id, columns.checkpoint_id.in_(ids)
        )
        rows = await self._reader.rows(wanted)
        found = {row.checkpoint_id: Checkpoint(**row._mapping) for row in rows}
        return [found[each] for each in ids if each in found]

    async def lapsed(self, now_us: int, after: str, count: int) -> Sequence[tuple[str, str, str]]:
        """Identity, query and id of checkpoints whose time is over, by id behind `after`."""
        return [tuple(row) for row in await self._reader.rows(lapsed_sql(now_us, after, count))]


def lapsed_sql(now_us: int, after: str, count: int) -> sa.Select[Any]:
    """What `lapsed` asks: of each index of open checkpoints those whose time is over."""
    columns = CHECKPOINTS.c
    keys = (columns.identity_id, columns.request_id, columns.checkpoint_id)
    over = (
        sa.select(*keys).where(waits, until <= now_us, columns.checkpoint_id > after)
        for waits, until in (
            (UNDECIDED, columns.expires_us),
            (UNUSED, columns.use_before_us),
        )
    )
    found = sa.union_all(*over).subquery()
    return sa.select(found).order_by(found.c.checkpoint_id).limit(count)
