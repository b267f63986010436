"""Answers of several parts: the same however they are read, and no call before it is recorded."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from chenu.aio import Client as Sdk
from chenu.api.pipeline.v1 import conversation_pb2, event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server import failpoints
from chenu_server.providers.anthropic import AnthropicProvider
from chenu_server.providers.model import (
    Billing,
    ChatRequest,
    Finished,
    PartDelta,
    Proof,
    ProviderEvent,
    ProviderFailure,
    Retry,
    ToolCall,
    Usage,
)
from chenu_server.providers.openai_wire import OpenAiProvider
from tests.contract.test_provider_answers import events_of
from tests.harness import Client, Stage, eventually, only

TEXT, CALL, REASONING = (
    conversation_pb2.PART_KIND_TEXT,
    conversation_pb2.PART_KIND_TOOL_CALL,
    conversation_pb2.PART_KIND_REASONING,
)
TOOLS = [
    conversation_pb2.Tool(name=name, effect=conversation_pb2.TOOL_EFFECT_READ)
    for name in ("look", "save")
]
ARGUMENTS = '{"sécret":1}'
SAID = (
    PartDelta(0, "reasoning", "Hé"),
    PartDelta(0, "reasoning", "mm"),
    PartDelta(1, "text", "Look: "),
    PartDelta(1, "text", "🎈"),
)
FINISHED = Finished(
    usage=Usage(input_tokens=3, output_tokens=4),
    stop_reason="tool_calls",
    model="m",
    calls=(
        ToolCall(part=2, call_id="c1", name="look", arguments=ARGUMENTS),
        ToolCall(part=3, call_id="c2", name="save", arguments="{}"),
    ),
    proofs=(Proof(part=0, signature="signed", redacted=""),),
)
PARTS = [
    conversation_pb2.Part(reasoning=conversation_pb2.Reasoning(text="Hémm", signature="signed")),
    conversation_pb2.Part(text="Look: 🎈"),
    conversation_pb2.Part(
        tool_call=conversation_pb2.ToolCall(call_id="c1", name="look", arguments_json=ARGUMENTS)
    ),
    conversation_pb2.Part(
        tool_call=conversation_pb2.ToolCall(call_id="c2", name="save", arguments_json="{}")
    ),
]
UNPROVED = [conversation_pb2.Part(reasoning=conversation_pb2.Reasoning(text="Hémm")), *PARTS[1:]]
CUT = ProviderFailure(
    retry=Retry.ELSEWHERE, billing=Billing.UNKNOWN, kind="truncated", detail="it was cut"
)


@dataclass
class Script:
    """What every provider says, and how it breaks."""

    says: Sequence[ProviderEvent] = (*SAID, FINISHED)
    error: Exception | None = None
    calls: list[str] = field(default_factory=list)

    async def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[int], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """One call."""
        self.calls.append(request.model)
        on_dispatch(time.monotonic_ns())
        for event in self.says:
            yield event
        if self.error is not None:
            raise self.error


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """All providers say what is written here."""
    script = Script()
    for provider in (AnthropicProvider, OpenAiProvider):
        monkeypatch.setattr(
            provider, "stream", lambda _, *given, **more: script.stream(*given, **more)
        )
    return script


def asked() -> pb.QueryRequest:
    """A query with an id."""
    return pb.QueryRequest(text="What now?", request_id=str(uuid4()), tools=TOOLS)


def places(events: Sequence[event_pb2.Event]) -> list[event_pb2.Cursor]:
    """Every place at which a reader of these events can stop between two characters."""
    found = [event_pb2.Cursor()]
    for event in events:
        for step in _steps(event):
            cursor = event_pb2.Cursor()
            cursor.CopyFrom(found[-1])
            cursor.MergeFrom(step)
            if step.attempt:
                cursor.part = step.part
            found.append(cursor)
    return found


def _steps(event: event_pb2.Event) -> list[event_pb2.Cursor]:
    if event.sequence:
        return [event_pb2.Cursor(sequence=event.sequence)]
    delta = event.llm_call_delta
    ends = [len(delta.text[:count].encode()) for count in range(1, len(delta.text) + 1)]
    return [
        event_pb2.Cursor(attempt=delta.attempt, part=delta.part, offset=delta.offset + end)
        for end in ends
    ]


def spelt(events: Sequence[event_pb2.Event]) -> list[tuple[str, int]]:
    """What a reader was told, by character and by event."""
    told: list[tuple[str, int]] = []
    for event in events:
        if event.sequence:
            told.append((event.WhichOneof("body") or "", event.sequence))
        told += [(character, event.llm_call_delta.part) for character in event.llm_call_delta.text]
    return told


async def watched(
    client: Client, request_id: str, after: event_pb2.Cursor | None = None
) -> list[event_pb2.Event]:
    """What a reader of the log is given."""
    request = pb.WatchRequest(request_id=request_id, after=after)
    events, error = await client.events(client.pipeline.Watch, request)
    assert error is None
    return events


def deltas(events: Sequence[event_pb2.Event]) -> list[event_pb2.LlmCallDelta]:
    """The pieces of output."""
    return [event.llm_call_delta for event in events if event.HasField("llm_call_delta")]


async def test_an_answer_is_the_same_however_it_is_read(stage: Stage, script: Script) -> None:
    """Streamed, watched, asked for again, and read from the store by whoever comes."""
    client, query = stage.client(), asked()

    live, error = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    stored = await watched(client, query.request_id)
    again = await client.call(client.pipeline.Query, query)
    got = await client.call(
        client.pipeline.GetQuery, pb.GetQueryRequest(request_id=query.request_id)
    )

    assert error is None
    assert spelt(live) == spelt(stored)
    assert [event for event in live if event.sequence] == [e for e in stored if e.sequence]
    assert PARTS == list(again.answer.parts) == list(got.answer.parts)
    assert "Look: 🎈" == again.answer.text == got.answer.text
    assert message_pb2.STOP_REASON_TOOL_CALLS == got.answer.stop_reason
    final = live[-1].pipeline_complete
    assert ("", 0, "") == (final.answer.text, len(final.answer.parts), final.answer.json)
    lengths = [(each.part, each.kind, each.name, each.length) for each in final.query.output_parts]
    assert [
        (0, REASONING, "", 5),
        (1, TEXT, "", 10),
        (2, CALL, "look", 13),
        (3, CALL, "save", 2),
    ] == (lengths)
    assert 30 == final.query.output_length
    assert 1 == len(script.calls)


async def test_a_reader_goes_on_from_every_place_of_every_part(
    stage: Stage, script: Script
) -> None:
    """Nothing is missed and nothing repeated, wherever a connection was cut."""
    client, query = stage.client(), asked()
    await client.call(client.pipeline.Query, query)
    whole = await watched(client, query.request_id)
    told = spelt(whole)

    cursors = places(whole)
    assert len(told) + 1 == len(cursors)
    for number, cursor in enumerate(cursors):
        assert told[number:] == spelt(await watched(client, query.request_id, cursor)), cursor


@dataclass
class Held:
    """A command that waits in front of its commit."""

    name: str
    here: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def hit(self, point: str) -> None:
        """Every failpoint that is passed."""
        if point == f"{self.name}.before_commit":
            self.here.set()
            self.go_on.wait(20)


async def test_nobody_hears_of_a_call_before_it_is_recorded(
    stage: Stage,
    script: Script,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A caller that acted on a call whose record is lost would act on no decision."""
    client, query = stage.client(), asked()
    settle = Held("settle")
    # A batch passes its points only where one is armed.
    failpoints.arm("settle.before_commit=sleep:0")
    monkeypatch.setattr(failpoints, "hit", settle.hit)
    seen: list[event_pb2.Event] = []

    async def run() -> None:
        call = client.pipeline.Run(pb.RunRequest(query=query), metadata=client.metadata, timeout=20)
        async for response in call:
            seen.append(response.event)  # noqa: PERF401 - what came so far is looked at

    running = asyncio.create_task(run())
    assert await asyncio.to_thread(settle.here.wait, 20)
    await eventually(lambda: _said(seen, "🎈"), 10)
    held = await _up_to_the_text(client, query.request_id)
    before = list(seen)
    got = await client.call(
        client.pipeline.GetQuery, pb.GetQueryRequest(request_id=query.request_id)
    )
    printed = capfd.readouterr()
    settle.go_on.set()
    await running

    assert b"cret" not in b"".join(event.SerializeToString() for event in [*before, *held])
    assert {REASONING, TEXT} == {delta.kind for delta in deltas(before) if not delta.offset}
    assert (message_pb2.QUERY_STATE_RUNNING, 0) == (got.query.state, len(got.query.output_parts))
    assert "cret" not in printed.out + printed.err
    behind = deltas(seen[len(before) :])
    assert [("look", "c1", ARGUMENTS), ("save", "c2", "{}")] == [
        (delta.name, delta.call_id, delta.text) for delta in behind
    ]
    ends = [event.WhichOneof("body") for event in seen if event.sequence]
    told = ["part_complete"] * 4 + ["llm_call_complete"] + ["tool_call"] * 2
    assert told == ends[-11:-4]


