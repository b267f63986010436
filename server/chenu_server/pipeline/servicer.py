"""PipelineService over gRPC. Decodes, calls, encodes; decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, nullcontext
from typing import Any

import grpc

from chenu.api.governance.v1 import action_pb2, checkpoint_pb2
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import pipeline_service_pb2_grpc as pb_grpc
from chenu_server.caller import Caller, Principal
from chenu_server.errors import InvalidField
from chenu_server.infra.rpc.context import current_call, current_caller
from chenu_server.infra.rpc.fields import needed_id
from chenu_server.infra.rpc.paging import page_of, place_of, shown_of
from chenu_server.infra.rpc.reasons import reason_from
from chenu_server.pipeline import convert, encode, records
from chenu_server.pipeline.attachments import Attachments
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.decide import error_of, parts_of
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.media_convert import media_bytes
from chenu_server.pipeline.model import START, Cursor, QueryRequest
from chenu_server.pipeline.ports import QueryFilter, QueryStore, Validation
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.service import PipelineService
from chenu_server.pipeline.state import QueryState
from chenu_server.vocabulary import EventKind, Intent, QueryStatus

Context = grpc.aio.ServicerContext[object, object]


class PipelineServicer(pb_grpc.PipelineServiceServicer):
    """Serves `PipelineService`; every refusal is raised and mapped by the interceptor."""

    def __init__(
        self,
        pipeline: PipelineService,
        store: QueryStore,
        attachments: Attachments,
        *,
        coalesce_s: float,
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._attachments = attachments
        self._coalesce_s = coalesce_s

    async def Query(  # noqa: N802 - the wire name
        self, request: pb.QueryRequest, context: Context
    ) -> Any:
        """Run one query and answer it whole, in a `QueryResponse` or its bytes."""
        caller = current_caller()
        wanted = await _read(request, caller.principal)
        if wanted.validate_only:
            return _validation(*await self._pipeline.validate(caller, wanted))
        run = self._start(caller, wanted, context)
        with run.attached():
            # Attached while it waits: with the last caller that leaves, the query is let go of soon
            # after.
            query = await run.log.rest()
        await self._raise_unless_completed(query)
        # A long answer is not even put together: it is said to be left out, and the log has it.
        return encode.answered(query, run.log.parts if encode.may_fit(query) else ())

    async def Run(  # noqa: N802 - the wire name
        self, request: pb.RunRequest, context: Context
    ) -> AsyncIterator[pb.RunResponse]:
        """Run one query and stream its log; the status is the outcome."""
        caller = current_caller()
        wanted = await _read(request.query, caller.principal)
        if wanted.validate_only:
            raise InvalidField("query.validate_only", "a validation has no log; use Query")
        # The place first: a query for whose log there is no room must not begin, for it would cost
        # and nobody would read it.
        with self._attachments.opened(caller.identity_id):
            run = self._start(caller, wanted, context)
            async with aclosing(self._stream(run, START, until_blocked=True)) as events:
                async for event in events:
                    yield pb.RunResponse(event=event)

    def _start(self, caller: Caller, wanted: QueryRequest, context: Context) -> QueryRun:
        keep = current_call().keep_body
        return self._pipeline.start(caller, wanted, context.time_remaining(), keep=keep)

    async def Watch(  # noqa: N802 - the wire name
        self, request: pb.WatchRequest, context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        """Attach to a query's log at any cursor; OK after the final event."""
        caller, after = current_caller(), convert.cursor_from(request.after)
        request_id = needed_id(request.request_id, "request_id")
        with self._attachments.opened(caller.identity_id):
            source = await self._pipeline.watch(caller, request_id)
            async with aclosing(self._stream(source, after, with_outcome=False)) as events:
                async for event in events:
                    yield pb.WatchResponse(event=event)

    async def Continue(  # noqa: N802 - the wire name
        self, request: pb.ContinueRequest, context: Context
    ) -> AsyncIterator[pb.ContinueResponse]:
        """Run an approved query and stream its log; the status is the outcome."""
        caller, after = current_caller(), convert.cursor_from(request.after)
        request_id = needed_id(request.request_id, "request_id")
        with self._attachments.opened(caller.identity_id):
            source = await self._pipeline.resume(caller, request_id, context.time_remaining())
            query = source.query if isinstance(source, QueryLog) else source.log.query
            # Asked before the log is followed: that of a query which waits for a person does not
            # end, and the caller would wait with it.
            if query is not None and query.status is QueryStatus.BLOCKED:
                raise await self._store.pending(query)
            async with aclosing(self._stream(source, after)) as events:
                async for event in events:
                    yield pb.ContinueResponse(event=event)

    async def GetQuery(  # noqa: N802 - the wire name
        self, request: pb.GetQueryRequest, context: Context
    ) -> Any:
        """One query of the caller's identity, with its answer if it has one; likewise."""
        caller = current_caller()
        request_id = needed_id(request.request_id, "request_id")
        query = await self._pipeline.get(caller, request_id)
        if query.status is QueryStatus.COMPLETED:
            return encode.answered(query, await self._parts_of(query))
        return pb.GetQueryResponse(query=encode.query_of(query))

    async def _parts_of(self, query: records.Operation) -> tuple[Part, ...]:
        """The stored output; none if it would not fit in an answer anyway."""
        if not encode.may_fit(query):
            return ()
        return parts_of(await self._store.chunks(query.identity_id, query.request_id))

    async def ListQueries(  # noqa: N802 - the wire name
        self, request: pb.ListQueriesRequest, context: Context
    ) -> pb.ListQueriesResponse:
        """A page of the identity's queries, newest first."""
        caller = current_caller()
        # Each once: a page's token belongs to the filter as it is written here.
        statuses = tuple(
            convert.state_from(number, "states") for number in dict.fromkeys(request.states)
        )
        about = ("queries", caller.identity_id, *statuses)
        page = page_of(request.page_size, request.page_token, about)
        before = place_of(page)
        # One more than is shown: whether it is there says whether a page follows.
        wanted = QueryFilter(statuses=statuses, before=before, count=page.size + 1)
        found = await self._pipeline.page(caller, wanted)
        shown, token = shown_of(
            page, found, encode.query_of, lambda last: (last.created_us, last.request_id)
        )
        return pb.ListQueriesResponse(queries=shown, next_page_token=token)

    async def CancelQuery(  # noqa: N802 - the wire name
        self, request: pb.CancelQueryRequest, context: Context
    ) -> pb.CancelQueryResponse:
        """Cancel a query at once, wherever it is."""
        request_id = needed_id(request.request_id, "request_id")
        reason = reason_from(request.reason)
        query = await self._pipeline.cancel(current_caller(), request_id, reason)
        return pb.CancelQueryResponse(query=encode.query_of(query))

    async def ListIntents(  # noqa: N802 - the wire name
        self, request: pb.ListIntentsRequest, context: Context
    ) -> pb.ListIntentsResponse:
        """The eight intents, and the checkpoint that the shipped policies ask for each."""
        return pb.ListIntentsResponse(intents=[_intent_info(intent) for intent in Intent])

    async def _stream(
        self,
        source: QueryRun | QueryLog,
        after: Cursor,
        *,
        until_blocked: bool = False,
        with_outcome: bool = True,
    ) -> AsyncGenerator[Any, None]:
        """The fields of each event, for a response to be made of."""
        log = source.log if isinstance(source, QueryRun) else source
        attached = source.attached() if isinstance(source, QueryRun) else nullcontext()
        call = current_call()
        call.taken_sequence = after.sequence
        with attached:
            following = log.follow(after, self._coalesce_s, asks=with_outcome)
            async with aclosing(following) as events:
                async for event in events:
                    # Anew for each event: the id may have proved another query's name since the
                    # last one.
                    current = log.current
                    yield encode.event_fields(event, str(current.key[1]), current.query)
                    # Behind the yield, where the transport has it: a reader that is cut off for its
                    # slowness is told from where to go on.
                    call.taken_sequence = event.sequence or call.taken_sequence
                    query = current.query
                    if until_blocked and query is not None and _blocks(event, query):
                        raise await self._store.pending(query)
        if with_outcome and log.current.query is not None:
            await self._raise_unless_completed(log.current.query)

    async def _raise_unless_completed(self, query: records.Operation) -> None:
        if query.status is QueryStatus.BLOCKED:
            raise await self._store.pending(query)
        if query.status is not QueryStatus.COMPLETED:
            raise error_of(query.outcome)


