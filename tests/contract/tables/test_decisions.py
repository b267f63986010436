"""Money and slots decided by the real writer: many commands in few batches, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from chenu_server.caller import Caller, Principal
from chenu_server.governance.budgets.commands import CreateBudget, DeleteBudget, Exists, InUse
from chenu_server.governance.budgets.model import Budget
from chenu_server.governance.budgets.standing import Standing
from chenu_server.governance.limits.commands import Dispatched, Readmitted
from chenu_server.governance.limits.model import ProviderLimit, Slot
from chenu_server.ids import new_id
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.operations.ask import Admit
from chenu_server.operations.run import Settle
from chenu_server.pipeline.ports import Admitted, Closed
from chenu_server.pipeline.records import Operation
from chenu_server.reasons import Reason
from chenu_server.vocabulary import Period, PrincipalType, Role, Scope
from tests.contract.tables.samples import MAPS
from tests.stores import store_at
from tests.unit.operations.samples import (
    ACME,
    admission,
    bound_of,
    candidate,
    ended,
    route,
    rules,
    settlement,
)

HOUR_US = 3_600_000_000
ROOMY = ProviderLimit(requests=1_000, window_us=1, guard_us=0, dispatch_within_us=1)
LIMIT = ProviderLimit(requests=4, window_us=HOUR_US, guard_us=0, dispatch_within_us=0)
UNIT = bound_of(1)
"""What a query of amount 1 may cost, in nano-USD."""
CAROL = Caller(
    principal=Principal(type=PrincipalType.USER, id="carol"),
    identity_id=ACME,
    roles=frozenset({Role.BUDGET_ADMIN}),
)


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[SqlWriter]:
    """A running writer on a new database."""
    running = SqlWriter(store_at(database_url), MAPS)
    await running.start()
    yield running
    await running.close()


def ask(request_id: str, amount: int = 1, limit: ProviderLimit = ROOMY, **more: bool) -> Admit:
    """A query that may cost so much."""
    asked = admission(request_id, chain=route(candidate("p", amount)), content=bytes(32))
    return Admit(asked, rules(default_limit=limit, **more), take_slot=True)


async def admitted(writer: SqlWriter, request_id: str, amount: int) -> Admitted:
    """A query that must be."""
    outcome = await writer.submit(ask(request_id, amount))
    assert isinstance(outcome, Admitted)
    return outcome


async def post(writer: SqlWriter, query: Admitted, used: int) -> Operation:
    """The query ends, and has used so much."""
    end: Operation = await writer.submit(Settle(settlement(query, ended(query, used * UNIT))))
    return end


async def taken(writer: SqlWriter, calls: int, limit: ProviderLimit = LIMIT) -> list[Slot]:
    """The slots that so many calls got, all asked for at once."""
    asked = [ask(new_id(), limit=limit, budget_required=False) for _ in range(calls)]
    outcomes = await asyncio.gather(*map(writer.submit, asked))
    return [
        Slot(
            ledger_number=0,
            provider="p",
            slot=each.attempt.slot,
            free_at_us=each.slot_free_at_us,
        )
        for each in outcomes
        if isinstance(each, Admitted)
    ]


def create(period: Period = Period.DAILY, limit: int = 100) -> CreateBudget:
    """Makes a budget."""
    return CreateBudget(
        caller=CAROL,
        budget_id=f"{period.value}-{limit}",
        scope=Scope.IDENTITY,
        period=period,
        limit_nanousd=limit * UNIT,
    )


async def test_calls_of_one_batch_get_a_slot_each_and_no_more_than_there_are(
    writer: SqlWriter,
) -> None:
    """Each sees what those before it took."""
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

    asked = [writer.submit(ask(f"q{number}", 10)) for number in range(40)]
    assert 7 == sum(isinstance(each, Admitted) for each in await asyncio.gather(*asked))


async def test_reserve_and_post_meet_in_one_batch(writer: SqlWriter) -> None:
    """One reads the period through a look-up, the other by its key; both see the same row."""
    await writer.submit(create(limit=100))
    first = await admitted(writer, "q0", 60)
    posted, second, third = await asyncio.gather(
        post(writer, first, 45), writer.submit(ask("q1", 50)), writer.submit(ask("q2", 10))
    )

    assert 45 * UNIT == posted.cost_nanousd
    assert (Admitted, Closed) == (type(second), type(third))


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
    held, kept = await asyncio.gather(writer.submit(ask("q0")), writer.submit(delete))
    await post(writer, held, 0)
    gone, refused = await asyncio.gather(writer.submit(delete), writer.submit(ask("q1")))

    assert isinstance(held, Admitted)
    assert InUse() == kept
    assert isinstance(gone, Budget)
    assert Reason.BUDGET_REQUIRED is refused.query.outcome.reason
