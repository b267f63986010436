"""What the stores read of what commands wrote, on every database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa

from chenu_server import engine
from chenu_server.command import EntryDraft
from chenu_server.governance.audit.model import Filters, Sealed, Verdict
from chenu_server.governance.audit.service import AuditService
from chenu_server.governance.audit.store import SqlLedger
from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.governance.budgets.ports import Place
from chenu_server.governance.budgets.store import SqlBudgets
from chenu_server.governance.limits.model import HOLD_SLOT, RETIRED_US, Slot
from chenu_server.governance.limits.ports import SlotUse
from chenu_server.governance.limits.store import SqlSlots
from chenu_server.infra.db.engine import writer_engine
from chenu_server.pipeline.store import SqlQueries
from chenu_server.vocabulary import Period, Scope
from tests.contract.tables import samples
from tests.contract.tables.stores import Put, written
from tests.fakes.boundary import FakeBoundary

STARTS = {Period.DAILY: 20, Period.WEEKLY: 15, Period.MONTHLY: 10, Period.TOTAL: 0}


def budget(budget_id: str, period: Period, *, created_us: int = 1) -> Budget:
    """An open budget of Alice's."""
    return replace(
        samples.BUDGET,
        budget_id=budget_id,
        identity_id="alice",
        scope=Scope.IDENTITY,
        scope_value="",
        period=period,
        deleted=False,
        created_us=created_us,
    )


def period_of(row: Budget, start_us: int) -> BudgetPeriod:
    """A period of a budget."""
    return replace(
        samples.PERIOD,
        budget_id=row.budget_id,
        identity_id=row.identity_id,
        period_start_us=start_us,
    )


DAY = budget("day", Period.DAILY, created_us=3)
MONTH = budget("month", Period.MONTHLY, created_us=3)
TOTAL = budget("total", Period.TOTAL, created_us=2)
MONTHS = period_of(MONTH, STARTS[Period.MONTHLY])
BUDGET_ROWS = Put(
    rows=(
        DAY,
        MONTH,
        TOTAL,
        MONTHS,
        period_of(DAY, 1),
        replace(DAY, budget_id="gone", deleted=True),
        replace(DAY, budget_id="bob's", identity_id="bob"),
    )
)


async def test_budgets_come_with_their_current_period_only(database_url: str) -> None:
    """Yesterday's row is not today's; another identity's and deleted ones are not there."""
    async with written(database_url, BUDGET_ROWS) as reader:
        store = SqlBudgets(reader)

        assert (MONTH, MONTHS) == await store.get("alice", "month", STARTS)
        assert (DAY, None) == await store.get("alice", "day", STARTS)
        for budget_id in ("gone", "bob's", "nowhere"):
            assert None is await store.get("alice", budget_id, STARTS)


async def test_budgets_are_paged_by_creation_then_id(database_url: str) -> None:
    """No budget is shown twice or left out, also among those made in the same batch."""
    async with written(database_url, BUDGET_ROWS) as reader:
        store = SqlBudgets(reader)
        everything = [(TOTAL, None), (DAY, None), (MONTH, MONTHS)]

        assert everything == await store.page("alice", STARTS, None, 10)
        assert everything[:1] == await store.page("alice", STARTS, None, 1)
        assert everything[2:] == await store.page("alice", STARTS, Place(3, "day"), 10)


async def test_a_query_is_read_by_any_of_its_ids(database_url: str) -> None:
    """By those of its own identity; and whoever asked under one has brought new work."""
    query, alias = samples.QUERY, samples.ALIAS
    bobs = replace(alias, identity_id="bob", request_id="r3", created_us=7)
    async with written(database_url, Put(rows=(query, alias, bobs))) as reader:
        store = SqlQueries(reader)
        here = query.identity_id

        assert query == await store.get(here, query.request_id)
        assert query == await store.get(here, alias.request_id)
        for identity_id, request_id in ((here, "r3"), ("bob", alias.request_id), ("bob", "r3")):
            assert None is await store.get(identity_id, request_id)
        assert [("bob", 7), (here, alias.created_us)] == await store.arrivals_since(2)


def slot(number: int, free_at_us: int, provider: str) -> Slot:
    """A slot of ledger 0."""
    return Slot(ledger_number=0, provider=provider, slot=number, free_at_us=free_at_us)


async def test_slots_are_counted_while_they_are_taken(database_url: str) -> None:
    """A slot is free at its time; a retired one is neither free nor taken."""
    slots = Put(
        rows=(
            slot(0, 90, "p"),
            slot(1, 80, "p"),
            slot(2, 50, "p"),
            slot(3, RETIRED_US, "p"),
            slot(0, 50, "idle"),
            replace(slot(0, 90, "q"), ledger_number=1),
        )
    )
    async with written(database_url, slots) as reader:
        store = SqlSlots(reader, limit_of=lambda provider: 5)

        assert {"p": SlotUse(2, 80)} == await store.use(50)
        assert (50, 80) == await store.free_times("p", 2)
        assert (50, 80, 90) == await store.free_times("p", 10)
        assert () == await store.free_times("nobody", 1)


