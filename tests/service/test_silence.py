"""Providers that say nothing: left early enough for another one, or ended where they stopped."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from chenu.api.pipeline.v1 import event_pb2, message_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Stage, staged
from tests.quiet import quiet

DEADLINE_S = 8.0  # below every time-out that a test does not shorten
LONG_MS = 60_000
SHORT_MS = 300
PING = b'event: ping\ndata: {"type": "ping"}\n\n'

Staged = Callable[..., AbstractAsyncContextManager[Stage]]


def event(value: dict[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def said(text: str, **more: Any) -> bytes:
    """A delta of text on the chat wire."""
    delta = {"role": "assistant", "content": text}
    return event({"id": "c1", "choices": [{"index": 0, "delta": delta}], **more})


START = event({"type": "message_start", "message": {"usage": {"input_tokens": 9}}})
TEXT = {"type": "content_block_delta", "index": 0}
BLOCK = event({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}})
# What each provider says for ever: its wire, its first words, and what it repeats.
NOTHINGS: dict[str, tuple[str, tuple[bytes, ...], tuple[bytes, ...]]] = {
    "a head": ("google", (), ()),
    "comments": ("google", (b": waiting\n\n",), (b": ping\n\n", b":\r\n\r\n", b"\n")),
    "halves of a comment": ("google", (), (b": pi", b"ng\n", b"\n")),
    "halves of a ping": ("anthropic", (), (b'event: ping\ndata: {"ty', b'pe": "ping"}\n\n')),
    "pings": ("anthropic", (START,), (PING,)),
    "empty blocks": ("anthropic", (START, BLOCK), (event({**TEXT, "delta": {"text": ""}}),)),
    "empty deltas": ("google", (), (said("", obfuscation="x"),)),
    "empty data": ("google", (), (b"data:\n\n", b"retry: 9\n\n", b"data: null\n\n")),
}
NEXT = {"google": "mistral", "anthropic": "google"}


def first_of(provider: str) -> routing_pb2.RoutingRequest:
    """A chain in which a model of the provider comes first, and then one of `NEXT`."""
    return routing_pb2.RoutingRequest(
        strategy=routing_pb2.STRATEGY_QUALITY, allowed_providers=[provider, NEXT[provider]]
    )


@pytest.fixture
def patient(sqlite_url: str, tmp_path: Path) -> Staged:
    """A server with so much patience with one provider, which listens at another address."""

    @asynccontextmanager
    async def stage(provider: str, base: str = "", **timeouts: int) -> AsyncIterator[Stage]:
        path = "" if provider == "anthropic" else "/v1"
        changes: dict[str, Any] = {f"{key}_timeout_ms": value for key, value in timeouts.items()}
        if base:
            changes["base_url"] = base + path
        overrides = {f"providers.settings.{provider}.{key}": it for key, it in changes.items()}
        async with staged(sqlite_url, tmp_path, overrides) as running:
            await running.budget()
            yield running

    return stage


async def run(stage: Stage, provider: str) -> tuple[list[Any], Any]:
    """The events of a query that prefers this provider, and how it failed if it did."""
    client = stage.client()
    query = pb.QueryRequest(text="Hello", routing=first_of(provider))
    request = pb.RunRequest(query=query)
    return await client.events(client.pipeline.Run, request, timeout_s=DEADLINE_S)


async def assert_left_for_the_next(stage: Stage, provider: str, kind: str) -> list[Any]:
    """The provider was left so, with each of its models, and the other one has answered."""
    events, failure = await run(stage, provider)

    errors = [each.llm_call_error for each in events if each.HasField("llm_call_error")]
    started = [each.llm_call_start for each in events if each.HasField("llm_call_start")]
    assert failure is None
    # How many of its models come before the other's is a matter of prices.
    assert {(event_pb2.AFTER_ATTEMPT_FAILOVER, kind)} == {(e.next, e.kind) for e in errors}
    assert [*[provider] * len(errors), NEXT[provider]] == [each.provider for each in started]
    return events


def basis_of(events: list[Any]) -> int:
    """Whether what the query cost is exact."""
    basis: int = events[-1].pipeline_complete.query.cost_basis
    return basis


@pytest.mark.parametrize(("provider", "says", "beats"), NOTHINGS.values(), ids=NOTHINGS)
async def test_what_says_nothing_does_not_begin_an_answer(
    patient: Staged, provider: str, says: tuple[bytes, ...], beats: tuple[bytes, ...]
) -> None:
    """A proxy keeps a connection open also where the model behind it is dead."""
    async with (
        quiet(*says, beats=beats) as silent,
        patient(
            provider, silent.url, first_event=SHORT_MS, between_events=LONG_MS, connect=LONG_MS
        ) as stage,
    ):
        events = await assert_left_for_the_next(stage, provider, "timeout_first_event")

        assert message_pb2.COST_BASIS_ESTIMATED == basis_of(events)
        await silent.until_left()


async def test_a_provider_that_takes_a_request_and_never_answers_is_left(patient: Staged) -> None:
    """Not even a head: the time runs from the dispatch."""
    async with (
        quiet() as silent,
        patient("google", silent.url, first_event=SHORT_MS, between_events=LONG_MS) as stage,
    ):
        silent.status = 0
        await assert_left_for_the_next(stage, "google", "timeout_first_event")

        await silent.until_left()


async def test_a_refusal_that_stops_midway_is_left(patient: Staged) -> None:
    """Its status is known; whether it was free is told by no more than a part of it."""
    async with (
        quiet(b'{"error": ') as silent,
        patient("google", silent.url, first_event=SHORT_MS, between_events=LONG_MS) as stage,
    ):
        silent.status = 500
        events = await assert_left_for_the_next(stage, "google", "http_500")

        assert message_pb2.COST_BASIS_ESTIMATED == basis_of(events)


async def test_a_connection_that_is_not_made_in_time_costs_nothing(patient: Staged) -> None:
    """No byte of the request has left: here the handshake is never answered."""
    async with (
        quiet() as silent,
        patient("google", silent.url.replace("http:", "https:"), connect=SHORT_MS) as stage,
    ):
        events = await assert_left_for_the_next(stage, "google", "timeout_connect")

        assert message_pb2.COST_BASIS_EXACT == basis_of(events)


@pytest.mark.parametrize(
    ("provider", "says", "beats"),
    [
        ("google", (said("Hel"), said("lo")), ()),
        ("google", (said("Hello"),), (b": ping\n\n", said(""))),
        ("anthropic", (START, event({**TEXT, "delta": {"text": "Hello"}})), (PING,)),
    ],
)
async def test_an_answer_that_stops_midway_ends_there_and_keeps_its_text(
    patient: Staged, provider: str, says: tuple[bytes, ...], beats: tuple[bytes, ...]
) -> None:
    """Another model's words cannot follow what the caller has read; what was read may be billed."""
    async with (
        quiet(*says, beats=beats) as silent,
        patient(provider, silent.url, first_event=LONG_MS, between_events=SHORT_MS) as stage,
    ):
        events, failure = await run(stage, provider)

        assert (grpc.StatusCode.DATA_LOSS, "STREAM_TRUNCATED") == (failure.code, failure.reason)
        assert "Hello" == "".join(each.llm_call_delta.text for each in events)
        assert ["timeout_between_events"] == [
            each.llm_call_error.kind for each in events if each.HasField("llm_call_error")
        ]
        assert 0 == stage.upstream.arrivals_total
        await silent.until_left()


async def test_an_answer_that_goes_on_may_take_longer_than_each_wait(patient: Staged) -> None:
    """The limits are for silence; how long the whole may take is the deadline's to say."""
    async with patient("google", first_event=800, between_events=500) as stage:
        stage.upstream.behave("google", pace_ms=50, deltas=24, answer_chars=24)

        events, failure = await run(stage, "google")

        assert failure is None
        assert ["google"] == [
            each.llm_call_start.provider for each in events if each.HasField("llm_call_start")
        ]
        assert message_pb2.COST_BASIS_EXACT == basis_of(events)
