"""How much at a time, over the wire: windows of identities, slots of providers, turns, times."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from chenu.api.governance.v1 import rate_limit_service_pb2 as rb
from chenu.api.pipeline.v1 import event_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Failure, Stage, eventually, only, staged
from tests.service.asking import blocked

PROVIDER, MODEL = "groq", "openai/gpt-oss-120b"
SECOND_NS = 1_000_000_000
NO_BURST = {"limits.identity_burst": 0}


def hello(marker: str = "") -> pb.QueryRequest:
    """A question for one provider; the upstream's books show the marker."""
    return pb.QueryRequest(text=f"Hello [[{marker or 'x'}]]", routing=only(PROVIDER, MODEL))


def slots(limit: int, window_s: int = 1) -> dict[str, object]:
    """So many calls of the provider in any window; a server that does not wait at its end."""
    return {
        f"providers.settings.{PROVIDER}.limit": limit,
        "limits.provider_window_s": window_s,
        "server.drain_grace_s": 0,
    }


async def ask(client: Client, marker: str = "", timeout_s: float = 30.0) -> Failure | None:
    """One query, however it ends."""
    return await client.outcome(client.pipeline.Query, hello(marker), timeout_s=timeout_s)


def retry_s(failure: Failure | None) -> float:
    """When to come again."""
    assert failure is not None and failure.retry_after_us is not None
    return failure.retry_after_us / 1e6


def most_in_any(times_ns: Sequence[int], window_ns: int) -> int:
    """The most arrivals that any span of a window's length holds."""
    return max(
        sum(start <= time < start + window_ns for time in times_ns) for start in sorted(times_ns)
    )


# --- identities -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({"limits.identity_limit": 3, **NO_BURST}, "identity_window"),
        ({"limits.identity_limit": 0, "limits.identity_burst": 3}, "identity_burst"),
    ],
)
async def test_the_call_that_breaks_a_limit_is_told_which_and_blocks_the_identity(
    database_url: str, tmp_path: Path, settings: dict[str, int], limit: str
) -> None:
    """Three are served, the fourth is told the block's end, the fifth what is left of it."""
    wide = {"limits.identity_burst_window_ms": 60_000}
    async with staged(database_url, tmp_path, {**wide, **settings}) as stage:
        await stage.budget()
        client, other = stage.client(), stage.client("other")
        await stage.budget("other")

        served = [await ask(client) for _ in range(3)]
        broke, blocked_ = await ask(client), await ask(client)
        elsewhere = await ask(other)

    assert [None] * 3 == served
    assert broke is not None and blocked_ is not None
    assert ("RATE_LIMITED", {"limit": limit}) == (broke.reason, broke.metadata)
    assert 120.0 == retry_s(broke)
    assert "IDENTITY_BLOCKED" == blocked_.reason
    assert 0 < retry_s(blocked_) <= 120.0
    assert elsewhere is None


async def test_after_the_told_time_an_identity_is_served(database_url: str, tmp_path: Path) -> None:
    """The time is exact: calls that are blocked are not counted and do not prolong it."""
    settings = {
        "limits.identity_limit": 2,
        "limits.identity_window_s": 1,
        "limits.identity_block_s": 2,
    }
    async with staged(database_url, tmp_path, {**settings, **NO_BURST}) as stage:
        await stage.budget()
        client = stage.client()
        outcomes = [await ask(client) for _ in range(10)]
        await asyncio.sleep(retry_s(outcomes[-1]))

        after = await ask(client)

    assert [None, None] == outcomes[:2]
    assert ["RATE_LIMITED", *["IDENTITY_BLOCKED"] * 7] == [
        failure.reason for failure in outcomes[2:] if failure
    ]
    assert after is None