async def _read(request: pb.QueryRequest, principal: Principal) -> QueryRequest:
    """A request, checked. One with files is read on a thread: to digest them takes long."""
    if not (request.messages and media_bytes(request.messages)):
        return convert.request_from(request, principal)
    wanted = await asyncio.to_thread(convert.request_from, request, principal)
    request.ClearField("messages")  # their bytes are held once, by what was read
    return wanted


def _blocks(event: Event, query: records.Operation) -> bool:
    """Whether the query waits here, and not only once did."""
    return event.kind is EventKind.PIPELINE_BLOCKED and query.status is QueryStatus.BLOCKED


def _validation(query: QueryState, validation: Validation) -> pb.QueryResponse:
    denial, encoded = validation.denial, query.encoded
    assert encoded is not None, "lane C ran"
    answer = message_pb2.Validation(
        checkpoint_types=[encode.checkpoint_type_of(kind) for kind in validation.checkpoint_types],
        route=encode.route_of(encoded.route),
        cost_bound_nanousd=encoded.route.dearest_bound_nanousd,
        action_digest=encoded.action_digest,
    )
    if denial.reason:
        answer.outcome.CopyFrom(encode.outcome_of(denial))
        policies = dict(denial.error).get("policies", "")
        # A list is stored parted by a sign that stands in no policy's name.
        answer.denied_policies.extend(each for each in policies.split("\x1f") if each)
    return pb.QueryResponse(query=encode.validated_of(query, validation), validation=answer)


_ASKED_FOR = {
    Intent.DELETE: checkpoint_pb2.CHECKPOINT_TYPE_DESTRUCTIVE_ACTION,
    Intent.SEND: checkpoint_pb2.CHECKPOINT_TYPE_EXECUTION_APPROVAL,
    Intent.TRANSFER: checkpoint_pb2.CHECKPOINT_TYPE_DATA_ACCESS,
    Intent.PAYMENT: checkpoint_pb2.CHECKPOINT_TYPE_EXECUTION_APPROVAL,
}


def _intent_info(intent: Intent) -> pb.IntentInfo:
    return pb.IntentInfo(
        intent=action_pb2.Intent.Value(f"INTENT_{intent.name}"),
        name=intent.value,
        checkpoint_type=_ASKED_FOR.get(intent, checkpoint_pb2.CHECKPOINT_TYPE_UNSPECIFIED),
    )
