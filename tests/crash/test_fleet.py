"""Three servers on one PostgreSQL are one gateway: whoever is asked, killed, cut off or wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import Any

import pytest

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.upstream import Behaviour
from tests.crash.books import assert_books_balance
from tests.crash.scene import DELETION, QUESTION, Scene
from tests.crash.site import DONE, PROVIDERS, Running, Site
from tests.crash.spender import SPENT, Service
from tests.harness import eventually, only

ANSWER = "Es ist sieben Uhr — 七時 — und alles ist gut. " * 6
STREAMED = Behaviour(answer=ANSWER, deltas=12, pace_ms=20)
SECOND_NS = 1_000_000_000
SLOTS = 4
QUERIES = 36
ROOM = 30
"""Of the identity's window, which is longer than the test."""

LIMITS = {
    "limits.provider_limit": SLOTS,
    "limits.provider_window_s": 1,
    "limits.identity_limit": ROOM,
    "limits.identity_block_s": 0,
}
CLOCKS = {
    "alike": ("", "", ""),
    "two seconds apart": ("clock.offset=shift:2000", "", "clock.offset=shift:-2000"),
    "set back by an hour": ("clock.database=shift:-3600000@20",) * 3,
    "set ahead by an hour": ("clock.database=shift:3600000@20",) * 3,
    "set back at one after the other": (
        "clock.database=shift:-1000@10",
        "clock.database=shift:-2000@15",
        "",
    ),
}

PAYMENTS = 24
LONGER_THAN_ANY_STEP_S = 2 * 3_600

pytestmark = pytest.mark.crash


@asynccontextmanager
async def three(site: Site, failpoints: Sequence[str] = ("", "", "")) -> AsyncIterator[Any]:
    """Three servers, each with failpoints of its own."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(site.running(each)) for each in failpoints]
        await servers[0].fund()
        yield servers


async def log_of(at: Running, scene: Scene) -> list[tuple[int, int, str]]:
    """A query's whole log as a server tells it: numbers and types, and the text of its deltas."""
    request = pb.WatchRequest(request_id=scene.request_id)
    events, failure = await at.backend.events(at.backend.pipeline.Watch, request)
    assert failure is None
    text = "".join(each.llm_call_delta.text for each in events)
    return [*((each.sequence, each.type, "") for each in events if each.sequence), (0, 0, text)]


async def until_known(at: Running, scene: Scene) -> None:
    """Wait until a server can be asked about it."""
    request = pb.GetQueryRequest(request_id=scene.request_id)

    async def is_known() -> bool:
        return await at.backend.outcome(at.backend.pipeline.GetQuery, request) is None

    await eventually(is_known)


def most_in_any_second(site: Site) -> int:
    """The most calls that the upstream had of one provider in any second."""
    most = 0
    for provider in PROVIDERS:
        times = [each.mono_ns for each in site.upstream.arrivals if each.provider == provider]
        spans = (sum(start <= time < start + SECOND_NS for time in times) for start in times)
        most = max(most, *spans, 0)
    return most


@pytest.mark.parametrize("clocks", CLOCKS)
async def test_three_servers_are_one(postgres_site: Site, clocks: str) -> None:
    """Limits are exact over all, every log is the same to the byte, and nobody is ended."""
    site = postgres_site
    site.more |= LIMITS
    site.upstream.behave("*", STREAMED)
    scenes = [Scene(site, QUESTION) for _ in range(QUERIES)]
    async with three(site, CLOCKS[clocks]) as servers:
        asked = [
            asyncio.create_task(scene.ask(servers[number % 3]))
            for number, scene in enumerate(scenes)
        ]
        outcomes = await asyncio.gather(*asked)
        served = [scene for scene, outcome in zip(scenes, outcomes, strict=True) if outcome == DONE]
        logs = [await asyncio.gather(*(log_of(at, scene) for at in servers)) for scene in served]
        await assert_books_balance(servers[0], site, [scene.request_id for scene in served])

    assert {ANSWER} == {scene.text for scene in served} == {log[-1][2] for log, *_ in logs}
    assert [] == [same for same in logs if not same[0] == same[1] == same[2]]
    assert {DONE, "RATE_LIMITED"} == set(outcomes)
    if clocks != "set ahead by an hour":  # in which every place has become free again
        assert {DONE: ROOM, "RATE_LIMITED": QUERIES - ROOM} == Counter(outcomes)
        assert SLOTS == most_in_any_second(site)