async def test_a_known_id_is_not_new_work(database_url: str, tmp_path: Path) -> None:
    """A retry storm does not lock its own caller out."""
    async with staged(database_url, tmp_path, {"limits.identity_limit": 2, **NO_BURST}) as stage:
        await stage.budget()
        client, request = stage.client(), hello()
        request.request_id = "9a4fd7c2-2f0c-4c57-a8ea-5f5b6a3a1c11"

        outcomes = [await client.outcome(client.pipeline.Query, request) for _ in range(10)]

    assert [None] * 10 == outcomes


async def test_reading_is_counted_apart_from_new_work(database_url: str, tmp_path: Path) -> None:
    """Calls that read have a rate of their own, with the time at which there is room."""
    settings = {"limits.calls_per_s": 1, "limits.calls_burst": 3, "limits.identity_limit": 0}
    async with staged(database_url, tmp_path, settings) as stage:
        client = stage.client()
        request = rb.GetRateLimitsRequest()
        served = [await client.outcome(client.limits.GetRateLimits, request) for _ in range(3)]
        refused = await client.outcome(client.limits.GetRateLimits, request)
        await asyncio.sleep(retry_s(refused))
        after = await client.outcome(client.limits.GetRateLimits, request)

    assert [None] * 3 == served
    assert refused is not None
    assert ("RATE_LIMITED", {"limit": "calls"}) == (refused.reason, refused.metadata)
    assert after is None


async def test_an_identity_sees_its_limit_and_an_operator_who_is_blocked(
    database_url: str, tmp_path: Path
) -> None:
    """What a refusal says can be looked up."""
    async with staged(database_url, tmp_path, {"limits.identity_limit": 2, **NO_BURST}) as stage:
        await stage.budget()
        client, operator = stage.client(), stage.operator()
        outcomes = [await ask(client) for _ in range(3)]
        own = await client.call(client.limits.GetRateLimits, rb.GetRateLimitsRequest())
        all_ = await operator.call(operator.limits.ListRateLimits, rb.ListRateLimitsRequest())

    assert 1 == sum(failure is not None for failure in outcomes)
    assert (2, 2, 60) == (own.limit.window_limit, own.limit.window_used, own.limit.window.seconds)
    assert own.limit.HasField("blocked_until")
    assert ["acme"] == [limit.identity_id for limit in all_.blocked]


# --- providers --------------------------------------------------------------------------------


