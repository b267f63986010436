"""Three servers on one PostgreSQL are one gateway: whoever is asked, killed, cut off or wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import cycle

import pytest

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.crash.books import assert_books_balance
from tests.crash.clocks import CLOCKS, LONGER_THAN_ANY_STEP_S, Steps
from tests.crash.fleet import ANSWER, PATIENCE_S, STREAMED, log_of, three
from tests.crash.scene import DELETION, QUESTION, Scene
from tests.crash.site import DONE, PROVIDERS, Running, Site
from tests.crash.spender import SPENT, TTL_S, Service
from tests.harness import eventually, only

SECOND_NS = 1_000_000_000
SLOTS = 4
QUERIES = 24
BEFORE = 12
"""So many are asked before the clocks step."""
AT_WORK = 8
"""So many have reached a provider when they do: all places of a second once, and again."""
ROOM = 18
"""Of the identity's window, which is longer than the test."""

LIMITS = {
    "limits.provider_limit": SLOTS,
    "limits.provider_window_s": 1,
    "limits.identity_limit": ROOM,
    "limits.identity_block_s": 0,
}
PAYMENTS = 24

pytestmark = pytest.mark.crash


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
    site, steps = postgres_site, Steps(postgres_site, clocks)
    site.more |= LIMITS
    site.upstream.behave("*", STREAMED)
    scenes = [Scene(site, QUESTION) for _ in range(QUERIES)]
    async with three(site, steps.failpoints) as servers:

        def ask(asked: Sequence[Scene]) -> list[asyncio.Task[str]]:
            turns = zip(asked, cycle(servers), strict=False)
            return [asyncio.create_task(scene.ask(at)) for scene, at in turns]

        asked = ask(scenes[:BEFORE])
        await eventually(partial(_is_at_work, site), PATIENCE_S)
        await steps.step(servers)
        outcomes = await asyncio.gather(*asked, *ask(scenes[BEFORE:]))
        served = [scene for scene, outcome in zip(scenes, outcomes, strict=True) if outcome == DONE]
        logs = [await asyncio.gather(*(log_of(at, scene) for at in servers)) for scene in served]
        await assert_books_balance(servers[0], site, [scene.request_id for scene in served])

    assert {ANSWER} == {scene.text for scene in served} == {log[-1][2] for log, *_ in logs}
    assert [] == [same for same in logs if not same[0] == same[1] == same[2]]
    if steps.go_ahead:  # every place has become free again
        assert {DONE: QUERIES} == Counter(outcomes)
        assert 2 * SLOTS >= most_in_any_second(site)
    else:
        assert {DONE: ROOM, "RATE_LIMITED": QUERIES - ROOM} == Counter(outcomes)
        assert SLOTS == most_in_any_second(site)


async def _is_at_work(site: Site) -> bool:
    return site.upstream.arrivals_total >= AT_WORK


@pytest.mark.parametrize("clocks", CLOCKS)
async def test_asked_here_watched_there_approved_at_a_third(
    postgres_site: Site, clocks: str
) -> None:
    """And run at whichever the backend happens to reach; each step is seen at all."""
    site, scene, steps = postgres_site, Scene(postgres_site, DELETION), Steps(postgres_site, clocks)
    if steps.go_ahead:
        site.more["checkpoints.default_expiry_s"] = LONGER_THAN_ANY_STEP_S
    site.upstream.behave("*", STREAMED)
    withdrawn = Scene(site, f"{DELETION} of last year")
    async with three(site, steps.failpoints) as servers:
        one, two, other = servers
        assert "CHECKPOINT_PENDING" == await scene.ask(one)
        watching = [asyncio.create_task(log_of(at, scene)) for at in servers]
        await steps.step(servers)
        assert DONE == await scene.approve(other)
        assert DONE == await scene.resume(two)
        logs = await asyncio.gather(*watching)
        assert "CHECKPOINT_PENDING" == await withdrawn.ask(two)
        assert DONE == await withdrawn.cancel(one)
        assert [("cancelled", "cancelled")] * 3 == [await withdrawn.told(at) for at in servers]
        again = await scene.ask(other)
        await assert_books_balance(one, site, [scene.request_id, withdrawn.request_id])

    assert [logs[0]] * 3 == logs
    assert (ANSWER, DONE, 1) == (logs[0][-1][2], again, scene.calls)


@pytest.mark.parametrize("clocks", CLOCKS)
async def test_money_is_held_for_its_time(postgres_site: Site, clocks: str) -> None:
    """Held at one, repeated at the next, posted at the third: no clock ends it before its time."""
    steps = Steps(postgres_site, clocks)
    ttl_s = LONGER_THAN_ANY_STEP_S if steps.go_ahead else TTL_S
    services = [Service(ttl_s=ttl_s) for _ in range(PAYMENTS)]
    async with three(postgres_site, steps.failpoints) as servers:

        def turn(shift: int) -> Iterable[tuple[Service, Running]]:
            return zip(services, cycle(servers[shift:] + servers[:shift]), strict=False)

        # All of one before any of the next, so that clocks step while the money is held.
        held = [await each.reserve(at) for each, at in turn(0)]
        await steps.step(servers)
        again = [await each.reserve(at) for each, at in turn(1)]
        posted = [await each.post(at) for each, at in turn(2)]
        admin = servers[0].person
        listed = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())
        books = [(each.posted_nanousd, each.reserved_nanousd) for each in listed.budgets]

    assert [DONE] * PAYMENTS == held == again == posted
    assert [(PAYMENTS * SPENT, 0)] == books


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