@pytest.mark.parametrize("clocks", CLOCKS)
async def test_asked_here_watched_there_approved_at_a_third(
    postgres_site: Site, clocks: str
) -> None:
    """And run at whichever the backend happens to reach; each step is seen at all."""
    site, scene = postgres_site, Scene(postgres_site, DELETION)
    site.upstream.behave("*", STREAMED)
    withdrawn = Scene(site, f"{DELETION} of last year")
    async with three(site, CLOCKS[clocks]) as (one, two, other):
        assert "CHECKPOINT_PENDING" == await scene.ask(one)
        watching = [asyncio.create_task(log_of(at, scene)) for at in (one, two, other)]
        assert DONE == await scene.approve(other)
        assert DONE == await scene.resume(two)
        logs = await asyncio.gather(*watching)
        assert "CHECKPOINT_PENDING" == await withdrawn.ask(two)
        assert DONE == await withdrawn.cancel(one)
        assert [("cancelled", "cancelled")] * 3 == [
            await withdrawn.told(at) for at in (one, two, other)
        ]
        again = await scene.ask(other)
        await assert_books_balance(one, site, [scene.request_id, withdrawn.request_id])

    assert [logs[0]] * 3 == logs
    assert (ANSWER, DONE, 1) == (logs[0][-1][2], again, scene.calls)


@pytest.mark.parametrize("clocks", CLOCKS)
async def test_money_is_held_for_its_time(postgres_site: Site, clocks: str) -> None:
    """Held at one, repeated at the next, posted at the third: no clock ends it before its time."""
    services = [Service(ttl_s=LONGER_THAN_ANY_STEP_S) for _ in range(PAYMENTS)]
    async with three(postgres_site, CLOCKS[clocks]) as servers:

        def turn(shift: int) -> Iterable[tuple[Service, Running]]:
            return zip(services, cycle(servers[shift:] + servers[:shift]), strict=False)

        # All of one before any of the next, so that clocks step while the money is held.
        held = [await each.reserve(at) for each, at in turn(0)]
        again = [await each.reserve(at) for each, at in turn(1)]
        posted = [await each.post(at) for each, at in turn(2)]
        admin = servers[0].person
        listed = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())
        books = [(each.posted_nanousd, each.reserved_nanousd) for each in listed.budgets]

    assert [DONE] * PAYMENTS == held == again == posted
    assert [(PAYMENTS * SPENT, 0)] == books


async def test_of_three_one_is_killed(postgres_site: Site) -> None:
    """What it ran ends, for who watches it elsewhere too; what the others run goes on."""
    site = postgres_site
    site.upstream.behave("*", Behaviour(answer=ANSWER, deltas=12, pace_ms=300))
    scenes = [Scene(site, QUESTION) for _ in range(6)]
    async with three(site) as servers:
        asked = [
            asyncio.create_task(scene.ask(servers[number % 3]))
            for number, scene in enumerate(scenes)
        ]
        for scene in scenes:
            await until_known(servers[0], scene)
        watching = [asyncio.create_task(log_of(servers[1], scene)) for scene in scenes]
        await asyncio.wait_for(site.upstream.until_open(6), 20)
        servers[2].server.kill()
        outcomes = await asyncio.gather(*asked)
        logs = await asyncio.gather(*watching)
        again = [await scene.ask(servers[0]) for scene in scenes]
        await assert_books_balance(servers[0], site, [scene.request_id for scene in scenes])

    assert [DONE, DONE, "UNAVAILABLE"] * 2 == outcomes
    assert [DONE, DONE, "EXECUTION_INTERRUPTED"] * 2 == again
    assert [ANSWER, ANSWER] * 2 == [log[-1][2] for log in logs[0:2] + logs[3:5]]
    assert all(ANSWER.startswith(log[-1][2]) for log in logs)


async def test_a_budget_is_exact_over_three(postgres_site: Site) -> None:
    """Five worst cases fit; of thirty at once at three servers five run, and no sixth."""
    site = postgres_site
    route = only("groq", "openai/gpt-oss-120b")
    scenes = [Scene(site, QUESTION, max_output_tokens=500, routing=route) for _ in range(30)]
    async with three(site) as servers:
        admin = servers[0].person
        listed = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())
        (budget,) = listed.budgets
        asked = pb.QueryRequest()
        asked.CopyFrom(scenes[0].request)
        asked.validate_only, asked.detached = True, False
        backend = servers[0].backend
        validated = await backend.call(backend.pipeline.Query, asked)
        bound = validated.validation.cost_bound_nanousd
        await admin.call(
            admin.budgets.UpdateBudget,
            bb.UpdateBudgetRequest(
                budget_id=budget.budget_id, limit_nanousd=5 * bound, etag=budget.etag
            ),
        )
        site.upstream.hold()
        calls = [
            asyncio.create_task(scene.ask(servers[number % 3]))
            for number, scene in enumerate(scenes)
        ]

        async def are_refused() -> bool:
            return sum(call.done() for call in calls) == 25

        await eventually(are_refused)
        await asyncio.wait_for(site.upstream.until_open(5), 20)
        site.upstream.release()
        outcomes = Counter(await asyncio.gather(*calls))
        served = [scene.request_id for scene in scenes if scene.text]
        await assert_books_balance(servers[1], site, served)

    assert {DONE: 5, "BUDGET_EXHAUSTED": 25} == outcomes
