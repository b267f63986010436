"""Calls that this side leaves: the provider knows at once, and what it told is booked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Stage, only, staged
from tests.quiet import Quiet, quiet

HUGE = 9_000_000


def event(value: dict[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


HELLO = event({"choices": [{"index": 0, "delta": {"content": "Hello"}}]})


def counted(tokens: int) -> bytes:
    """An event that tells so many tokens each way."""
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens}
    return event({"choices": [], "usage": usage})


@asynccontextmanager
async def speaking(url: str, folder: Path, *says: bytes) -> AsyncIterator[tuple[Stage, Quiet]]:
    """A server whose provider says this, and then nothing for longer than any test."""
    async with quiet(*says) as provider:
        settings = {
            "providers.settings.groq.base_url": f"{provider.url}/v1",
            "pipeline.abandon_after_ms": 0,
        }
        async with staged(url, folder, settings) as stage:
            await stage.budget()
            yield stage, provider


def hello(**fields: Any) -> pb.QueryRequest:
    """A question to the one model that is played here."""
    return pb.QueryRequest(text="Hello", routing=only("groq", "openai/gpt-oss-120b"), **fields)


async def bound_of(client: Client) -> int:
    """The most that the question can cost."""
    answer = await client.call(client.pipeline.Query, hello(validate_only=True))
    bound: int = answer.validation.cost_bound_nanousd
    return bound


async def run_until_text(client: Client, request: pb.QueryRequest, timeout_s: float) -> Any:
    """The stream of a query whose first text has come."""
    call = client.pipeline.Run(
        pb.RunRequest(query=request), metadata=client.metadata, timeout=timeout_s
    )
    async for response in call:
        if response.event.HasField("llm_call_delta"):
            return call
    raise AssertionError("no text came")


async def booked(stage: Stage) -> int:
    """What stands in the identity's budget; nothing is held any more."""
    person = stage.person()
    (budget,) = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets
    assert 0 == budget.reserved_nanousd
    return int(budget.posted_nanousd + budget.overrun_nanousd)


@pytest.mark.parametrize("way", ["cancel", "leave", "deadline"])
@pytest.mark.parametrize("tokens", [0, 3, HUGE])
async def test_a_call_that_is_left_stops_its_provider_and_is_charged_as_told_or_at_its_bound(
    sqlite_url: str, tmp_path: Path, way: str, tokens: int
) -> None:
    """More than the bound is believed here as anywhere: the provider will bill it."""
    told = (counted(tokens),) if tokens else ()
    async with speaking(sqlite_url, tmp_path, *told, HELLO) as (stage, provider):
        client, request_id = stage.client(), str(uuid4())
        bound = await bound_of(client)
        request = hello(request_id=request_id)
        call = await run_until_text(client, request, 1.5 if way == "deadline" else 60)
        if way == "cancel":
            asked = pb.CancelQueryRequest(request_id=request_id)
            await client.call(client.pipeline.CancelQuery, asked)
        elif way == "leave":
            call.cancel()
        await provider.until_left()
        await client.events(client.pipeline.Watch, pb.WatchRequest(request_id=request_id))
        found = await client.call(
            client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id)
        )

        cost = found.query.cost_nanousd
        assert message_pb2.COST_BASIS_ESTIMATED == found.query.cost_basis
        assert cost == await booked(stage)
        assert cost > bound if tokens == HUGE else cost == bound
