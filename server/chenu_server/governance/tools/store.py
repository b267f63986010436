"""Proposed calls as they are stored, read outside any command."""

from __future__ import annotations

import sqlalchemy as sa

from chenu_server.governance.tools.decide import standing_of
from chenu_server.governance.tools.model import Standing, ToolCall
from chenu_server.governance.tools.tables import TOOL_CALLS
from chenu_server.infra.db.reader import Reader


class SqlToolCalls:
    """A `ToolCallReader`. Operations, and their content, stand in the pipeline's tables."""

    def __init__(self, reader: Reader, *, operations: sa.Table, contents: sa.Table) -> None:
        self._reader = reader
        self._operations = operations
        self._contents = contents

    async def get(self, identity_id: str, call_id: str) -> Standing | None:
        """One call, with its operation: of one snapshot."""
        operations, calls = self._operations.c, TOOL_CALLS.c
        # Labelled, for both have an identity: read by bare names one would stand for the other.
        own = [column.label(f"call_{column.name}") for column in calls]
        same = sa.and_(
            operations.identity_id == calls.identity_id, operations.request_id == calls.call_id
        )
        wanted = (
            sa.select(self._operations, *own)
            .join_from(TOOL_CALLS, self._operations, same)
            .where(calls.identity_id == identity_id, calls.call_id == call_id)
        )
        rows = await self._reader.rows(wanted)
        if not rows:
            return None
        row = rows[0]._mapping
        call = ToolCall(**{column.name: row[f"call_{column.name}"] for column in calls})
        return standing_of(rows[0], call)

    async def arguments(self, identity_id: str, call_id: str) -> str | None:
        """Its arguments, byte for byte; None once they are no longer stored."""
        operations, contents = self._operations.c, self._contents.c
        wanted = (
            sa.select(contents.request)
            .join_from(self._contents, self._operations, contents.query_id == operations.id)
            .where(operations.identity_id == identity_id, operations.request_id == call_id)
        )
        rows = await self._reader.rows(wanted)
        return str(rows[0].request) if rows else None

    async def open_of_query(self, identity_id: str, query_id: str) -> list[tuple[str, str]]:
        """Id and checkpoint of each call that a query proposed and that nobody has ended."""
        operations, calls = self._operations.c, TOOL_CALLS.c
        wanted = (
            sa.select(operations.request_id, operations.checkpoint_id)
            .join_from(
                TOOL_CALLS,
                self._operations,
                sa.and_(
                    operations.identity_id == calls.identity_id,
                    operations.request_id == calls.call_id,
                ),
            )
            .where(
                calls.identity_id == identity_id,
                calls.query_id == query_id,
                operations.status.in_(["blocked", "approved"]),
            )
            .order_by(calls.part)
        )
        rows = await self._reader.rows(wanted)
        return [(row.request_id, row.checkpoint_id) for row in rows]
