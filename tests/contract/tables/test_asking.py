"""The same action asked again and again, decided by the real writer: in batches, on every store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from chenu_server.governance.budgets.tables import BUDGET_PERIOD_ROWS, RESERVATIONS
from chenu_server.governance.checkpoints.tables import CHECKPOINTS, CHECKPOINTS_MAP
from chenu_server.ids import new_id
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.sqlite import Statements
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.operations.ask import Admit
from chenu_server.operations.wait import Cancel
from chenu_server.pipeline.ports import Attached, Blocked, Conflict, Full, Known
from chenu_server.pipeline.tables import QUERIES, QUERY_ALIASES
from chenu_server.vocabulary import CheckpointState, Intent
from tests.contract.db.gate import held, queued
from tests.contract.tables.samples import MAPS
from tests.contract.tables.stores import Put, put
from tests.stores import store_at
from tests.unit.budgets.samples import budget
from tests.unit.operations.samples import ACME, BACKEND, BOUND_2, admission, rules

LIMIT = 100
RULES = rules(pending_max=LIMIT, make_id=new_id)
LOOKUPS = CHECKPOINTS_MAP.lookups
BUDGET = budget("b", 10**12, identity_id=ACME)


async def opened(url: str) -> SqlWriter:
    """A running writer of a database in which one budget is."""
    writer = SqlWriter(store_at(url), MAPS)
    await writer.start()
    put(url, Put(rows=(BUDGET,)))
    return writer


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[SqlWriter]:
    """A writer on each store in turn."""
    running = await opened(database_url)
    yield running
    await running.close()


@pytest.fixture
async def writers(postgres_url: str) -> AsyncIterator[list[SqlWriter]]:
    """Two writers of one database, as two workers have them."""
    both = [await opened(postgres_url), await opened(postgres_url)]
    yield both
    for each in both:
        await each.close()


def ask(action: int = 0, request_id: str = "", **fields: Any) -> Admit:
    """A query that a person must approve."""
    asked = admission(
        request_id or new_id(),
        intents=(Intent.DELETE,),
        content=fields.pop("content", bytes(32)),
        digest=action.to_bytes(32, "big"),
        **fields,
    )
    return Admit(asked, RULES, take_slot=True)


def kinds(answers: Sequence[object]) -> dict[type, int]:
    """How often each answer was given."""
    return dict(Counter(type(each) for each in answers))


def stored(url: str) -> tuple[int, int, int, int]:
    """How many checkpoints, queries, other ids and reservations there are."""
    with writer_engine(url).connect() as connection:
        counts = [
            connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in (CHECKPOINTS, QUERIES, QUERY_ALIASES, RESERVATIONS)
        ]
    checkpoints, queries, aliases, reservations = counts
    return checkpoints, queries, aliases, reservations


def reserved(url: str) -> int:
    """How much all budgets hold."""
    with writer_engine(url).connect() as connection:
        total = sa.func.sum(BUDGET_PERIOD_ROWS.c.reserved_nanousd)
        return connection.scalar(sa.select(total)) or 0


@pytest.mark.parametrize("together", [True, False])
async def test_twenty_asks_are_one_checkpoint_and_one_hold(
    writer: SqlWriter, database_url: str, together: bool
) -> None:
    """In one batch, where nothing of the first is stored yet, as in twenty."""
    asks = [ask() for _ in range(20)]
    if together:
        async with held(writer):
            tasks = await queued(writer, *asks)
        answers = await asyncio.gather(*tasks)
    else:
        answers = [await writer.submit(each) for each in asks]

    assert {Blocked: 1, Attached: 19} == kinds(answers)
    assert 1 == len({each.query.request_id for each in answers})
    assert (1, 1, 19, 1) == stored(database_url)
    assert BOUND_2 == reserved(database_url)


async def test_two_writers_ask_a_person_once(writers: list[SqlWriter], postgres_url: str) -> None:
    """Whoever commits second finds what the first has written."""
    answers = await asyncio.gather(*(writers[n % 2].submit(ask()) for n in range(40)))

    assert {Blocked: 1, Attached: 39} == kinds(answers)
    assert (1, 1, 39, 1) == stored(postgres_url)
    assert BOUND_2 == reserved(postgres_url)


async def test_an_id_is_bound_once_in_one_batch(writer: SqlWriter) -> None:
    """A retry that meets its own ask in the batch finds it; other content under it conflicts."""
    async with held(writer):
        tasks = await queued(
            writer,
            ask(request_id="first"),
            ask(request_id="again"),
            ask(request_id="again"),
            ask(request_id="again", content=bytes([1] * 32)),
            ask(request_id="first"),
            ask(1, request_id="again"),
        )
    answers = await asyncio.gather(*tasks)

    assert [Blocked, Attached, Known, Conflict, Known, Known] == [type(each) for each in answers]
    known = [each.query.request_id for each in answers if isinstance(each, Known | Attached)]
    assert {"first"} == set(known)


async def test_the_cap_holds_in_batches(writer: SqlWriter, database_url: str) -> None:
    """143 in two batches: exactly 100 wait, and the others leave nothing."""
    async with held(writer):
        tasks = await queued(writer, *(ask(number) for number in range(143)))
    answers = await asyncio.gather(*tasks)

    assert {Blocked: LIMIT, Full: 43} == kinds(answers)
    assert (LIMIT, LIMIT, 0, LIMIT) == stored(database_url)
    assert Attached is type(await writer.submit(ask(7)))


async def test_two_writers_share_the_cap(writers: list[SqlWriter], postgres_url: str) -> None:
    """Neither knows what the other is about to commit, and not one too many waits."""
    answers = await asyncio.gather(*(writers[n % 2].submit(ask(n)) for n in range(143)))

    assert {Blocked: LIMIT, Full: 43} == kinds(answers)
    assert (LIMIT, LIMIT, 0, LIMIT) == stored(postgres_url)


async def test_what_ends_in_a_batch_makes_room_in_it(writer: SqlWriter) -> None:
    """Order inside a batch is order, as if each command had its own transaction."""
    blocked = [await writer.submit(ask(number)) for number in range(LIMIT)]
    query = blocked[0].query
    cancel = Cancel(ACME, query.request_id, query.checkpoint_id, BACKEND, "")
    async with held(writer):
        tasks = await queued(writer, ask(500), cancel, ask(501), ask(502), ask(0))
    before, _, room, full, anew = await asyncio.gather(*tasks)

    assert [Full, Blocked, Full, Full] == [type(each) for each in (before, room, full, anew)]


async def test_what_has_ended_costs_nobody_anything(writer: SqlWriter, database_url: str) -> None:
    """The index holds what waits and nothing else, however much has been decided."""
    (first,) = [await writer.submit(ask())]
    columns = [column.name for column in CHECKPOINTS.columns]
    ended = {"state": f"'{CheckpointState.REJECTED.value}'", "checkpoint_id": "'c' || n.n"}
    values = ", ".join(ended.get(name, f"c.{name}") for name in columns)
    numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)"
    if database_url.startswith("sqlite"):
        copy = f"{numbers} SELECT {values} FROM checkpoints AS c, n"
        plan = "EXPLAIN QUERY PLAN "
    else:
        copy = f"SELECT {values} FROM checkpoints AS c, generate_series(1, 20000) AS n(n)"
        plan = "EXPLAIN "
    action = "'acme'", digest_text(database_url)
    by_action, pending = (
        LOOKUPS[name].condition(*action) for name in ("open_of_action", "pending")
    )
    select = f"SELECT * FROM checkpoints WHERE {by_action}"
    if database_url.startswith("sqlite"):  # as it is asked there: for several keys at once
        text, _ = Statements(CHECKPOINTS_MAP).of_keys("open_of_action", [("", b"")], 0)
        select = text.replace("(?, ?, ?)", f"(0, {', '.join(action)})")
    with writer_engine(database_url).connect() as connection:
        connection.execute(sa.text(f"INSERT INTO checkpoints ({', '.join(columns)}) {copy}"))
        connection.execute(sa.text("ANALYZE"))
        shown = [
            " ".join(str(row) for row in connection.execute(sa.text(f"{plan}{select}")))
            for select in (select, f"SELECT count(*) FROM checkpoints WHERE {pending}")
        ]
        connection.commit()

    assert "ix_checkpoints_open" in shown[0]
    whole = ("SCAN checkpoints", "SCAN t", "Seq Scan")
    assert [] == [each for each in shown if any(scan in each for scan in whole)]
    assert first.query == (await writer.submit(ask())).query


def digest_text(url: str) -> str:
    """The digest of action 0 as a literal."""
    hexed = bytes(32).hex()
    return f"x'{hexed}'" if url.startswith("sqlite") else f"'\\x{hexed}'::bytea"
