"""What of an answer says something, and when it has said nothing for too long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from chenu_server.engine import AnswerDecoder, Prompt
from chenu_server.pipeline.conversation import asked
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.model import ChatRequest, ProviderFailure
from chenu_server.providers.patience import Hearing, Silence
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from chenu_server.upstream import FakeUpstream


def hearing(wire: str = "openai_chat", *, is_stream: bool = True) -> Callable[[bytes], bool]:
    """Feeds pieces of an answer; says of each whether it says something."""
    decoder = AnswerDecoder(
        wire,
        declared=[("f", "")],
        format="text",
        schema="",
        is_stream=is_stream,
        ends_without_terminator=False,
    )
    heard = Hearing(decoder, is_stream=is_stream)

    def feed(chunk: bytes) -> bool:
        piece = decoder.feed(chunk)
        assert piece.fault is None
        return heard.hears(chunk, brought=bool(piece.parts))

    return feed


def event(value: object) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    """A delta on the chat wire."""
    return event({"object": "chunk", "choices": [{"index": 0, "delta": fields}]})


def block(**fields: Any) -> bytes:
    """A delta on the messages wire."""
    return event({"type": "content_block_delta", "index": 0, "delta": fields})


def call(**fields: Any) -> bytes:
    """A part of a tool's call on the chat wire."""
    return delta(tool_calls=[{"index": 0, **fields}])


TOOL = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
CHAT_SAYS = {
    "text": delta(content="x"),
    "reasoning": delta(reasoning_content="x"),
    "a call": call(id="a", type="function", function={"name": "f", "arguments": ""}),
    "a part of a call": call(function={"arguments": "{"}),
    "what nobody knows yet": delta(audio={"data": "x"}),
    "a reason to stop": event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    "a long event": b'data: {"choices": [{"delta": {"tool_calls": "' + b"x" * 2_000,
}
CHAT_SAYS_NOTHING = {
    "nothing": b"",
    "a blank line": b"\n",
    "a comment": b": ping\n\n",
    "a long comment": b":" + b"x" * 2_000,
    "a role": delta(role="assistant", content=""),
    "an empty delta": delta(),
    "no delta": event({"choices": []}),
    "an empty call": call(function={"arguments": ""}),
    "nulls": delta(content=None, tool_calls=None, reasoning=None),
    "filler": event({"choices": [{"delta": {"content": ""}}], "obfuscation": "aW5ub2NlbnQ"}),
    "another field": b"event: keepalive\nid: 7\n\n",
    "deep nonsense": b"data: " + b"[" * 1_010 + b"\n",
}
MESSAGES_SAYS = {
    "text": block(type="text_delta", text="x"),
    "thinking": block(type="thinking_delta", thinking="x"),
    "a signature": block(type="signature_delta", signature="x"),
    "a call": event({"type": "content_block_start", "index": 0, "content_block": TOOL}),
    "a part of a call": block(type="input_json_delta", partial_json="{"),
}
MESSAGES_SAYS_NOTHING = {
    "a ping": b'event: ping\ndata: {"type": "ping"}\n\n',
    "an empty block": event(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    ),
    "an empty delta": block(type="text_delta", text=""),
    "an empty part": block(type="input_json_delta", partial_json=""),
    "an unknown ping": event({"type": "keepalive", "at": "2026-01-01"}),
}


@pytest.mark.parametrize("chunk", CHAT_SAYS.values(), ids=CHAT_SAYS)
def test_what_goes_on_is_heard(chunk: bytes) -> None:
    """Whoever is left while it works is paid for nothing."""
    assert hearing()(chunk)


@pytest.mark.parametrize("chunk", CHAT_SAYS_NOTHING.values(), ids=CHAT_SAYS_NOTHING)
def test_what_only_keeps_a_connection_open_is_not(chunk: bytes) -> None:
    """Else it would keep a dead answer alive until the deadline."""
    assert not hearing()(chunk)


@pytest.mark.parametrize("chunk", MESSAGES_SAYS.values(), ids=MESSAGES_SAYS)
def test_what_goes_on_is_heard_on_the_messages_wire(chunk: bytes) -> None:
    """The parts of a call too, which the decoder keeps until it is whole."""
    feed = hearing("anthropic_messages")

    assert feed(chunk)


@pytest.mark.parametrize("chunk", MESSAGES_SAYS_NOTHING.values(), ids=MESSAGES_SAYS_NOTHING)
def test_what_only_keeps_a_connection_open_is_not_on_the_messages_wire(chunk: bytes) -> None:
    """A ping comes for as long as the proxy lives."""
    assert not hearing("anthropic_messages")(chunk)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_pieces_of_pings_are_pings_and_pieces_of_calls_are_calls(size: int) -> None:
    """The network cuts where it likes."""
    ping, part = b': ping\r\n\r\ndata: {"type": "ping"}\r\n\r\n', call(function={"arguments": "{"})

    def heard(chunk: bytes) -> bool:
        feed = hearing()
        return True in [feed(chunk[at : at + size]) for at in range(0, len(chunk), size)]

    assert (False, True, True) == (heard(ping * 99), heard(ping + part), heard(part + ping))


def test_an_event_that_ends_with_the_next_ones_beginning_is_followed() -> None:
    """Text was heard, and the rest of its piece is half of something or of nothing."""
    text, ping = delta(content="x"), b'data: {"type": "ping"}\n\n'
    part = call(function={"arguments": "{"})

    def heard(next_one: bytes) -> list[bool]:
        feed = hearing()
        return [feed(text + next_one[:9]), feed(next_one[9:])]

    assert ([True, False], [True, True]) == (heard(ping), heard(part))


