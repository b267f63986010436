"""Queries as they are stored, read outside any command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from chenu_server.infra.db.reader import Reader
from chenu_server.pipeline.ports import QueryFilter, Stored
from chenu_server.pipeline.records import EventSegment, Operation, OutputChunk, QueryContent
from chenu_server.pipeline.tables import (
    IS_QUERY,
    OUTPUT_CHUNKS,
    OUTPUT_CHUNKS_MAP,
    QUERIES,
    QUERIES_MAP,
    QUERY_ALIASES,
    QUERY_CONTENTS_MAP,
    QUERY_EVENTS,
    QUERY_EVENTS_MAP,
    UNFINISHED,
)
from chenu_server.vocabulary import OperationKind, QueryStatus


class SqlQueries:
    """The part of a `QueryStore` that stands in the pipeline's own tables."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, identity_id: str, request_id: str) -> Operation | None:
        """One query, by any of its ids, or None."""
        rows = await self._reader.rows(_by_id(identity_id, request_id))
        if not rows:
            # Nearly every id is a query's own, so the second look is not joined to the first.
            rows = await self._reader.rows(_by_alias(identity_id, request_id))
        return Operation(**rows[0]._mapping) if rows else None

    async def page(self, identity_id: str, wanted: QueryFilter) -> Sequence[Operation]:
        """Newest first."""
        rows = await self._reader.rows(page_sql(identity_id, wanted))
        return [Operation(**row._mapping) for row in rows]

    async def whole(self, identity_id: str, request_id: str) -> Stored:
        """A query's row, all its events and output: of one snapshot."""
        events = QUERY_EVENTS_MAP.select().where(*_is(QUERIES, identity_id, request_id))
        events = events.order_by(QUERY_EVENTS.c.first_sequence)

        # Read one by one, a settle in between would show the end of an answer without its text.
        def read(connection: sa.Connection) -> Stored:
            queries = connection.execute(_by_id(identity_id, request_id)).all()
            queries = queries or connection.execute(_by_alias(identity_id, request_id)).all()
            segments = connection.execute(events).all()
            chunks = connection.execute(_chunks_of(identity_id, request_id)).all()
            return Stored(
                query=Operation(**queries[0]._mapping) if queries else None,
                segments=[EventSegment(**row._mapping) for row in segments],
                chunks=[OutputChunk(**row._mapping) for row in chunks],
            )

        return await self._reader.run(read)

    async def chunks(self, identity_id: str, request_id: str) -> Sequence[OutputChunk]:
        """The stored output, in order."""
        rows = await self._reader.rows(_chunks_of(identity_id, request_id))
        return [OutputChunk(**row._mapping) for row in rows]

    async def content(self, identity_id: str, request_id: str) -> QueryContent | None:
        """What the query was asked, or None."""
        wanted = QUERY_CONTENTS_MAP.select().where(*_is(QUERIES, identity_id, request_id))
        rows = await self._reader.rows(wanted)
        return QueryContent(**rows[0]._mapping) if rows else None

    async def to_resume(self) -> Sequence[Operation]:
        """Approved queries that said `resume_on_approval`."""
        columns = QUERIES.c
        wanted = QUERIES_MAP.select().where(
            UNFINISHED, columns.status == QueryStatus.APPROVED, columns.resume_on_approval.is_(True)
        )
        return [Operation(**row._mapping) for row in await self._reader.rows(wanted)]

    async def arrivals_since(self, since_us: int) -> Sequence[tuple[str, int]]:
        """Identity and arrival time of the asks of the last while, oldest first."""
        asked, attached = (
            sa.select(table.c.identity_id, table.c.created_us).where(table.c.created_us >= since_us)
            # An ask that was attached to a waiting query has no row of its own there, and counted
            # as new work all the same.
            for table in (QUERIES, QUERY_ALIASES)
        )
        # What a model proposes was asked by nobody.
        asked = asked.where(QUERIES.c.kind != OperationKind.TOOL_CALL)
        arrived = sa.union_all(asked, attached).subquery()
        rows = await self._reader.rows(sa.select(arrived).order_by(arrived.c.created_us))
        return [(row.identity_id, row.created_us) for row in rows]


def page_sql(identity_id: str, wanted: QueryFilter) -> sa.Select[Any]:
    """What `page` asks."""
    columns = QUERIES.c
    query = QUERIES_MAP.select().where(columns.identity_id == identity_id, IS_QUERY)
    if wanted.statuses:
        query = query.where(columns.status.in_(wanted.statuses))
    if wanted.before is not None:
        created_us, request_id = wanted.before
        older = columns.created_us < created_us
        # Of one time the ids ascend, as they are ordered below.
        behind = sa.and_(columns.created_us == created_us, columns.request_id > request_id)
        query = query.where(sa.or_(older, behind))
    return query.order_by(columns.created_us.desc(), columns.request_id).limit(wanted.count)


def _by_id(identity_id: str, request_id: str) -> sa.Select[Any]:
    return QUERIES_MAP.select().where(*_is(QUERIES, identity_id, request_id), IS_QUERY)


def _chunks_of(identity_id: str, request_id: str) -> sa.Select[Any]:
    columns = OUTPUT_CHUNKS.c
    wanted = OUTPUT_CHUNKS_MAP.select().where(*_is(QUERIES, identity_id, request_id))
    return wanted.order_by(columns.attempt, columns.part, columns.offset)


def _by_alias(identity_id: str, request_id: str) -> sa.Select[Any]:
    """The first query of an id that is another name of it."""
    columns = QUERY_ALIASES.c
    same = sa.and_(
        QUERIES.c.identity_id == columns.identity_id,
        QUERIES.c.request_id == columns.first_request_id,
    )
    named = QUERIES_MAP.select().join(QUERY_ALIASES, same)
    return named.where(*_is(QUERY_ALIASES, identity_id, request_id))


def _is(table: sa.Table, identity_id: str, request_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.c.identity_id == identity_id, table.c.request_id == request_id)
