"""What a sweep looks for is found page by page, on every database: all of it, and once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import cycle
from typing import TypeVar

import pytest
import sqlalchemy as sa

from chenu_server.governance.budgets import spending_store
from chenu_server.governance.budgets.model import HoldState
from chenu_server.governance.budgets.spending_store import SqlSpendings
from chenu_server.governance.budgets.tables import RESERVATIONS
from chenu_server.governance.checkpoints.store import SqlCheckpoints, lapsed_sql
from chenu_server.governance.checkpoints.tables import CHECKPOINTS
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.owner_sql import NAMED_NOWHERE
from chenu_server.infra.db.reader import Reader
from chenu_server.pipeline.ports import QueryFilter
from chenu_server.pipeline.store import page_sql
from chenu_server.pipeline.tables import QUERIES, QUERY_CONTENTS
from chenu_server.vocabulary import CheckpointState, OperationKind, QueryStatus
from tests.contract.tables import samples
from tests.contract.tables.stores import Put, written

P = TypeVar("P")

# Ids that no order of letters may put twice or nowhere: capitals, accents, signs, a prefix.
IDS = ("a", "B", "a b", "a-b", "aa", "é", "_", "Z", "\\", "'")


async def all_pages(page: Callable[[P], Awaitable[Sequence[P]]], first: P) -> list[P]:
    """What page after page finds, each behind the last one of the page before."""
    found: list[P] = []
    while more := await page(found[-1] if found else first):
        found += more
    return found


@pytest.mark.parametrize("count", [1, 3, len(IDS), 100])
async def test_lapsed_checkpoints_are_found_page_by_page(database_url: str, count: int) -> None:
    """Each once, of every identity: one that is left out holds its money for ever."""
    pending = replace(samples.CHECKPOINT, state=CheckpointState.PENDING, expires_us=50)
    approved = replace(samples.CHECKPOINT, consumed_us=0, use_before_us=50)
    lapsed = [
        replace(kind, identity_id=f"of {each}", checkpoint_id=each)
        for kind, each in zip(cycle((pending, approved)), IDS, strict=False)
    ]
    others = [
        replace(pending, checkpoint_id="later", expires_us=51),
        replace(approved, checkpoint_id="later too", use_before_us=51),
        replace(approved, checkpoint_id="used", consumed_us=1),
        replace(pending, checkpoint_id="no", state=CheckpointState.REJECTED),
    ]
    async with written(database_url, Put(rows=(*lapsed, *others))) as reader:
        store = SqlCheckpoints(reader)
        found = await all_pages(lambda last: store.lapsed(50, last[2], count), first=("", "", ""))

    assert sorted((f"of {each}", "r", each) for each in IDS) == sorted(found)


def spendings(reader: Reader) -> SqlSpendings:
    """Reservations as the server reads them."""
    return SqlSpendings(reader, operations=QUERIES, contents=QUERY_CONTENTS)


@pytest.mark.parametrize("count", [1, 3, len(IDS), 100])
async def test_lapsed_reservations_are_found_page_by_page(database_url: str, count: int) -> None:
    """Each once, of every identity: one that is left out holds its money for ever."""
    held = replace(samples.HOLD, state=HoldState.HELD, owner_id="", expires_us=50)
    asked = replace(
        samples.QUERY, kind=OperationKind.RESERVATION, status=QueryStatus.RUNNING, owner_id=""
    )
    pairs = [
        (replace(held, identity_id=f"of {each}"), replace(asked, identity_id=f"of {each}"))
        for each in IDS
    ]
    others = [
        (replace(held, request_id="later", expires_us=51), replace(asked, request_id="later")),
        (
            replace(held, request_id="waits"),
            replace(asked, request_id="waits", status=QueryStatus.BLOCKED),
        ),
        (
            replace(held, request_id="query"),
            replace(asked, request_id="query", kind=OperationKind.QUERY),
        ),
        (
            replace(held, request_id="voided", state=HoldState.VOIDED, amount_nanousd=0),
            replace(asked, request_id="voided"),
        ),
        (replace(held, request_id="runs", owner_id="o"), replace(asked, request_id="runs")),
    ]
    rows = [row for pair in (*pairs, *others) for row in pair]
    async with written(database_url, Put(rows=tuple(rows))) as reader:
        store = spendings(reader)
        found = await all_pages(lambda last: store.lapsed(50, last, count), first=(0, "", ""))

    assert sorted((50, f"of {each}", held.request_id) for each in IDS) == sorted(found)


def plans(
    url: str, table: sa.Table, changed: dict[str, str], asked: Sequence[sa.sql.ClauseElement]
) -> str:
    """How a database finds what is asked, beside 20,000 copies of its one row, so changed."""
    columns = [column.name for column in table.columns if column.name != "id"]
    values = ", ".join(changed.get(name, f"c.{name}") for name in columns)
    if url.startswith("sqlite"):
        numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)"
        copy, plan = f"{numbers} SELECT {values} FROM {table.name} AS c, n", "EXPLAIN QUERY PLAN "
    else:
        copy = f"SELECT {values} FROM {table.name} AS c, generate_series(1, 20000) AS n(n)"
        plan = "EXPLAIN "
    with writer_engine(url).connect() as connection:
        connection.execute(sa.text(f"INSERT INTO {table.name} ({', '.join(columns)}) {copy}"))
        connection.execute(sa.text("ANALYZE"))
        connection.commit()
        shown: list[str] = []
        for each in asked:
            text = each.compile(connection, compile_kwargs={"literal_binds": True})
            rows = connection.execute(sa.text(f"{plan}{text}".replace(":", "")))
            shown += map(str, rows)
    return " ".join(shown)


async def test_what_has_ended_is_not_looked_at(database_url: str) -> None:
    """Used approvals stay for ever: a sweep that read them would take longer every day."""
    approved = replace(samples.CHECKPOINT, consumed_us=0, use_before_us=50)
    used = {"checkpoint_id": "'c' || n.n", "consumed_us": "1"}
    async with written(database_url, Put(rows=(approved,))):
        shown = plans(database_url, CHECKPOINTS, used, [lapsed_sql(50, "", 256)])

    assert "ix_checkpoints_undecided" in shown
    assert "ix_checkpoints_unused" in shown
    assert not [each for each in ("SCAN checkpoints", "Seq Scan on checkpoints") if each in shown]


async def test_what_was_posted_is_not_looked_at(database_url: str) -> None:
    """Nor what services have spent, or hold still."""
    held = replace(samples.HOLD, owner_id="", expires_us=50)
    posted = {"query_id": "100 + n.n", "state": "'posted'", "amount_nanousd": "0"}
    asked = spending_store.lapsed_sql(QUERIES, 50, (0, "", ""), 256)
    async with written(database_url, Put(rows=(held,))):
        shown = plans(database_url, RESERVATIONS, posted, [asked])

    assert "ix_reservations_lapsing" in shown
    seen = ("SCAN reservations", "Seq Scan on reservations")
    assert not [each for each in seen if each in shown]


async def test_what_services_hold_is_no_dead_owners(database_url: str) -> None:
    """It stands among what is unfinished, and who looks for dead owners passes all of it by."""
    running = replace(samples.QUERY, status=QueryStatus.RUNNING, owner_id="dead")
    held = {"request_id": "'q' || n.n", "kind": "'reservation'", "owner_id": "''"}
    asked = NAMED_NOWHERE.bindparams(owner_id="me")
    async with written(database_url, Put(rows=(running,))) as reader:
        shown = plans(database_url, QUERIES, held, [asked])
        found = await reader.run(lambda connection: connection.scalars(asked).all())

    assert "ix_queries_unfinished" in shown
    assert ["dead"] == found


async def test_a_list_of_queries_passes_reservations_by(database_url: str) -> None:
    """An identity whose services reserve more than they ask pages through queries alone."""
    asked = replace(samples.QUERY, kind=OperationKind.QUERY)
    held = {"request_id": "'q' || n.n", "kind": "'reservation'", "created_us": "n.n"}
    wanted = page_sql(asked.identity_id, QueryFilter(statuses=(), before=None, count=50))
    async with written(database_url, Put(rows=(asked,))):
        shown = plans(database_url, QUERIES, held, [wanted])

    assert "ix_queries_listed" in shown
