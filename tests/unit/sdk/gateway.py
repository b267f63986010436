"""A gateway in this process that answers by script, and records what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.pipeline.v1 import (
    conversation_pb2,
    event_pb2,
    message_pb2,
    pipeline_service_pb2,
    pipeline_service_pb2_grpc,
)

Context = grpc.aio.ServicerContext[Message, Message]
Answering = Callable[
    [pipeline_service_pb2.QueryRequest], pipeline_service_pb2.QueryResponse | status_pb2.Status
]
DELETES = checkpoint_pb2.CHECKPOINT_TYPE_DESTRUCTIVE_ACTION
REQUEST_ID = "6f1f7c1e-7d3b-4f43-9d5e-6a4c2a0a5a10"


def status(
    code: grpc.StatusCode, reason: str, *details: Message, **metadata: str
) -> status_pb2.Status:
    """A refusal as the server writes it."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="chenu", metadata=metadata)
    packed = [any_pb2.Any() for _ in (info, *details)]
    for wrapper, detail in zip(packed, (info, *details), strict=True):
        wrapper.Pack(detail)
    return status_pb2.Status(code=code.value[0], message=f"refused: {reason}", details=packed)


def unexplained(code: grpc.StatusCode) -> status_pb2.Status:
    """A status that the transport makes: it names no reason."""
    return status_pb2.Status(code=code.value[0], message="cut")


def busy(reason: str, retry_s: float = 0.0) -> Refuse:
    """A refusal for want of room, with its time."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromNanoseconds(int(retry_s * 1e9))
    return Refuse(status(grpc.StatusCode.RESOURCE_EXHAUSTED, reason, retry))


@dataclass(frozen=True)
class Cut:
    """The connection breaks here."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE


@dataclass(frozen=True)
class Refuse:
    """The stream ends here with a refusal."""

    status: status_pb2.Status


@dataclass(frozen=True)
class Hang:
    """Nothing more comes."""


Step = event_pb2.Event | Cut | Refuse | Hang


@dataclass
class Gateway(pipeline_service_pb2_grpc.PipelineServiceServicer):
    """Plays one script per call of a stream, in order; a script that is used up ends OK."""

    runs: list[Sequence[Step]] = field(default_factory=list)
    watches: list[Sequence[Step]] = field(default_factory=list)
    continues: list[Sequence[Step]] = field(default_factory=list)
    answer: Answering | None = None
    hold: asyncio.Event | None = None
    unavailable: int = 0
    asked: list[Message] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def Query(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.QueryRequest, context: Context
    ) -> pipeline_service_pb2.QueryResponse:
        """What `answer` says."""
        self._note(request, context)
        if self.hold is not None:
            await self._held(self.hold)
        assert self.answer is not None
        answer = self.answer(request)
        if isinstance(answer, status_pb2.Status):
            await context.abort_with_status(rpc_status.to_status(answer))
        return answer

    async def ListQueries(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.ListQueriesRequest, context: Context
    ) -> pipeline_service_pb2.ListQueriesResponse:
        """Two pages of one query each."""
        self._note(request, context)
        page = request.page_token or "first"
        return pipeline_service_pb2.ListQueriesResponse(
            queries=[message_pb2.Query(request_id=page)],
            next_page_token="" if request.page_token else "second",
        )

    async def GetQuery(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.GetQueryRequest, context: Context
    ) -> pipeline_service_pb2.GetQueryResponse:
        """An empty answer, behind as many refusals as `unavailable` says."""
        self._note(request, context)
        if self.unavailable:
            self.unavailable -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return pipeline_service_pb2.GetQueryResponse()

    async def CancelQuery(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.CancelQueryRequest, context: Context
    ) -> pipeline_service_pb2.CancelQueryResponse:
        """An empty answer."""
        return pipeline_service_pb2.CancelQueryResponse()

    async def ListIntents(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.ListIntentsRequest, context: Context
    ) -> pipeline_service_pb2.ListIntentsResponse:
        """An empty answer."""
        return pipeline_service_pb2.ListIntentsResponse()

    async def Run(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.RunRequest, context: Context
    ) -> AsyncIterator[pipeline_service_pb2.RunResponse]:
        """The next script of `runs`."""
        self._note(request, context)
        async for event in self._play(self.runs.pop(0), context):
            yield pipeline_service_pb2.RunResponse(event=event)

    async def Watch(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.WatchRequest, context: Context
    ) -> AsyncIterator[pipeline_service_pb2.WatchResponse]:
        """The next script of `watches`."""
        self._note(request, context)
        async for event in self._play(self.watches.pop(0), context):
            yield pipeline_service_pb2.WatchResponse(event=event)

    async def Continue(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.ContinueRequest, context: Context
    ) -> AsyncIterator[pipeline_service_pb2.ContinueResponse]:
        """The next script of `continues`."""
        self._note(request, context)
        async for event in self._play(self.continues.pop(0), context):
            yield pipeline_service_pb2.ContinueResponse(event=event)

    async def _held(self, released: asyncio.Event) -> None:
        try:
            await released.wait()
        finally:
            self.ended.set()

    def _note(self, request: Message, context: Context) -> None:
        self.asked.append(request)
        self.called.set()
        metadata = context.invocation_metadata() or ()
        self.headers.append({str(key): str(value) for key, value in metadata})

    async def _play(
        self, script: Sequence[Step], context: Context
    ) -> AsyncIterator[event_pb2.Event]:
        try:
            for step in script:
                if isinstance(step, event_pb2.Event):
                    yield step
                elif isinstance(step, Cut):
                    await context.abort(step.code, "cut")
                elif isinstance(step, Refuse):
                    await context.abort_with_status(rpc_status.to_status(step.status))
                else:
                    await asyncio.Event().wait()
        finally:
            self.ended.set()


