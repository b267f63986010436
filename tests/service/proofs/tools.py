"""Proofs of the reasons that are about calls which a model proposes."""

from __future__ import annotations

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import tool_call_service_pb2 as ts
from tests.harness import Client, Failure, Stage
from tests.service.proofs.registry import proves
from tests.service.tools import CONFIGURED, PAID, proposing, taken


async def _proposed(client: Client, stage: Stage, tool: str, arguments: str) -> tuple[str, str]:
    """A call, and the query that proposed it."""
    request = proposing(stage, (tool, arguments))
    answer = (await client.call(client.pipeline.Query, request)).answer
    return answer.tool_calls[0].call_id, request.request_id


async def _not_taken(client: Client, call_id: str) -> Failure:
    request = ts.TakeToolCallRequest(call_id=call_id)
    return await client.fail(client.tool_calls.TakeToolCall, request)


@proves("TOOL_CALL_CANCELLED", settings=CONFIGURED)
async def withdrawn(stage: Stage) -> Failure:
    """The query is cancelled, and with it what it proposed."""
    client = stage.client()
    call_id, request_id = await _proposed(client, stage, "refund", PAID)
    await client.call(client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id))
    return await _not_taken(client, call_id)


@proves("RELEASE_EXPIRED", settings=CONFIGURED)
async def taken_long_ago(stage: Stage) -> Failure:
    """A release that was given, and is asked for again when it is over."""
    client = stage.client()
    call_id, _ = await _proposed(client, stage, "look", "{}")
    await taken(client, call_id)
    stage.sql("UPDATE tool_calls SET taken_us = 1, expires_us = 2")
    return await _not_taken(client, call_id)


@proves("RELEASE_USED", settings=CONFIGURED)
async def redeemed_twice(stage: Stage) -> Failure:
    """Whoever comes second executes nothing."""
    client = stage.client()
    call_id, _ = await _proposed(client, stage, "look", "{}")
    got = await taken(client, call_id)
    request = ts.RedeemReleaseRequest(
        release=got.release, tool="look", audience="look", arguments_json="{}"
    )
    await client.call(client.tool_calls.RedeemRelease, request)
    return await client.fail(client.tool_calls.RedeemRelease, request)


@proves("RELEASE_INVALID", settings=CONFIGURED)
async def made_up(stage: Stage) -> Failure:
    """What nobody signed."""
    client = stage.client()
    request = ts.RedeemReleaseRequest(release="a.b.c", tool="look", audience="look")
    return await client.fail(client.tool_calls.RedeemRelease, request)


@proves("RELEASE_UNAVAILABLE", settings={"tools.release_key_file": None})
async def no_key(stage: Stage) -> Failure:
    """The operator has made no key."""
    client = stage.client()
    return await client.fail(client.tool_calls.GetReleaseKeys, ts.GetReleaseKeysRequest())