async def test_a_provider_gets_no_more_than_its_limit_in_any_span(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Twelve calls of three identities, four in any second: all served, never a fifth."""
    async with staged(sqlite_url, tmp_path, slots(4)) as stage:
        names = ["one", "two", "three"]
        for name in names:
            await stage.budget(name)
        clients = [stage.client(names[number % 3]) for number in range(12)]

        outcomes = await asyncio.gather(*map(ask, clients))

        times = [arrival.mono_ns for arrival in stage.upstream.arrivals]
    assert [None] * 12 == outcomes
    assert 12 == len(times)
    assert 4 == most_in_any(times, SECOND_NS)


async def test_a_light_identity_gets_the_next_slot_however_long_a_heavy_one_waits(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Turns are of identities and not of calls."""
    async with staged(sqlite_url, tmp_path, slots(1, window_s=2)) as stage:
        await stage.budget("heavy")
        await stage.budget("light")
        heavy, light = stage.client("heavy"), stage.client("light")
        waiting = [asyncio.create_task(ask(heavy, f"heavy-{number}", 120)) for number in range(21)]
        await eventually(lambda: someone_waits(stage, 19))
        await eventually(lambda: arrived(stage, 2))

        outcome = await ask(light, "light")

        order = [arrival.marker for arrival in stage.upstream.arrivals]
        for task in waiting:
            task.cancel()
    assert outcome is None
    assert 2 == order.index("light")


async def arrived(stage: Stage, count: int) -> bool:
    """Whether so many calls have reached the provider."""
    return count == stage.upstream.arrivals_total


async def someone_waits(stage: Stage, count: int) -> bool:
    """Whether so many calls wait for the provider's slots."""
    return count == (await provider_limit(stage)).waiting


async def provider_limit(stage: Stage) -> rb.ProviderLimit:
    """The provider's slots as an operator sees them."""
    operator = stage.operator()
    shown = await operator.call(operator.limits.ListRateLimits, rb.ListRateLimitsRequest())
    found: rb.ProviderLimit
    (found,) = [each for each in shown.providers if each.provider == PROVIDER]
    return found


async def test_a_deadline_that_cannot_be_met_is_told_the_exact_time(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Refused at once and not at the deadline; a call at the told time is served."""
    async with staged(sqlite_url, tmp_path, slots(1, window_s=3)) as stage:
        await stage.budget()
        client = stage.client()
        await ask(client)

        refused = await ask(client, timeout_s=1)
        await asyncio.sleep(retry_s(refused))
        after = await ask(client, timeout_s=1)

    assert refused is not None
    assert ("DEADLINE_UNREACHABLE", {"provider": PROVIDER}) == (refused.reason, refused.metadata)
    assert after is None


async def test_a_full_queue_is_told_when_there_is_room(sqlite_url: str, tmp_path: Path) -> None:
    """Nobody waits without a place; the time is that of a slot."""
    settings = {**slots(1, window_s=60), "limits.waiting_max": 2}
    async with staged(sqlite_url, tmp_path, settings) as stage:
        await stage.budget()
        client = stage.client()
        await ask(client)
        waiting = [asyncio.create_task(ask(client, timeout_s=400)) for _ in range(2)]
        await eventually(lambda: someone_waits(stage, 2))

        refused = await ask(client, timeout_s=400)
        for task in waiting:
            task.cancel()

    assert refused is not None
    assert "QUEUE_FULL" == refused.reason
    assert 0 < retry_s(refused) <= 61.25


async def test_a_wait_is_told_live_and_not_kept(sqlite_url: str, tmp_path: Path) -> None:
    """Who waits sees why; the log holds what was committed and nothing of the wait."""
    async with staged(sqlite_url, tmp_path, slots(1)) as stage:
        await stage.budget()
        client, request = stage.client(), hello()
        await ask(client)
        request.request_id = "2b1f0c7e-52b3-4d4f-9a6b-0d8f9f1f5a33"

        live, error = await client.events(client.pipeline.Run, pb.RunRequest(query=request))
        stored, _ = await client.events(
            client.pipeline.Watch, pb.WatchRequest(request_id=request.request_id)
        )

    queued = [event for event in live if event.type == event_pb2.EVENT_TYPE_RATE_LIMIT_QUEUED]
    assert error is None
    assert [(0, PROVIDER)] == [(each.sequence, each.rate_limit_notice.provider) for each in queued]
    assert [each for each in live if each.sequence] == [each for each in stored if each.sequence]


async def test_slots_outlive_the_server(sqlite_url: str, tmp_path: Path) -> None:
    """A restart gives no provider more than it takes."""
    async with staged(sqlite_url, tmp_path, slots(1, window_s=60)) as stage:
        await stage.budget()
        first = await ask(stage.client())
    async with staged(sqlite_url, tmp_path, slots(1, window_s=60)) as stage:
        second = await ask(stage.client(), timeout_s=5)
        shown = await provider_limit(stage)

    assert first is None
    assert second is not None and "DEADLINE_UNREACHABLE" == second.reason
    assert (1, 1, 0) == (shown.limit, shown.in_use, shown.free)
    assert shown.HasField("next_free_time")


async def test_what_does_not_run_takes_no_slot(sqlite_url: str, tmp_path: Path) -> None:
    """A blocked and a denied query leave the provider's room to others."""
    async with staged(sqlite_url, tmp_path, slots(1, window_s=60)) as stage:
        client = stage.client()
        denied = await ask(client)
        await stage.budget()
        waits = await blocked(client, routing=only(PROVIDER, MODEL))

        served = await ask(client, timeout_s=5)

    assert denied is not None
    assert Counter(["BUDGET_REQUIRED", "CHECKPOINT_PENDING"]) == Counter(
        [denied.reason, waits.reason]
    )
    assert served is None
