"""An admission that committed after its caller was refused: nobody runs it, so it must end."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable, QueryCancelled
from chenu_server.governance.budgets.model import HoldState
from chenu_server.governance.budgets.tables import BUDGET_PERIOD_ROWS as PERIODS
from chenu_server.governance.budgets.tables import RESERVATIONS
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.operations.ask import Admit
from chenu_server.operations.late import LateCommits
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.store import SqlQueries
from chenu_server.pipeline.tables import QUERIES
from chenu_server.vocabulary import QueryStatus
from tests.contract.db.faulty import Faults, FaultyStore
from tests.contract.tables.samples import MAPS
from tests.contract.tables.stores import Put, put
from tests.harness import eventually
from tests.stores import store_at
from tests.unit.budgets.samples import budget
from tests.unit.operations.samples import ACME, admission, rules

LIMITS = WriterLimits(answer_within_ms=500, reconnect_delay_ms=20)
STANDS = sa.select(
    RESERVATIONS.c.state,
    RESERVATIONS.c.amount_nanousd,
    PERIODS.c.reserved_nanousd,
    PERIODS.c.posted_nanousd,
).select_from(
    RESERVATIONS.join(QUERIES, QUERIES.c.id == RESERVATIONS.c.query_id).join(
        PERIODS, PERIODS.c.identity_id == QUERIES.c.identity_id
    )
)


async def test_an_admission_that_committed_late_is_ended_by_itself(database_url: str) -> None:
    """Its money would be held, and its query run, for as long as this server lives."""
    late, faults = LateCommits(), Faults(away_after_loss=True)
    store = FaultyStore(store_at(database_url), faults)
    writer = SqlWriter(store, MAPS, limits=LIMITS, on_late=late.on_late)
    late.attach(writer)
    await writer.start()
    put(database_url, Put(rows=(budget("b", 10**9, identity_id=ACME),)))
    faults.lose.append("after_commit")
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Admit(admission(content=bytes(32)), rules(), take_slot=True))
    reader = Reader(database_url, threads=1)
    admitted = await stored(reader)
    faults.away = False
    await eventually(lambda: has_ended(reader))
    settled, stands = await stored(reader), list(await reader.rows(STANDS))
    await reader.close()
    await writer.close()

    assert QueryStatus.RUNNING is admitted.status
    assert QueryStatus.CANCELLED is settled.status
    assert QueryCancelled.reason == settled.outcome.reason
    assert [(HoldState.VOIDED.value, 0, 0, 0)] == stands


async def stored(reader: Reader) -> Operation:
    """The one query."""
    found = await SqlQueries(reader).get(ACME, "q")
    assert found is not None
    return found


async def has_ended(reader: Reader) -> bool:
    """Whether it has."""
    return (await stored(reader)).status.is_final
