"""Violations as they are stored, read outside any command."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from chenu_server.governance.identity.model import Violation
from chenu_server.governance.identity.ports import ViolationFilter
from chenu_server.governance.identity.tables import VIOLATIONS
from chenu_server.infra.db.reader import Reader


class SqlViolations:
    """A `ViolationStore`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def page(self, wanted: ViolationFilter) -> Sequence[Violation]:
        """Newest first, then by id; only those after `before` in that order."""
        columns = VIOLATIONS.c
        query = sa.select(VIOLATIONS).order_by(columns.time_us.desc(), columns.violation_id)
        if wanted.source_identity is not None:
            query = query.where(columns.source_identity == wanted.source_identity)
        if wanted.before is not None:
            time_us, violation_id = wanted.before
            # Of one time the ids ascend, as they are ordered above.
            behind = sa.and_(columns.time_us == time_us, columns.violation_id > violation_id)
            query = query.where(sa.or_(columns.time_us < time_us, behind))
        rows = await self._reader.rows(query.limit(wanted.count))
        return [Violation(**row._mapping) for row in rows]
