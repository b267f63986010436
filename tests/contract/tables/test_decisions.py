"""Money and slots decided by the real writer: many units in few batches, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest

from chenu_server.caller import Caller, Principal
from chenu_server.governance.budgets.changes import CreateBudget, DeleteBudget, Exists, InUse
from chenu_server.governance.budgets.decide import (
    Held,
    Hold,
    NoBudget,
    budgets_for,
    needs_for_legs,
    needs_for_reserve,
    post,
    reserve,
)
from chenu_server.governance.budgets.model import Budget, Reservation
from chenu_server.governance.budgets.standing import Standing
from chenu_server.governance.limits.decide import (
    Dispatched,
    NoSlot,
    Readmitted,
    needs_slot,
    take_slot,
)
from chenu_server.governance.limits.model import ProviderLimit, Slot
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.unit import ById, Moment, Need, Rows
from chenu_server.vocabulary import Period, PrincipalType, Role, Scope
from tests.contract.tables.samples import MAPS
from tests.stores import store_at

HOUR_US = 3_600_000_000
LIMIT = ProviderLimit(requests=4, window_us=HOUR_US, guard_us=0, dispatch_within_us=0)
CAROL = Caller(
    principal=Principal(type=PrincipalType.USER, id="carol"),
    identity_id="alice",
    roles=frozenset({Role.BUDGET_ADMIN}),
)


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[SqlWriter]:
    """A running writer on a new database."""
    running = SqlWriter(store_at(database_url), MAPS)
    await running.start()
    yield running
    await running.close()


@dataclass(frozen=True, slots=True)
class Take:
    """A unit that takes a slot."""

    limit: ProviderLimit
    name: str = "take"

    def needs(self, now: Moment) -> Sequence[Need]:
        """One slot."""
        return needs_slot(0, "p")

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> Slot | NoSlot:
        """Take it."""
        return take_slot(rows, 0, "p", self.limit, now.now_us)


@dataclass(frozen=True, slots=True)
class Reserve:
    """A unit that reserves for one of Alice's queries."""

    request_id: str
    amount: int
    name: str = "reserve"

    def needs(self, now: Moment) -> Sequence[Need]:
        """Budgets and current periods."""
        return needs_for_reserve("alice", now.now_us)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> object:
        """Reserve it."""
        hold = Hold(
            identity_id="alice",
            request_id=self.request_id,
            amount_nanousd=self.amount,
            owner_id="o",
            expires_us=0,
        )
        standings = budgets_for(rows, "alice", {}, now.now_us)
        return reserve(rows, standings, hold, required=True, now_us=now.now_us)


@dataclass(frozen=True, slots=True)
class Post:
    """A unit that posts what one of Alice's queries used."""

    request_id: str
    used: int
    name: str = "post"

    def needs(self, now: Moment) -> Sequence[Need]:
        """The reservation."""
        return (ById(Reservation, ("alice", self.request_id)),)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Its legs."""
        held = rows.get(Reservation, ("alice", self.request_id))
        return needs_for_legs(held) if held else ()

    def decide(self, rows: Rows, now: Moment) -> Reservation:
        """Post it."""
        held = rows.get(Reservation, ("alice", self.request_id))
        assert held is not None
        return post(rows, held, self.used, estimated=False, now_us=now.now_us)


async def taken(writer: SqlWriter, calls: int, limit: ProviderLimit = LIMIT) -> list[Slot]:
    """The slots that so many calls got, all asked for at once."""
    outcomes = await asyncio.gather(*(writer.submit(Take(limit)) for _ in range(calls)))
    return [each for each in outcomes if isinstance(each, Slot)]


def create(period: Period = Period.DAILY, limit: int = 100) -> CreateBudget:
    """A unit that makes a budget of Alice's."""
    return CreateBudget(
        caller=CAROL,
        budget_id=f"{period.value}-{limit}",
        scope=Scope.IDENTITY,
        period=period,
        limit_nanousd=limit,
    )


