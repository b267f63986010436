"""What a client's own retry policy does with a refusal: it knows the status, not the reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from chenu import errors
from chenu.aio import Client as Sdk
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.pipeline.servicer import PipelineServicer
from chenu_server.vocabulary import Role
from tests.harness import Client, Stage, staged
from tests.service.asking import DELETE
from tests.service.proofs.rates import hello, started

RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.01s",
    "maxBackoff": "0.01s",
    "backoffMultiplier": 1,
    "retryableStatusCodes": [
        "UNAVAILABLE",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "PERMISSION_DENIED",
        "ABORTED",
        "DATA_LOSS",
    ],
}
SERVICE_CONFIG = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRY_POLICY}]})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the calls that reached the server; ask for it before the server."""
    ids: list[str] = []
    query, run = PipelineServicer.Query, PipelineServicer.Run

    async def counted_query(self: Any, request: pb.QueryRequest, context: Any) -> Any:
        ids.append(request.request_id)
        return await query(self, request, context)

    async def counted_run(
        self: Any, request: pb.RunRequest, context: Any
    ) -> AsyncIterator[pb.RunResponse]:
        ids.append(request.query.request_id)
        async for response in run(self, request, context):
            yield response

    monkeypatch.setattr(PipelineServicer, "Query", counted_query)
    monkeypatch.setattr(PipelineServicer, "Run", counted_run)
    return ids


@asynccontextmanager
async def retrying(stage: Stage) -> AsyncIterator[Client]:
    """A caller whose channel makes every refused call again that it may."""
    options = [("grpc.service_config", SERVICE_CONFIG), ("grpc.use_local_subchannel_pool", 1)]
    address = f"127.0.0.1:{stage.application.port}"
    async with grpc.aio.insecure_channel(address, options) as channel:
        yield Client(channel, stage.client().metadata)


def sdk(stage: Stage) -> Sdk:
    """The SDK as a backend service uses it."""
    return Sdk(f"127.0.0.1:{stage.application.port}", token=stage.token({"acme": (Role.MEMBER,)}))


@pytest.mark.parametrize("streams", [False, True])
async def test_a_provider_outage_is_asked_about_once(
    asked: list[str], stage: Stage, streams: bool
) -> None:
    """The outcome is bound to its id: UNAVAILABLE by status, and yet final."""
    stage.upstream.behave(status=503)
    async with retrying(stage) as client:
        run: Any = client.pipeline.Run if streams else client.pipeline.Query
        query = pb.QueryRequest(text="Hello")
        failure = await client.fail(run, pb.RunRequest(query=query) if streams else query)

    assert "PROVIDER_UNAVAILABLE" == failure.reason
    assert 1 == len(asked)


async def test_an_exhausted_budget_is_asked_about_once(
    sqlite_url: str, tmp_path: Path, asked: list[str]
) -> None:
    """More money does not come within a backoff."""
    async with staged(sqlite_url, tmp_path) as stage, retrying(stage) as client:
        await stage.budget(limit_nanousd=1)
        failure = await client.fail(client.pipeline.Query, hello())

    assert "BUDGET_EXHAUSTED" == failure.reason
    assert 1 == len(asked)


async def test_a_person_is_asked_once(asked: list[str], stage: Stage) -> None:
    """A retry policy that is too wide must not fill the approvers' list."""
    async with retrying(stage) as client:
        failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text=DELETE))

    assert "CHECKPOINT_PENDING" == failure.reason
    assert 1 == len(asked)


async def test_a_refusal_with_a_time_is_asked_about_at_that_time(
    sqlite_url: str, tmp_path: Path, asked: list[str]
) -> None:
    """The policy's own backoff of 10 ms would use up its four attempts within the block."""
    settings = {
        "limits.identity_limit": 1,
        "limits.identity_window_s": 1,
        "limits.identity_block_s": 1,
    }
    async with staged(sqlite_url, tmp_path, settings) as stage, retrying(stage) as client:
        await stage.budget()
        outcomes = await asyncio.gather(
            *(client.outcome(client.pipeline.Query, hello()) for _ in range(2))
        )

    assert [None, None] == outcomes
    assert 3 == len(asked)


async def test_a_wait_that_outlasts_the_call_is_told_at_once(
    sqlite_url: str, tmp_path: Path, asked: list[str]
) -> None:
    """Waiting for it would end as DEADLINE_EXCEEDED, and the caller would not know why."""
    async with (
        staged(sqlite_url, tmp_path, {"limits.identity_limit": 1}) as stage,
        retrying(stage) as client,
    ):
        await stage.budget()
        await client.call(client.pipeline.Query, hello())
        failure = await client.fail(client.pipeline.Query, hello(), timeout_s=15)

    assert "RATE_LIMITED" == failure.reason
    assert 2 == len(asked)


async def test_the_sdk_asks_about_an_outcome_once(asked: list[str], stage: Stage) -> None:
    """Its own retries are for lost connections and for decisions that cannot be recorded."""
    stage.upstream.behave(status=503)
    async with sdk(stage) as client:
        with pytest.raises(errors.ProviderFailed):
            await client.pipeline.query("Hello")
        with pytest.raises(errors.ProviderFailed):
            async for _ in client.pipeline.run("Hello"):
                pass

    assert 2 == len(asked)


async def test_the_sdk_leaves_a_full_server_to_its_caller(
    sqlite_url: str, tmp_path: Path, asked: list[str]
) -> None:
    """A refusal for want of room is an answer, with its time."""
    settings = {"pipeline.running_max": 1, "server.drain_grace_s": 0}
    async with staged(sqlite_url, tmp_path, settings) as stage, sdk(stage) as client:
        await stage.budget()
        first = await started(stage, stage.client())
        with pytest.raises(errors.RateRefused) as caught:
            await client.pipeline.query("Hello")
        stage.upstream.release()
        await asyncio.wait_for(first, 20)

    assert caught.value.retry_after is not None
    assert 2 == len(asked)
