"""What holds after every crash: the money, the ledger, the logs, and that nothing ran twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.pipeline.v1 import event_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.engine import ExportVerifier
from chenu_server.governance.budgets.tables import BUDGET_PERIOD_ROWS, RESERVATIONS
from chenu_server.governance.checkpoints.tables import CHECKPOINTS
from chenu_server.pipeline.tables import ATTEMPTS, QUERIES
from tests.crash.site import Callers, Site

FINAL_EVENTS = (event_pb2.EVENT_TYPE_PIPELINE_COMPLETE, event_pb2.EVENT_TYPE_PIPELINE_ERROR)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The states that one query's rows are in; an empty one: there is no such row."""

    query: str = ""
    checkpoint: str = ""
    reservation: str = ""
    attempts: tuple[str, ...] = ()


def rows_of(database: sa.Connection, request_id: str) -> Rows:
    """What the database says of a query; an approval that was used is `consumed`."""
    query = _states(database, QUERIES.c.status, request_id)
    checkpoint = _states(database, CHECKPOINTS.c.state, request_id)
    if any(_column(database, CHECKPOINTS.c.consumed_us, request_id)):
        checkpoint = ["consumed"]
    return Rows(
        query="".join(query),
        checkpoint="".join(checkpoint),
        reservation="".join(_states(database, RESERVATIONS.c.state, request_id)),
        attempts=tuple(_states(database, ATTEMPTS.c.state, request_id)),
    )


def _states(database: sa.Connection, column: sa.Column[Any], request_id: str) -> list[str]:
    return [state.value for state in _column(database, column, request_id)]


def _column(database: sa.Connection, column: sa.Column[Any], request_id: str) -> list[Any]:
    table = column.table
    wanted = sa.select(column).order_by(*table.primary_key)
    if "query_id" in table.c:
        wanted = wanted.join_from(table, QUERIES, QUERIES.c.id == table.c.query_id)
    named = QUERIES if "query_id" in table.c else table
    return list(database.scalars(wanted.where(named.c.request_id == request_id)))


def assert_sums_agree(database: sa.Connection) -> None:
    """At every committed state a budget's sums are those of the rows behind them."""
    periods = database.execute(sa.select(BUDGET_PERIOD_ROWS)).all()
    held = database.scalar(sa.select(sa.func.sum(RESERVATIONS.c.amount_nanousd)))
    cost = database.scalar(sa.select(sa.func.sum(ATTEMPTS.c.cost_nanousd)))

    assert sum(row.reserved_nanousd for row in periods) == (held or 0)
    assert sum(row.posted_nanousd + row.overrun_nanousd for row in periods) == (cost or 0)


async def assert_books_balance(at: Callers, site: Site, request_ids: Sequence[str]) -> None:
    """Everything that must hold once all of these queries are final."""
    await assert_ledger_holds(at)
    _assert_bill_is_covered(site)
    for request_id in request_ids:
        await _assert_log_is_whole(at, request_id)
        await _assert_dispatches_were_entered(at, site, request_id)


async def assert_ledger_holds(at: Callers) -> None:
    """The server finds it whole, and so does whoever has only the export."""
    audit = at.auditor.audit
    found = await at.auditor.call(audit.VerifyLedger, ab.VerifyLedgerRequest())
    export = b"".join(
        [
            response.chunk
            async for response in audit.ExportEntries(
                ab.ExportEntriesRequest(), metadata=at.auditor.metadata
            )
        ]
    )
    verifier = ExportVerifier()
    failures = [verifier.line(line) for line in export.splitlines(keepends=True)]

    assert (ab.LEDGER_VERDICT_HOLDS, "") == (found.verdict, found.failure)
    assert {None} == {*failures, verifier.finish()}
    assert (found.entries, found.head) == (verifier.entries, verifier.head)


def _assert_bill_is_covered(site: Site) -> None:
    """Nothing is held any more, and what was charged covers what the upstream asks for."""
    with site.database() as database:
        assert_sums_agree(database)
        attempts = database.execute(sa.select(ATTEMPTS)).all()
        held = database.scalars(sa.select(RESERVATIONS.c.amount_nanousd)).all()
    charged = sum(row.cost_nanousd for row in attempts)
    estimated = any(row.estimated for row in attempts)
    billed = site.upstream.bill.total_nanousd

    assert 0 == sum(held)
    assert billed <= charged if estimated else billed == charged


async def _assert_log_is_whole(at: Callers, request_id: str) -> None:
    """Whoever reads it from the start sees every number once, and one end."""
    events, error = await at.backend.events(
        at.backend.pipeline.Watch, pb.WatchRequest(request_id=request_id)
    )
    numbers = [event.sequence for event in events if event.sequence]

    assert error is None
    assert list(range(1, len(numbers) + 1)) == numbers
    assert [event.type for event in events if event.type in FINAL_EVENTS] == [events[-1].type]


async def _assert_dispatches_were_entered(at: Callers, site: Site, request_id: str) -> None:
    """No call without its `execute` entry before it, and none of a model twice."""
    request = ab.ListEntriesRequest(
        resource_id=request_id, decision=ab.LEDGER_DECISION_EXECUTE, page_size=100
    )
    entered = await at.person.call(at.person.audit.ListEntries, request)
    with site.database() as database:
        attempts = rows_of(database, request_id).attempts
    calls = Counter(
        (arrival.provider, arrival.model)
        for arrival in site.upstream.arrivals
        if arrival.marker == request_id
    )

    assert len(attempts) == len(entered.entries)
    assert calls.total() <= len(attempts)
    assert {1} >= set(calls.values())
