"""A server dies at each edge of a reservation: the money is exact, the same call goes on."""

from __future__ import annotations

from typing import Final

import pytest
import sqlalchemy as sa

from chenu.api.governance.v1 import budget_service_pb2 as bb
from tests.crash.site import DONE, Callers, Site
from tests.crash.spender import AMOUNT, SPENT, Service
from tests.harness import eventually

pytestmark = pytest.mark.crash

ENDED: Final = "RESERVATION_NOT_HELD"


async def books(at: Callers) -> tuple[int, int]:
    """What stands posted and reserved."""
    listed = await at.person.call(at.person.budgets.ListBudgets, bb.ListBudgetsRequest())
    (budget,) = listed.budgets
    return budget.posted_nanousd, budget.reserved_nanousd


@pytest.mark.parametrize("edge", ["before_commit", "after_commit"])
async def test_a_reserve_is_whole_or_not_at_all(site: Site, edge: str) -> None:
    """Whichever it was, the same call holds the money once."""
    service = Service()
    async with site.running(f"reserve.{edge}=kill") as at:
        await at.fund()
        assert "UNAVAILABLE" == await at.dies_of(service.reserve(at))
    async with site.running() as at:
        left = await books(at)
        again = await service.reserve(at)

        assert ((0, AMOUNT if edge == "after_commit" else 0), DONE) == (left, again)
        assert (0, AMOUNT) == await books(at)
        assert DONE == await service.post(at)
        assert (SPENT, 0) == await books(at)


@pytest.mark.parametrize("edge", ["before_commit", "after_commit"])
@pytest.mark.parametrize("verb", ["post", "void"])
async def test_an_end_is_whole_or_not_at_all(site: Site, verb: str, edge: str) -> None:
    """The money is held or ended, never both or neither; the same call says so."""
    service = Service()
    async with site.running(f"{verb}.{edge}=kill") as at:
        await at.fund()
        assert DONE == await service.reserve(at)
        assert "UNAVAILABLE" == await at.dies_of(getattr(service, verb)(at))
    ended = (SPENT, 0) if verb == "post" else (0, 0)
    async with site.running() as at:
        assert (ended if edge == "after_commit" else (0, AMOUNT)) == await books(at)
        assert DONE == await getattr(service, verb)(at)
        assert ended == await books(at)
        assert ENDED == await service.reserve(at)


@pytest.mark.parametrize("edge", ["before_commit", "after_commit"])
async def test_an_approval_is_used_once_over_a_crash(site: Site, edge: str) -> None:
    """The second `reserve` that writes anything is the one that uses it."""
    service = Service(gated=True)
    async with site.running(f"reserve.{edge}=kill@2") as at:
        await at.fund()
        assert "CHECKPOINT_PENDING" == await service.reserve(at)
        await service.approve(at)
        assert "UNAVAILABLE" == await at.dies_of(service.reserve(at))
    async with site.running() as at:
        assert (0, AMOUNT) == await books(at)
        assert [DONE, DONE] == [await service.reserve(at), await service.reserve(at)]
        assert DONE == await service.post(at)
        assert (SPENT, 0) == await books(at)


@pytest.mark.parametrize("edge", ["before_commit", "after_commit"])
async def test_what_is_out_of_time_ends_over_a_crash(site: Site, edge: str) -> None:
    """The sweep dies of it, and the next one's ends it or finds it ended."""
    service = Service()
    async with site.running() as at:
        await at.fund()
        assert DONE == await service.reserve(at)
    with site.database() as connection:
        connection.execute(sa.text("UPDATE reservations SET expires_us = 1"))
    async with site.running(f"lapse.{edge}=kill") as at:
        await at.server.ended()
    async with site.running() as at:

        async def is_free() -> bool:
            return (0, 0) == await books(at)

        await eventually(is_free)
        assert [ENDED, ENDED] == [await service.post(at), await service.reserve(at)]


async def test_what_is_held_and_what_waits_outlive_a_server(site: Site) -> None:
    """No process owns them, so a start ends neither."""
    held, waits = Service(), Service(gated=True)
    async with site.running() as at:
        await at.fund()
        assert [DONE, "CHECKPOINT_PENDING"] == [await each.reserve(at) for each in (held, waits)]
    async with site.running() as at:
        assert (0, 2 * AMOUNT) == await books(at)
        await waits.approve(at)
        assert [DONE, DONE] == [await waits.reserve(at), await held.post(at)]
        assert (SPENT, AMOUNT) == await books(at)
