"""Held calls that nobody decides on, or nobody takes, over the wire and on each store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import tool_call_pb2 as tp
from tests.harness import Client, Stage, staged
from tests.service.tools import (
    CONFIGURED,
    EXPIRED,
    PAID,
    decide,
    not_taken,
    proposing,
    shown,
    taken,
)

SECOND_US = 1_000_000


@pytest.fixture
async def gated(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server whose operator has configured two tools."""
    async with staged(database_url, tmp_path, CONFIGURED) as running:
        await running.budget()
        yield running


async def held(stage: Stage, client: Client) -> tp.ProposedCall:
    """A call that waits for a person."""
    answer = (await client.call(client.pipeline.Query, proposing(stage, ("refund", PAID)))).answer
    (call,) = answer.tool_calls
    found: tp.ProposedCall = call
    return found


@pytest.mark.parametrize("is_swept", [True, False], ids=["swept", "asked for"])
async def test_a_call_that_nobody_decides_on_expires(gated: Stage, is_swept: bool) -> None:
    """At its time, whether the sweep finds it first or who would take it; a late yes is none."""
    client, person = gated.client(), gated.person()
    call = await held(gated, client)
    gated.sql("UPDATE checkpoints SET expires_us = created_us")
    if is_swept:
        await gated.application.sweeper.expire()
    else:
        assert "CHECKPOINT_EXPIRED" == await not_taken(client, call.call_id)
    ended = await shown(client, call.call_id)
    request = cb.ResolveCheckpointRequest(
        checkpoint_id=call.checkpoint_id,
        decision_id="0198f3a0-0000-7000-8000-000000000002",
        decision=cb.CHECKPOINT_DECISION_APPROVE,
        expected_action_digest=ended.action_digest,
    )
    late = await person.fail(person.checkpoints.ResolveCheckpoint, request)

    assert (EXPIRED, "CHECKPOINT_EXPIRED") == (ended.state, ended.reason)
    assert "CHECKPOINT_EXPIRED" == late.reason
    assert "CHECKPOINT_EXPIRED" == await not_taken(client, call.call_id)


@pytest.mark.parametrize("is_swept", [True, False], ids=["swept", "asked for"])
async def test_an_approval_that_nobody_uses_in_time_releases_nothing(
    gated: Stage, is_swept: bool
) -> None:
    """What was said yes to is not done years later."""
    client = gated.client()
    call = await held(gated, client)
    await decide(gated.person(), call)
    gated.sql("UPDATE checkpoints SET use_before_us = created_us")
    if is_swept:
        await gated.application.sweeper.expire()
    reason = await not_taken(client, call.call_id)
    ended = await shown(client, call.call_id)

    assert ("CHECKPOINT_EXPIRED", EXPIRED) == (reason, ended.state)
    assert 0 == ended.take_time.ToMicroseconds()


async def test_a_release_ends_with_the_approval_at_the_latest(gated: Stage) -> None:
    """An approval's time is the person's word, which the gateway does not stretch."""
    client = gated.client()
    call = await held(gated, client)
    await decide(gated.person(), call)
    within_us = 100 * SECOND_US
    gated.sql("UPDATE checkpoints SET use_before_us = resolved_us + :within", within=within_us)
    got = await taken(client, call.call_id)
    lasts_us = got.expire_time.ToMicroseconds() - got.call.take_time.ToMicroseconds()

    assert 0 < lasts_us <= within_us


async def test_a_release_that_was_taken_outlives_no_time_of_its_own(gated: Stage) -> None:
    """It is given again until it ends and never after, nor made anew; the approval is used."""
    client = gated.client()
    call = await held(gated, client)
    await decide(gated.person(), call)
    first = await taken(client, call.call_id)
    gated.sql("UPDATE checkpoints SET use_before_us = created_us, expires_us = created_us")
    await gated.application.sweeper.expire()
    again = await taken(client, call.call_id)
    gated.sql("UPDATE tool_calls SET expires_us = taken_us + 1")

    assert first == again
    assert "RELEASE_EXPIRED" == await not_taken(client, call.call_id)