async def _said(events: Sequence[event_pb2.Event], text: str) -> bool:
    return text in "".join(delta.text for delta in deltas(events))


async def _up_to_the_text(client: Client, request_id: str) -> list[event_pb2.Event]:
    """What a watcher is given who comes now."""
    seen: list[event_pb2.Event] = []
    request = pb.WatchRequest(request_id=request_id)
    call = client.pipeline.Watch(request, metadata=client.metadata, timeout=20)
    async for response in call:
        seen.append(response.event)
        if await _said(seen, "🎈"):
            break
    call.cancel()
    return seen


async def test_an_answer_that_is_only_calls_is_completed_with_them(
    stage: Stage, script: Script
) -> None:
    """An OK with an empty text would look like a model that had nothing to say."""
    client, query = stage.client(), asked()
    script.says = (
        Finished(
            usage=FINISHED.usage,
            stop_reason="tool_calls",
            model="m",
            calls=(ToolCall(part=0, call_id="c1", name="look", arguments=ARGUMENTS),),
        ),
    )

    answer = (await client.call(client.pipeline.Query, query)).answer
    events = await watched(client, query.request_id)

    assert ("", [PARTS[2]]) == (answer.text, list(answer.parts))
    assert [(0, "look", ARGUMENTS)] == [(d.offset, d.name, d.text) for d in deltas(events)]