def test_a_count_goes_on_an_answer_and_begins_none() -> None:
    """The messages wire tells the input's tokens before its model has thought."""
    feed = hearing("anthropic_messages")
    start = event({"type": "message_start", "message": {"usage": {"input_tokens": 9}}})
    count = event({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}})
    text = block(type="text_delta", text="x")

    assert [False, True, True, False] == [feed(start), feed(text), feed(count), feed(count)]


def test_a_whole_answer_that_comes_in_parts_is_heard() -> None:
    """Nothing of it is decoded before its end; only white space may keep its connection open."""
    feed = hearing(is_stream=False)

    assert [True, False, True] == [feed(b'{"choices": '), feed(b" \n "), feed(b"[]")]


@dataclass
class Clock:
    """A loop whose time is told, and what rings in it."""

    now: float = 0.0
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    soon: list[Callable[[], None]] = field(default_factory=list)

    def time(self) -> float:
        """The time now."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Clock:
        """Only ever one timer at a time."""
        assert not self.timers
        self.timers.append((when, callback))
        return self

    def call_soon(self, callback: Callable[[], None]) -> Clock:
        """After what is ready."""
        self.soon.append(callback)
        return self

    def cancel(self) -> None:
        """Every handle is the clock."""
        self.timers.clear()
        self.soon.clear()

    def advance_to(self, now: float, ready: Callable[[], None] = lambda: None) -> None:
        """Let time pass; whatever is due rings, before that which is `ready` in the same turn."""
        while self.timers and self.timers[0][0] <= now:
            when, ring = self.timers.pop()
            self.now = max(self.now, when)
            ring()
        self.now = now
        ready()
        while self.soon:
            self.soon.pop(0)()


@dataclass
class Body:
    """What a body was ended with."""

    ended: list[ProviderFailure] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """The failures' kinds."""
        return [failure.kind for failure in self.ended]

    def set_exception(self, failure: ProviderFailure) -> None:
        """As the body of an answer does it."""
        self.ended.append(failure)


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


@pytest.fixture
def body() -> Body:
    """Not ended."""
    return Body()


@pytest.fixture
def silence(clock: Clock, body: Body) -> Silence:
    """Ten seconds to the first event, and three from each to the next."""
    record = replace(load_catalogue().provider("openai"), between_events_timeout_ms=3_000)
    loop = cast(asyncio.AbstractEventLoop, clock)
    silence = Silence(cast(Any, body), record, 10.0, loop)
    silence.waiting = True
    return silence


def test_an_answer_that_does_not_begin_is_ended(silence: Silence, clock: Clock, body: Body) -> None:
    """When its time is over, and not before."""
    clock.advance_to(9.9)
    before = body.kinds
    clock.advance_to(10.0)

    assert ([], ["timeout_first_event"]) == (before, body.kinds)


def test_each_event_gives_time_for_the_next(silence: Silence, clock: Clock, body: Body) -> None:
    """However long it takes as a whole."""
    for second in range(2, 100, 2):
        clock.advance_to(second)
        silence.broken()
    clock.advance_to(100.9)
    before = body.kinds
    clock.advance_to(101.0)

    assert ([], ["timeout_between_events"]) == (before, body.kinds)


def test_an_event_costs_no_timer(silence: Silence, clock: Clock) -> None:
    """Thousands come in a second."""
    silence.broken()
    timer = clock.timers[0]
    clock.advance_to(1.0)
    silence.broken()

    assert [timer] == clock.timers


def test_a_reader_that_is_away_is_not_the_providers_silence(
    silence: Silence, clock: Clock, body: Body
) -> None:
    """The provider may have spoken long since; nobody has listened."""
    silence.broken()
    silence.waiting = False
    clock.advance_to(50.0)
    silence.waiting = True
    clock.advance_to(50.9)
    before = body.kinds
    clock.advance_to(60.0)

    assert ([], ["timeout_between_events"]) == (before, body.kinds)


def test_what_has_come_while_the_process_stood_still_is_read_first(
    silence: Silence, clock: Clock, body: Body
) -> None:
    """A machine that slept wakes to timers and to events at once."""
    silence.broken()
    clock.advance_to(3_000.0, ready=silence.broken)

    assert [] == body.kinds
    assert 3_003.0 == clock.timers[0][0]


async def test_a_call_that_is_over_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that outlives its call rings for ever, and keeps the call's memory."""
    waits: list[Silence] = []

    class Watched(Silence):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            waits.append(self)

        def end(self) -> None:
            super().end()
            waits.remove(self)

    monkeypatch.setattr("chenu_server.providers.call.Silence", Watched)
    catalogue = load_catalogue()
    async with FakeUpstream(catalogue) as upstream:
        settings = ProviderSettings(base_url=upstream.provider_url("ollama"))
        registry = ProviderRegistry(catalogue, {"ollama": settings})
        request = ChatRequest(
            model="qwen3:8b",
            prompt=Prompt(asked("Hello").messages),
            output_cap=9,
        )
        stream = registry.providers["ollama"].stream(
            request, timeout_s=10, on_dispatch=lambda: None
        )
        open_while_read = [len(waits) async for _ in stream]
        await registry.close()

    assert 1 in open_while_read
    assert [] == waits


def test_what_has_ended_does_not_ring(silence: Silence, clock: Clock, body: Body) -> None:
    """The connection may carry the next answer by then."""
    silence.end()
    clock.advance_to(1_000.0)

    assert [] == body.kinds
