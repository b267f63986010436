"""Proposed calls over several workers of one database: nothing is released or redeemed twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chenu.api.pipeline.v1 import tool_call_service_pb2 as ts
from tests.harness import Client, Stage, staged
from tests.service.tools import (
    CONFIGURED,
    PAID,
    RELEASED,
    decide,
    not_taken,
    proposing,
    shown,
    taken,
)

Workers = tuple[Stage, Stage, Stage]


@pytest.fixture
async def workers(postgres_url: str, tmp_path: Path) -> AsyncIterator[Workers]:
    """Three, which share their release keys."""
    async with (
        staged(postgres_url, tmp_path, CONFIGURED) as one,
        staged(postgres_url, tmp_path, CONFIGURED) as two,
        staged(postgres_url, tmp_path, CONFIGURED) as three,
    ):
        await one.budget()
        yield one, two, three


async def test_it_is_proposed_approved_taken_and_redeemed_anywhere(workers: Workers) -> None:
    """Asked at one, approved at another, taken at all with the same bytes, redeemed at any."""
    one, two, three = workers
    client = one.client()
    answer = (await client.call(client.pipeline.Query, proposing(one, ("refund", PAID)))).answer
    (call,) = answer.tool_calls
    early = await not_taken(three.client(), call.call_id)
    await decide(two.person(), call)
    first, *again = [await taken(each.client(), call.call_id) for each in workers]
    request = ts.RedeemReleaseRequest(
        release=first.release, tool="refund", audience="payments", arguments_json=PAID
    )
    executor = two.client(name="payments")
    await executor.call(executor.tool_calls.RedeemRelease, request)

    assert "CHECKPOINT_PENDING" == early
    assert [first, first] == again
    assert "RELEASE_USED" == await _redeemed(three.client(name="payments"), request)
    assert RELEASED == (await shown(one.client(), call.call_id)).state


async def test_of_many_at_once_one_redeems_and_all_take_the_same(workers: Workers) -> None:
    """Thirty of each, each at one of three."""
    client = workers[0].client()
    request = proposing(workers[0], ("refund", PAID))
    (call,) = (await client.call(client.pipeline.Query, request)).answer.tool_calls
    await decide(workers[1].person(), call)
    callers = [workers[at % 3].client() for at in range(30)]
    takes = await asyncio.gather(*(taken(each, call.call_id) for each in callers))
    redeem = ts.RedeemReleaseRequest(
        release=takes[0].release, tool="refund", audience="payments", arguments_json=PAID
    )
    redeemed = await asyncio.gather(*(_redeemed(each, redeem) for each in callers))

    assert {takes[0].release} == {each.release for each in takes}
    assert {"OK": 1, "RELEASE_USED": 29} == Counter(redeemed)


async def _redeemed(client: Client, request: ts.RedeemReleaseRequest) -> str:
    failure = await client.outcome(client.tool_calls.RedeemRelease, request)
    return failure.reason if failure else "OK"