async def test_a_thought_that_was_cut_is_kept_and_ends_the_query(
    stage: Stage, script: Script
) -> None:
    """Somebody has read it: another model's answer cannot follow. It is no complete part."""
    client, query = stage.client(), asked()
    script.says, script.error = SAID[:2], CUT

    live, error = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    stored = await watched(client, query.request_id)

    assert error is not None
    assert ("STREAM_TRUNCATED", "5") == (error.reason, error.metadata["output_length"])
    assert spelt(live) == spelt(stored)
    assert not [event for event in stored if event.HasField("part_complete")]
    parts = stored[-1].pipeline_error.query.output_parts
    assert [(REASONING, 5)] == [(each.kind, each.length) for each in parts]
    assert 1 == len(script.calls)


async def test_a_call_of_an_attempt_that_broke_is_kept_by_nobody(
    stage: Stage, script: Script
) -> None:
    """The provider's end was seen, and then its stream failed: there is no answer."""
    client, query = stage.client(), asked()
    script.error = CUT

    live, error = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    stored = await watched(client, query.request_id)

    assert error is not None
    assert spelt(live) == spelt(stored)
    kinds = [each.kind for each in stored[-1].pipeline_error.query.output_parts]
    assert [REASONING, TEXT] == kinds


async def test_the_client_reads_all_parts(stage: Stage, script: Script) -> None:
    """`parts` of a log are those of the answer, but for what proves a thought."""
    token = dict(stage.client().metadata)["authorization"].removeprefix("Bearer ")
    async with Sdk(f"127.0.0.1:{stage.application.port}", token=token) as sdk:
        query = asked()
        async with sdk.pipeline.run(query) as log:
            events: list[Any] = [event async for event in log]
        answer = (await sdk.pipeline.get(query.request_id)).answer

    assert UNPROVED == log.parts
    assert "Look: 🎈" == log.text == answer.text
    assert PARTS == list(answer.parts)
    assert events[-1].HasField("pipeline_complete")


def chat(**delta: Any) -> dict[str, Any]:
    """A piece of an answer on the wire of OpenAI."""
    return {"choices": [{"index": 0, "delta": delta}]}


def block(index: int, kind: str, **content: Any) -> dict[str, Any]:
    """The begin of a block on the wire of Anthropic."""
    return {
        "type": "content_block_start",
        "index": index,
        "content_block": {"type": kind, **content},
    }


def more(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    """A piece of a block on the wire of Anthropic."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


WIRES: dict[str, tuple[str, str, list[Any]]] = {
    "openai_chat": (
        "groq",
        "openai/gpt-oss-120b",
        [
            chat(reasoning="Hé"),
            chat(reasoning="mm"),
            chat(content="Look: "),
            chat(content="🎈"),
            chat(
                tool_calls=[
                    {"index": 0, "id": "c1", "function": {"name": "look", "arguments": ARGUMENTS}},
                    {"index": 1, "id": "c2", "function": {"name": "save", "arguments": "{}"}},
                ]
            ),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
            "[DONE]",
        ],
    ),
    "anthropic_messages": (
        "anthropic",
        "claude-sonnet-5-5",
        [
            {"type": "message_start", "message": {}},
            block(0, "thinking", thinking=""),
            more(0, "thinking_delta", thinking="Hé"),
            more(0, "thinking_delta", thinking="mm"),
            more(0, "signature_delta", signature="signed"),
            block(1, "text", text=""),
            more(1, "text_delta", text="Look: "),
            more(1, "text_delta", text="🎈"),
            block(2, "tool_use", id="c1", name="look", input={}),
            more(2, "input_json_delta", partial_json=ARGUMENTS),
            block(3, "tool_use", id="c2", name="save", input={}),
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
        ],
    ),
}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_providers_own_words_come_to_the_same_parts(stage: Stage, wire: str) -> None:
    """From its bytes to the rows, and back to whoever reads them."""
    provider, model, answer = WIRES[wire]
    stage.upstream.behave(provider, raw=events_of(*answer))
    client, query = stage.client(), asked()
    query.routing.CopyFrom(only(provider, model))
    del query.tools[:]
    query.tools.add(
        name="look", effect=conversation_pb2.TOOL_EFFECT_READ, parameters='{"type":"object"}'
    )
    query.tools.add(name="save", effect=conversation_pb2.TOOL_EFFECT_WRITE)

    live, error = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    stored = await watched(client, query.request_id)
    again = await client.call(client.pipeline.Query, query)

    assert error is None
    assert spelt(live) == spelt(stored)
    assert (PARTS if provider == "anthropic" else UNPROVED) == list(again.answer.parts)
    assert message_pb2.STOP_REASON_TOOL_CALLS == again.answer.stop_reason
    assert 4 == len([event for event in live if event.HasField("part_complete")])
