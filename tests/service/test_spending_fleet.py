"""A service's own spending over several workers of one database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chenu.api.governance.v1 import reservation_pb2 as rb
from tests.harness import Stage, staged
from tests.service.asking import approval
from tests.service.spending import (
    PAYMENT,
    USD,
    books,
    post,
    posting,
    refused,
    reserve,
    shown,
    sms,
    void,
)


@pytest.fixture
async def workers(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Stage, Stage, Stage]]:
    """Three, and 10 USD for acme."""
    async with (
        staged(postgres_url, tmp_path) as one,
        staged(postgres_url, tmp_path) as two,
        staged(postgres_url, tmp_path) as three,
    ):
        await one.budget(limit_nanousd=10 * USD)
        yield one, two, three


async def test_it_is_reserved_approved_and_posted_anywhere(
    workers: tuple[Stage, Stage, Stage],
) -> None:
    """Asked at one, approved at another, used at a third, posted and seen at the first."""
    one, two, three = workers
    request, person = sms(intents=[PAYMENT]), two.person()
    failure = await refused(one.client(), request)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    held = await reserve(three.client(), request)
    posted = await post(one.client(), request, USD)

    assert rb.RESERVATION_STATE_HELD == held.state
    assert posted == await shown(two.client(), request) == await shown(three.client(), request)
    assert (USD, 0, 0) == await books(two)


async def test_a_budget_is_exact_over_all_of_them(workers: tuple[Stage, Stage, Stage]) -> None:
    """Thirty at once, each at one of three: as many are held as it covers."""
    clients = [workers[at % 3].client(name=f"backend-{at % 4}") for at in range(30)]
    calls = [client.outcome(client.budgets.Reserve, sms(3 * USD)) for client in clients]

    outcomes = Counter(failure and failure.reason for failure in await asyncio.gather(*calls))

    assert {None: 3, "BUDGET_EXHAUSTED": 27} == outcomes
    assert (0, 9 * USD, 0) == await books(workers[0])


async def test_one_id_is_one_reservation_wherever_it_is_repeated(
    workers: tuple[Stage, Stage, Stage],
) -> None:
    """At the same moment, too; and it ends once."""
    one, two, three = workers
    request = sms()
    held = await asyncio.gather(*(reserve(each.client(), request) for each in workers))
    ends = await asyncio.gather(
        one.client().outcome(one.client().budgets.Post, posting(request, USD)),
        two.client().outcome(two.client().budgets.Post, posting(request, 2 * USD)),
        void(three.client(), request),
        return_exceptions=True,
    )

    assert held[0] == held[1] == held[2]
    assert (await shown(one.client(), request)).state in {
        rb.RESERVATION_STATE_POSTED,
        rb.RESERVATION_STATE_VOIDED,
    }
    assert 1 == sum(end is None or isinstance(end, rb.Reservation) for end in ends)
    posted, reserved, _ = await books(two)
    assert 0 == reserved and posted in {0, USD, 2 * USD}
