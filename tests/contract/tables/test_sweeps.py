"""What a sweep looks for is found page by page, on every database: all of it, and once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import cycle
from typing import TypeVar

import pytest
import sqlalchemy as sa

from chenu_server.governance.checkpoints.store import SqlCheckpoints, lapsed_sql
from chenu_server.governance.checkpoints.tables import CHECKPOINTS
from chenu_server.infra.db.engine import writer_engine
from chenu_server.vocabulary import CheckpointState
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


async def test_what_has_ended_is_not_looked_at(database_url: str) -> None:
    """Used approvals stay for ever: a sweep that read them would take longer every day."""
    columns = [column.name for column in CHECKPOINTS.columns]
    used = {"checkpoint_id": "'c' || n.n", "consumed_us": "1"}
    values = ", ".join(used.get(name, f"c.{name}") for name in columns)
    if database_url.startswith("sqlite"):
        numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)"
        copy, plan = f"{numbers} SELECT {values} FROM checkpoints AS c, n", "EXPLAIN QUERY PLAN "
    else:
        copy = f"SELECT {values} FROM checkpoints AS c, generate_series(1, 20000) AS n(n)"
        plan = "EXPLAIN "
    approved = replace(samples.CHECKPOINT, consumed_us=0, use_before_us=50)
    async with written(database_url, Put(rows=(approved,))):
        with writer_engine(database_url).connect() as connection:
            connection.execute(sa.text(f"INSERT INTO checkpoints ({', '.join(columns)}) {copy}"))
            connection.execute(sa.text("ANALYZE"))
            connection.commit()
            asked = lapsed_sql(50, "", 256).compile(
                connection, compile_kwargs={"literal_binds": True}
            )
            shown = " ".join(
                str(row) for row in connection.execute(sa.text(f"{plan}{asked}".replace(":", "")))
            )

    assert "ix_checkpoints_undecided" in shown
    assert "ix_checkpoints_unused" in shown
    assert not [each for each in ("SCAN checkpoints", "Seq Scan on checkpoints") if each in shown]
