"""Queries: ask, follow, take up, list, cancel."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from typing import Final

from chenu import errors
from chenu.aio.connection import CALL_TIMEOUT_S, Connection
from chenu.aio.omitted import cursor_before_output, fill_in
from chenu.aio.patience import Patience, is_cut
from chenu.aio.requests import made
from chenu.aio.stream import Attach, Attached, Log
from chenu.api.pipeline.v1 import (
    event_pb2,
    message_pb2,
    pipeline_service_pb2,
    pipeline_service_pb2_grpc,
)
from chenu.ids import new_id

QUERY_TIMEOUT_S: Final = 300.0
WATCH_TIMEOUT_S: Final = 86_400.0
WATCH_CALL_TIMEOUT_S: Final = 600.0
GIVE_UP_S: Final = 30.0


class Pipeline:
    """`PipelineService`. A query is a text, or a `QueryRequest` where more is to be said."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> pipeline_service_pb2_grpc.PipelineServiceAsyncStub:
        return self._connection.stub(pipeline_service_pb2_grpc.PipelineServiceStub)

    async def query(
        self,
        query: str | pipeline_service_pb2.QueryRequest,
        *,
        timeout_s: float = QUERY_TIMEOUT_S,
        give_up_s: float = GIVE_UP_S,
    ) -> pipeline_service_pb2.QueryResponse:
        """
        Run a query and return its whole answer, however long it is.

        It is given a `request_id` if it has none, so that a repeated call is the same query. The
        call is repeated when the connection is lost, or decisions cannot be recorded.
        """
        request, end_s = _request(query), time.monotonic() + timeout_s
        has_heard = self._connection.has_answered
        patience = Patience(give_up_s, end_s, has_heard=has_heard)
        while True:
            left_s = max(0.001, end_s - time.monotonic())
            try:
                response = await self._connection.unary(self._stub.Query, request, left_s)
                # Inside the block: an answer that is fetched in pieces can lose its connection as
                # well, and the same id gives it again.
                await self._complete(response, end_s)
            except errors.ChenuError as error:
                if not (is_cut(error) or isinstance(error, errors.Unavailable)):
                    raise
                # Kept under another name: Python forgets the one of an `except` at the end of its
                # block.
                lost = error
            else:
                return response
            await patience.wait(lost)

    def run(
        self,
        query: str | pipeline_service_pb2.QueryRequest,
        *,
        timeout_s: float = QUERY_TIMEOUT_S,
        give_up_s: float = GIVE_UP_S,
    ) -> Log:
        """
        Run a query and read its log as it is written.

        `timeout_s` is the query's deadline; `give_up_s` is how long a lost connection is sought.
        """
        request = made(pipeline_service_pb2.RunRequest, query=_request(query))
        return Log(
            request_id=request.query.request_id,
            # Without a cursor: a query that is new has no log to be behind in.
            first=lambda _, left_s: self._connection.open(self._stub.Run, request, left_s),
            again=self._watch(request.query.request_id),
            after=None,
            timeout_s=timeout_s,
            raises_outcome=True,
            give_up_s=give_up_s,
        )

    def watch(
        self,
        request_id: str,
        *,
        after: event_pb2.Cursor | None = None,
        timeout_s: float = WATCH_TIMEOUT_S,
        give_up_s: float = GIVE_UP_S,
    ) -> Log:
        """Read a query's log from a cursor to its end, whatever its outcome."""
        watch = self._watch(request_id)
        return Log(
            request_id=request_id,
            first=watch,
            again=watch,
            after=after,
            timeout_s=timeout_s,
            raises_outcome=False,
            give_up_s=give_up_s,
        )

    def resume(
        self,
        request_id: str,
        *,
        after: event_pb2.Cursor | None = None,
        timeout_s: float = QUERY_TIMEOUT_S,
        give_up_s: float = GIVE_UP_S,
    ) -> Log:
        """Run an approved query (`Continue`) and read its log from a cursor."""

        def first(cursor: event_pb2.Cursor, left_s: float) -> Attached:
            request = made(
                pipeline_service_pb2.ContinueRequest, request_id=request_id, after=cursor
            )
            return self._connection.open(self._stub.Continue, request, left_s)

        return Log(
            request_id=request_id,
            first=first,
            again=first,  # if a lost `Continue` has not brought the query to run, nothing else will
            after=after,
            timeout_s=timeout_s,
            raises_outcome=True,
            give_up_s=give_up_s,
        )

    async def get(
        self, request_id: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> pipeline_service_pb2.GetQueryResponse:
        """One query, with its whole answer once it completed."""
        end_s = time.monotonic() + timeout_s
        request = made(pipeline_service_pb2.GetQueryRequest, request_id=request_id)
        response = await self._connection.unary(self._stub.GetQuery, request, timeout_s)
        await self._complete(response, end_s)
        return response

    async def list(
        self,
        *,
        states: Iterable[message_pb2.QueryState.ValueType] = (),
        page_size: int = 0,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> AsyncIterator[message_pb2.Query]:
        """The identity's queries, newest first, page by page as they are read."""
        request = made(pipeline_service_pb2.ListQueriesRequest, states=states, page_size=page_size)
        while True:
            page = await self._connection.unary(self._stub.ListQueries, request, timeout_s)
            for query in page.queries:
                yield query
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def cancel(
        self, request_id: str, *, reason: str = "", timeout_s: float = CALL_TIMEOUT_S
    ) -> message_pb2.Query:
        """End a query at once; a query that has ended stays as it is."""
        request = made(
            pipeline_service_pb2.CancelQueryRequest, request_id=request_id, reason=reason
        )
        answer = await self._connection.unary(self._stub.CancelQuery, request, timeout_s)
        return answer.query

    async def intents(
        self, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> tuple[pipeline_service_pb2.IntentInfo, ...]:
        """All intents and the checkpoint that each one asks for."""
        request = pipeline_service_pb2.ListIntentsRequest()
        answer = await self._connection.unary(self._stub.ListIntents, request, timeout_s)
        return tuple(answer.intents)

    async def _complete(
        self,
        response: pipeline_service_pb2.QueryResponse | pipeline_service_pb2.GetQueryResponse,
        end_s: float,
    ) -> None:
        if response.answer.output_omitted:
            query = response.query
            after, left_s = cursor_before_output(query), end_s - time.monotonic()
            log = self.watch(query.request_id, after=after, timeout_s=max(0.001, left_s))
            await fill_in(response.answer, log)

    def _watch(self, request_id: str) -> Attach:
        def attach(cursor: event_pb2.Cursor, left_s: float) -> Attached:
            request = made(pipeline_service_pb2.WatchRequest, request_id=request_id, after=cursor)
            timeout_s = min(left_s, WATCH_CALL_TIMEOUT_S)
            return self._connection.open(self._stub.Watch, request, timeout_s)

        return attach


def _request(
    query: str | pipeline_service_pb2.QueryRequest,
) -> pipeline_service_pb2.QueryRequest:
    if isinstance(query, str):
        request = made(pipeline_service_pb2.QueryRequest, text=query)
    else:
        request = pipeline_service_pb2.QueryRequest()
        # A copy: the caller's message, sent once more, is meant as another query, and must not
        # carry the id of this one.
        request.CopyFrom(query)
    # A validation claims no id, and has no repeats to be told from.
    if not request.request_id and not request.validate_only:
        request.request_id = new_id()
    return request
