"""Proofs of the reasons about how much at a time."""

from __future__ import annotations

import asyncio

from chenu.api.governance.v1 import rate_limit_service_pb2 as rb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Failure, Stage, eventually, only
from tests.service.proofs.registry import proves

MODEL = "openai/gpt-oss-120b"
ONE_CALL = {"providers.settings.groq.limit": 1, "server.drain_grace_s": 0}


def hello() -> pb.QueryRequest:
    """A question for one provider."""
    return pb.QueryRequest(text="Hello", routing=only("groq", MODEL))


async def started(stage: Stage, client: Client) -> asyncio.Task[Failure | None]:
    """A query that the upstream holds."""
    stage.upstream.hold()
    task = asyncio.create_task(client.outcome(client.pipeline.Query, hello()))
    async with asyncio.timeout(10):
        await stage.upstream.until_open(1)
    return task


@proves("RATE_LIMITED", settings={"limits.identity_burst": 1})
async def too_fast(stage: Stage) -> Failure:
    """One more than the burst allows."""
    client = stage.client()
    outcomes = await asyncio.gather(
        *(client.outcome(client.pipeline.Query, hello()) for _ in range(2))
    )
    return next(failure for failure in outcomes if failure is not None)


@proves("IDENTITY_BLOCKED", settings={"limits.identity_limit": 1})
async def still_blocked(stage: Stage) -> Failure:
    """The call after the one that broke the limit."""
    client = stage.client()
    await client.call(client.pipeline.Query, hello())
    await client.fail(client.pipeline.Query, hello())
    return await client.fail(client.pipeline.Query, hello())


@proves("QUEUE_FULL", settings={**ONE_CALL, "limits.waiting_max": 1})
async def queue_of_one(stage: Stage) -> Failure:
    """One call has the slot, one waits, one is too many."""
    client = stage.client()
    await client.call(client.pipeline.Query, hello())
    waiting = asyncio.create_task(client.outcome(client.pipeline.Query, hello(), timeout_s=120))
    await eventually(lambda: someone_waits(stage))
    failure = await client.fail(client.pipeline.Query, hello(), timeout_s=120)
    waiting.cancel()
    return failure


async def someone_waits(stage: Stage) -> bool:
    """Whether any call waits for a slot."""
    operator = stage.operator()
    shown = await operator.call(operator.limits.ListRateLimits, rb.ListRateLimitsRequest())
    return any(provider.waiting for provider in shown.providers)


@proves("DEADLINE_UNREACHABLE", settings=ONE_CALL)
async def too_short(stage: Stage) -> Failure:
    """The next slot is free in a minute, and the caller waits for five seconds."""
    client = stage.client()
    await client.call(client.pipeline.Query, hello())
    return await client.fail(client.pipeline.Query, hello(), timeout_s=5)


@proves("SERVER_OVERLOADED", settings={"pipeline.running_max": 1, "server.drain_grace_s": 0})
async def one_too_many(stage: Stage) -> Failure:
    """A second query while one runs that may."""
    client = stage.client()
    first = await started(stage, client)
    failure = await client.fail(client.pipeline.Query, hello())
    stage.upstream.release()
    await first
    return failure