async def test_calls_of_one_batch_get_a_slot_each_and_no_more_than_there_are(
    writer: SqlWriter,
) -> None:
    """Each unit sees what those before it took."""
    assert [0, 1, 2, 3] == sorted(slot.slot for slot in await taken(writer, 12))
    assert [] == await taken(writer, 3)


async def test_a_dispatch_frees_its_slot_early_enough_for_the_next_call(
    writer: SqlWriter,
) -> None:
    """The note is committed ahead of the next batch."""
    first, *_ = await taken(writer, 4)
    ended = replace(LIMIT, window_us=0)
    writer.note(Dispatched(first, ended, dispatched_ns=0))

    assert [first.slot] == [slot.slot for slot in await taken(writer, 4)]


async def test_a_lowered_limit_counts_those_in_flight_and_a_raised_one_goes_on(
    writer: SqlWriter,
) -> None:
    """Retired slots stay out of every later batch's sight until they are needed again."""
    slots = await taken(writer, 4)
    lowered = replace(LIMIT, requests=2)
    assert [] == await taken(writer, 8, lowered)
    for slot in slots[:3]:
        writer.note(Dispatched(slot, replace(LIMIT, window_us=0), dispatched_ns=0))

    got = [slot for _ in range(6) for slot in await taken(writer, 1, lowered)]
    assert 1 == len(got)
    assert [2, 3] == sorted(slot.slot for slot in await taken(writer, 8))


async def test_a_call_that_did_not_go_out_keeps_its_place(writer: SqlWriter) -> None:
    """Its slot is held anew, and no second one is taken for it."""
    slot, *others = await taken(writer, 4)
    again = await writer.submit(Readmitted(slot, LIMIT))

    assert slot.slot == again.slot
    assert again.free_at_us > slot.free_at_us
    assert 3 == len(others)
    assert [] == await taken(writer, 1)


async def test_any_number_of_callers_never_overspend(writer: SqlWriter) -> None:
    """Exactly as many are admitted as fit in the narrowest budget."""
    await writer.submit(create(limit=100))
    await writer.submit(create(Period.TOTAL, limit=70))

    asked = [writer.submit(Reserve(f"q{number}", 10)) for number in range(40)]
    assert 7 == sum(isinstance(each, Held) for each in await asyncio.gather(*asked))


async def test_reserve_and_post_meet_in_one_batch(writer: SqlWriter) -> None:
    """One reads the period through a lookup, the other by its key; both see the same row."""
    await writer.submit(create(limit=100))
    await writer.submit(Reserve("q0", 60))
    posted, second, third = await asyncio.gather(
        writer.submit(Post("q0", 45)),
        writer.submit(Reserve("q1", 50)),
        writer.submit(Reserve("q2", 10)),
    )

    assert (45, 0) == (posted.posted_nanousd, posted.amount_nanousd)
    assert (True, False) == (isinstance(second, Held), isinstance(third, Held))


async def test_two_creations_in_one_batch_make_one_budget(writer: SqlWriter) -> None:
    """The second sees the first before either is committed."""
    first, second = await asyncio.gather(
        writer.submit(create(limit=1)), writer.submit(create(limit=2))
    )

    assert isinstance(first, Standing)
    assert Exists(first.budget.budget_id) == second


async def test_a_reservation_and_a_deletion_exclude_each_other(writer: SqlWriter) -> None:
    """Whichever comes first in the batch decides the other."""
    made = await writer.submit(create())
    delete = DeleteBudget(caller=CAROL, budget_id=made.budget.budget_id, version=None)
    held, kept = await asyncio.gather(writer.submit(Reserve("q0", 1)), writer.submit(delete))
    await writer.submit(Post("q0", 0))
    gone, refused = await asyncio.gather(writer.submit(delete), writer.submit(Reserve("q1", 1)))

    assert isinstance(held, Held)
    assert InUse() == kept
    assert isinstance(gone, Budget)
    assert NoBudget() == refused