def started(sequence: int = 1) -> event_pb2.Event:
    """`pipeline.start`."""
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_PIPELINE_START,
        pipeline_start=event_pb2.PipelineStart(),
    )


def queued() -> event_pb2.Event:
    """`rate_limit.queued`, which is live only."""
    return event_pb2.Event(
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_RATE_LIMIT_QUEUED,
        rate_limit_notice=event_pb2.RateLimitNotice(provider="groq", place=1),
    )


def called(sequence: int = 2, attempt: int = 1) -> event_pb2.Event:
    """`llm_call.start`."""
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_LLM_CALL_START,
        llm_call_start=event_pb2.LlmCallStart(attempt=attempt, provider="anthropic"),
    )


def delta(offset: int, text: str, attempt: int = 1) -> event_pb2.Event:
    """`llm_call.delta`."""
    return event_pb2.Event(
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_LLM_CALL_DELTA,
        llm_call_delta=event_pb2.LlmCallDelta(attempt=attempt, offset=offset, text=text),
    )


def piece(part: conversation_pb2.Part, number: int, start: int, text: str) -> event_pb2.Event:
    """`llm_call.delta` of a part, as a server with parts sends it."""
    event = delta(start, text)
    event.llm_call_delta.part = number
    if start == 0:
        heading = kind_of(part)
        event.llm_call_delta.kind = heading
        event.llm_call_delta.name = part.tool_call.name
        event.llm_call_delta.call_id = part.tool_call.call_id
    return event


def part_complete(sequence: int, number: int, part: conversation_pb2.Part) -> event_pb2.Event:
    """`part.complete`."""
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_PART_COMPLETE,
        part_complete=event_pb2.PartComplete(
            attempt=1,
            part=number,
            kind=kind_of(part),
            name=part.tool_call.name,
            call_id=part.tool_call.call_id,
            length=len(said_in(part).encode()),
        ),
    )


def output_parts(parts: Sequence[conversation_pb2.Part]) -> list[message_pb2.OutputPart]:
    """What a query's row tells of its answer."""
    return [
        message_pb2.OutputPart(part=number, kind=kind_of(each), length=len(said_in(each).encode()))
        for number, each in enumerate(parts)
    ]


def kind_of(part: conversation_pb2.Part) -> conversation_pb2.PartKind.ValueType:
    """What a part is."""
    content = part.WhichOneof("content") or ""
    return conversation_pb2.PartKind.Value(f"PART_KIND_{content.upper()}")


def said_in(part: conversation_pb2.Part) -> str:
    """The text of a part's deltas."""
    return part.text or part.reasoning.text or part.tool_call.arguments_json


def completed(
    sequence: int, output_length: int, parts: Sequence[conversation_pb2.Part] = ()
) -> event_pb2.Event:
    """`pipeline.complete`; without parts it is that of a server from before them."""
    query = message_pb2.Query(
        request_id=REQUEST_ID,
        state=message_pb2.QUERY_STATE_COMPLETED,
        output_length=output_length,
        output_parts=output_parts(parts),
    )
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_PIPELINE_COMPLETE,
        pipeline_complete=event_pb2.PipelineComplete(query=query),
    )


def approved(sequence: int) -> event_pb2.Event:
    """`checkpoint.approved`."""
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_CHECKPOINT_APPROVED,
        checkpoint_resolved=event_pb2.CheckpointResolved(checkpoint_id="c-1"),
    )


def failed(sequence: int, reason: str, output_length: int = 0, **metadata: str) -> event_pb2.Event:
    """`pipeline.error`."""
    query = message_pb2.Query(
        request_id=REQUEST_ID,
        state=message_pb2.QUERY_STATE_FAILED,
        output_length=output_length,
        outcome=message_pb2.Outcome(reason=reason, message="it failed", metadata=metadata),
    )
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_PIPELINE_ERROR,
        pipeline_error=event_pb2.PipelineError(query=query),
    )


def created(sequence: int) -> event_pb2.Event:
    """`checkpoint.created`."""
    body = event_pb2.CheckpointCreated(
        checkpoint_id="c-1", types=[DELETES], action="nova.query", action_digest=b"\x01" * 32
    )
    body.expire_time.FromJsonString("2026-11-21T10:30:00Z")
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_CHECKPOINT_CREATED,
        checkpoint_created=body,
    )


def blocked(sequence: int) -> event_pb2.Event:
    """`pipeline.blocked`."""
    return event_pb2.Event(
        sequence=sequence,
        request_id=REQUEST_ID,
        type=event_pb2.EVENT_TYPE_PIPELINE_BLOCKED,
        pipeline_blocked=event_pb2.PipelineBlocked(checkpoint_id="c-1", http_status=423),
    )
