"""A provider that says when to come back is left alone until then, by everyone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from chenu.api.governance.v1 import rate_limit_service_pb2 as rb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rtb
from chenu.api.pipeline.v1 import routing_pb2
from chenu_server.upstream.behaviour import Behaviour
from tests.harness import Client, Failure, Stage, only, staged

PROVIDER, MODEL = "groq", "openai/gpt-oss-120b"
ONE = only(PROVIDER, MODEL)
SEVERAL = routing_pb2.RoutingRequest(allowed_providers=["google", "mistral", "openai"])
QUICKLY = {"server.drain_grace_s": 0}


def ask() -> pb.QueryRequest:
    """A question for the provider that is held."""
    return pb.QueryRequest(text="Hello", routing=ONE)


def says(stage: Stage, status: int, **headers: Any) -> None:
    """The provider refuses one call so."""
    stage.upstream.script(PROVIDER, [Behaviour(status=status, **headers)])


async def refused(stage: Stage, client: Client) -> tuple[Failure, int]:
    """The call that is told when to come back, and the monotonic time before it was sent."""
    before_ns = time.monotonic_ns()
    return await client.fail(client.pipeline.Query, ask()), before_ns


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"retry_after": "1"}),
        (503, {"retry_after_ms": "800"}),
        (529, {"retry_after_ms": "800", "retry_after": "30"}),
    ],
)
async def test_nobodys_call_arrives_before_the_time(
    stage: Stage, status: int, headers: dict[str, str]
) -> None:
    """Callers of any identity wait as for a full window, then all are served."""
    await stage.budget("other")
    says(stage, status, **headers)
    _, before_ns = await refused(stage, stage.client())

    answers = await asyncio.gather(
        *(stage.client(name).query("Hello", routing=ONE) for name in ("acme", "other", "other"))
    )

    wait_ms = int(headers.get("retry_after_ms", "1000"))
    first, *later = [arrival.mono_ns for arrival in stage.upstream.arrivals]
    assert first >= before_ns
    assert (3, {PROVIDER}) == (len(later), {each.answer.provider for each in answers})
    assert min(later) >= first + wait_ms * 1_000_000


async def test_a_refusal_tells_the_exact_time(stage: Stage) -> None:
    """A call at that time succeeds; one that cannot wait for it is not left waiting."""
    says(stage, 429, retry_after="2")
    client = stage.client()
    await refused(stage, client)

    failure = await client.fail(client.pipeline.Query, ask(), timeout_s=0.5)

    assert ("DEADLINE_UNREACHABLE", PROVIDER) == (failure.reason, failure.metadata["provider"])
    assert failure.retry_after_us is not None
    assert 1.0 < failure.retry_after_us / 1e6 <= 2.0
    await asyncio.sleep(failure.retry_after_us / 1e6)
    await client.call(client.pipeline.Query, ask(), timeout_s=0.5)
    assert 2 == stage.upstream.arrivals_total


async def test_a_call_that_cannot_wait_goes_on_to_the_next_candidate(stage: Stage) -> None:
    """An hour of one provider is not an hour of the gateway."""
    client = stage.client()
    request = rtb.RouteRequest(text="Hello", routing=SEVERAL)
    chain = (await client.call(client.router.Route, request)).decision.chain
    stage.upstream.script(chain[0].provider, [Behaviour(status=429, retry_after="3600")])

    answers = [await client.query("Hello", routing=SEVERAL) for _ in range(2)]

    assert 3 == len({each.provider for each in chain})
    assert {chain[1].provider} == {each.answer.provider for each in answers}
    arrived = [each.provider for each in stage.upstream.arrivals]
    assert [chain[0].provider, chain[1].provider, chain[1].provider] == arrived


async def test_the_state_of_the_limits_shows_it(stage: Stage) -> None:
    """An operator who asks why nothing is called sees no free slot, and until when."""
    says(stage, 503, retry_after="600")
    await refused(stage, stage.client())
    operator = stage.operator()

    shown = await operator.call(operator.limits.ListRateLimits, rb.ListRateLimitsRequest())

    held = {each.provider: each for each in shown.providers}[PROVIDER]
    assert (0, 100) == (held.free, held.limit)
    assert 590 < held.next_free_time.ToSeconds() - time.time() <= 601


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (500, {"retry_after": "60"}),
        (429, {}),
        (429, {"retry_after": "0"}),
        (301, {"location": "/"}),
    ],
)
async def test_other_refusals_hold_nothing_back(
    stage: Stage, status: int, headers: dict[str, str]
) -> None:
    """A fault is no word about room, and a word without a time holds for nobody."""
    says(stage, status, **headers)
    client = stage.client()
    await refused(stage, client)

    await client.call(client.pipeline.Query, ask(), timeout_s=5)

    assert 2 == stage.upstream.arrivals_total


async def test_it_outlives_a_restart(database_url: str, tmp_path: Path) -> None:
    """A server that is restarted to get rid of a problem must not make it worse."""
    async with staged(database_url, tmp_path, QUICKLY) as stage:
        await stage.budget()
        says(stage, 429, retry_after="600")
        await refused(stage, stage.client())

    async with staged(database_url, tmp_path, QUICKLY) as stage:
        client = stage.client()
        failure = await client.fail(client.pipeline.Query, ask(), timeout_s=5)

        assert ("DEADLINE_UNREACHABLE", 0) == (failure.reason, stage.upstream.arrivals_total)


async def test_it_holds_for_all_workers(postgres_url: str, tmp_path: Path) -> None:
    """Workers of one database share the provider's patience with them."""
    async with (
        staged(postgres_url, tmp_path, QUICKLY) as one,
        staged(postgres_url, tmp_path, QUICKLY) as other,
    ):
        await one.budget()
        says(one, 429, retry_after="600")
        await refused(one, one.client())
        client = other.client()

        failure = await client.fail(client.pipeline.Query, ask(), timeout_s=5)

        assert ("DEADLINE_UNREACHABLE", 0) == (failure.reason, other.upstream.arrivals_total)