async def test_slots_that_are_held_back_are_free_no_sooner(database_url: str) -> None:
    """Nor are those that were never made: the k-th who waits is told the k-th true time."""
    hold = slot(HOLD_SLOT, -85, "p")
    slots = Put(rows=(slot(0, 90, "p"), slot(1, 80, "p"), hold, slot(HOLD_SLOT, -70, "idle")))
    async with written(database_url, slots) as reader:
        store = SqlSlots(reader, limit_of=lambda provider: 4)

        assert {"p": SlotUse(2, 80, 85), "idle": SlotUse(0, 0, 70)} == await store.use(50)
        assert {"p": SlotUse(1, 90, 85)} == await store.use(84)
        assert (85, 85, 85, 90) == await store.free_times("p", 10)
        assert (85, 85) == await store.free_times("p", 2)
        assert (70, 70, 70) == await store.free_times("idle", 3)


def draft(identity_id: str, resource_id: str, decision: str = "allow") -> EntryDraft:
    """One decision."""
    return EntryDraft(
        decision=decision,
        action="execute",
        identity_id=identity_id,
        principal_type="service",
        principal_id=f"svc-{identity_id}",
        acting_for=("dave",),
        resource_kind="query",
        resource_id=resource_id,
        reason="",
        payload='{"text":"\\u0000é"}',
    )


ENTRIES = (
    Put(drafts=(draft("alice", "q1"), draft("bob", "q2"), draft("alice", "q1", "settle"))),
    Put(drafts=(draft("alice", "q3"),)),
)


def numbers(found: Sequence[Sealed]) -> list[int]:
    """Their sequences."""
    return [sealed.sequence for sealed in found]


async def test_entries_are_found_by_every_filter(database_url: str) -> None:
    """Every filter that is set must hold, and an identity sees only its own."""
    async with written(database_url, *ENTRIES) as reader:
        ledger = SqlLedger(reader)
        (first, *_, last) = await ledger.page(None, Filters(), 0, 10)
        start_us, end_us = (int(each.copies["time_us"]) for each in (first, last))

        async def found(identity_id: str | None, filters: Filters, after: int = 0) -> list[int]:
            return numbers(await ledger.page(identity_id, filters, after, 10))

        assert [1, 2, 3, 4] == await found(None, Filters())
        assert [1, 3, 4] == await found("alice", Filters())
        assert [3, 4] == await found("alice", Filters(), 1)
        assert [1, 3] == await found("alice", Filters(resource_id="q1", resource_kind="query"))
        assert [3] == await found("alice", Filters(decision="settle", action="execute"))
        assert [2] == await found(None, Filters(principal_id="svc-bob"))
        assert [] == await found("alice", Filters(resource_id="q2"))
        assert [1, 2, 3, 4] == await found(None, Filters(start_us=start_us, end_us=end_us + 1))
        assert [] == await found(None, Filters(end_us=start_us))
        assert [4] == (await found(None, Filters(start_us=end_us)))[-1:]


async def test_one_entry_is_found_inside_its_identity(database_url: str) -> None:
    """The payload comes with it, byte for byte."""
    async with written(database_url, *ENTRIES) as reader:
        ledger = SqlLedger(reader)
        (bobs,) = await ledger.page("bob", Filters(), 0, 10)
        entry_id = str(bobs.copies["entry_id"])

        assert bobs == await ledger.get("bob", entry_id) == await ledger.get(None, entry_id)
        assert None is await ledger.get("alice", entry_id)
        assert b'{"text":"\\u0000\xc3\xa9"}' == bobs.payload


async def test_a_ledger_as_the_writer_wrote_it_holds_and_exports(database_url: str) -> None:
    """Head, entries and payloads agree; the export verifies offline."""
    async with written(database_url, *ENTRIES) as reader:
        ledger = SqlLedger(reader)
        service = AuditService(reader=ledger, boundary=FakeBoundary())
        head = await ledger.head()
        assert head is not None

        assert Verdict(entries=4, head=head.last_hash) == await service.verify()
        verifier = engine.ExportVerifier()
        lines = b"".join([piece async for piece in service.export()]).splitlines(keepends=True)
        assert [None] * 5 == [verifier.line(line) for line in lines]
        assert None is verifier.finish()


@pytest.mark.parametrize(
    ("damage", "failed"),
    [
        ("UPDATE ledger_entries SET identity_id = 'bob' WHERE sequence = 3", 3),
        ("UPDATE ledger_payloads SET payload = '{}'", 1),
        ("DELETE FROM ledger_entries WHERE sequence = 4", 4),
        ("DELETE FROM ledger_entries WHERE sequence = 2", 2),
        ("UPDATE ledger_heads SET size = 3", 4),
        ("DELETE FROM ledger_heads", 1),
    ],
)
async def test_what_is_done_to_the_tables_is_found(
    database_url: str, damage: str, failed: int
) -> None:
    """Whoever can write to the database cannot do so unseen."""
    async with written(database_url, *ENTRIES) as reader:
        with writer_engine(database_url).begin() as connection:
            connection.execute(sa.text(damage))
        service = AuditService(reader=SqlLedger(reader), boundary=FakeBoundary())

        assert failed == (await service.verify()).failed_sequence


async def test_a_new_database_has_an_empty_ledger(database_url: str) -> None:
    """There is nothing to read, and nothing wrong."""
    async with written(database_url) as reader:
        ledger = SqlLedger(reader)

        assert None is await ledger.head()
        assert [] == await ledger.page(None, Filters(), 0, 10)
