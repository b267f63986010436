"""What a writer promises when statements, connections and the database itself fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from chenu_server import failpoints
from chenu_server.command import Row
from chenu_server.errors import GovernanceUnavailable, Internal, ServerOverloaded
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.kernel import Decisions
from chenu_server.infra.db.ledger_tables import LEDGER_ENTRIES
from chenu_server.pipeline.records import EventSegment
from chenu_server.pipeline.tables import QUERIES
from tests.contract.db.conftest import OpenWriter, rows_of
from tests.contract.db.faulty import Faults, FaultyStore
from tests.contract.db.gate import held, queued, until
from tests.contract.db.sample import IMPOSSIBLE, OTHER, TOTALS, Ask, Change, unanswerable
from tests.stores import Postgres, store_at

QUICK = WriterLimits(answer_within_ms=500, reconnect_delay_ms=20)


async def test_a_poisoned_batch_costs_only_its_poison(url: str, open_writer: OpenWriter) -> None:
    """One row that the database refuses must not refuse 61 others, nor cost as many commits."""
    begun: list[int] = []
    faults = Faults(before_begin=lambda: begun.append(1))
    writer = await open_writer(FaultyStore(store_at(url), faults))
    async with held(writer):
        before = len(begun)
        asked = [Change() for _ in range(61)]
        asked.insert(20, Change(IMPOSSIBLE, OTHER))
        tasks = await queued(writer, *asked)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    poison = answers.pop(20)

    assert list(range(1, 62)) == answers
    assert isinstance(poison, Internal)
    assert [(61,)] == rows_of(url, TOTALS)
    assert 3 == len(begun) - before, "the gate's own, the batch, and each of it apart"


async def test_a_unit_whose_statement_fails_is_the_servers_bug(
    url: str, open_writer: OpenWriter
) -> None:
    """It would fail again: who is told to try later would try for ever. The writer goes on."""
    writer = await open_writer(url)
    with pytest.raises(Internal):
        await writer.submit(Change(IMPOSSIBLE))

    assert writer.healthy
    assert 1 == await writer.submit(Change())


async def test_what_a_failing_command_has_entered_is_in_no_ledger(
    url: str, open_writer: OpenWriter
) -> None:
    """Its rows, its entry and what it published go together."""
    published: list[Row] = []
    writer = await open_writer(url, on_commit=published.extend)
    async with held(writer):
        tasks = await queued(writer, Ask("a"), unanswerable())
    await asyncio.gather(*tasks, return_exceptions=True)

    ids = {resource_id for (resource_id,) in rows_of(url, sa.select(LEDGER_ENTRIES.c.resource_id))}
    assert {"a"} == ids
    assert {"a"} == {row.key[1] for row in published}


async def test_a_value_that_no_database_takes_costs_only_its_command(
    url: str, open_writer: OpenWriter
) -> None:
    """A lone surrogate is caught before it reaches the database, and treated alike."""
    writer = await open_writer(url)
    async with held(writer):
        tasks = await queued(writer, Change(), Ask("\ud800"), Change())
    first, poison, last = await asyncio.gather(*tasks, return_exceptions=True)

    assert (1, 2) == (first, last)
    assert isinstance(poison, Internal)


@pytest.mark.parametrize("where", ["begin", "fetch"])
async def test_a_connection_lost_before_commit_is_replaced_and_the_batch_run_again(
    url: str, open_writer: OpenWriter, where: str
) -> None:
    """Nothing had happened, so nothing happens twice."""
    writer = await open_writer(FaultyStore(store_at(url), Faults([where])))

    assert 1 == await writer.submit(Change())
    assert [(1,)] == rows_of(url, TOTALS)


async def test_a_connection_lost_twice_is_an_answer(url: str, open_writer: OpenWriter) -> None:
    """Retrying for ever would keep the caller from trying elsewhere."""
    writer = await open_writer(FaultyStore(store_at(url), Faults(["fetch", "fetch"])))
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())

    assert 1 == await writer.submit(Change())


@pytest.mark.parametrize("where", ["before_commit", "after_commit"])
async def test_an_unknown_commit_happens_exactly_once(
    url: str, open_writer: OpenWriter, where: str
) -> None:
    """The batch's id is looked for before anything is done again."""
    seen: list[object] = []

    def publish(rows: Sequence[Row]) -> None:
        seen.extend(row.request_id for row in rows if isinstance(row, EventSegment))

    faults = Faults([where])
    writer = await open_writer(FaultyStore(store_at(url), faults), on_commit=publish)
    async with held(writer):
        tasks = await queued(writer, Ask("a"), Ask("b"))

    assert ["Admitted"] * 2 == await asyncio.gather(*tasks)
    assert ["a", "b"] == seen
    assert 2 == len(rows_of(url, sa.select(QUERIES.c.request_id)))


async def test_an_error_after_commit_is_looked_up_too(url: str, open_writer: OpenWriter) -> None:
    """Whatever goes wrong behind the commit, what was committed is answered as such."""
    failpoints.arm("update_budget.after_commit=error")
    writer = await open_writer(url)

    assert 1 == await writer.submit(Change())
    assert [(1,)] == rows_of(url, TOTALS)


async def test_an_error_before_commit_leaves_nothing(url: str, open_writer: OpenWriter) -> None:
    """All of a command or none of it."""
    failpoints.arm("update_budget.before_commit=error")
    writer = await open_writer(url)
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())

    assert [] == rows_of(url, TOTALS)
    assert 1 == await writer.submit(Change())


async def test_a_panic_is_the_end_of_its_batch_and_of_no_other(
    only_postgres_url: str, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel's bug raises is no Exception; a thread that it ended would serve nobody."""

    class PanicException(BaseException):
        """As the binding's."""

    def panic(*_: object) -> object:
        raise PanicException

    writer = await open_writer(only_postgres_url)
    with monkeypatch.context() as patched:
        patched.setattr(Decisions, "decide", panic)
        with pytest.raises(GovernanceUnavailable):
            await writer.submit(Change())

    assert 1 == await writer.submit(Change())


@pytest.mark.parametrize("happened", [True, False])
async def test_an_unknown_commit_stays_unknown_while_the_database_is_away(
    url: str, open_writer: OpenWriter, happened: bool
) -> None:
    """The caller is answered in bounded time; what stands is reported when it is known."""
    late: list[object] = []
    where = "after_commit" if happened else "before_commit"
    faults = Faults([where], away_after_loss=True)
    writer = await open_writer(
        FaultyStore(store_at(url), faults),
        limits=QUICK,
        on_late=lambda name, outcome: late.append(outcome),
    )
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    assert not writer.healthy
    faults.away = False
    await until(lambda: writer.healthy)
    total = await writer.submit(Change())

    assert ([1], 2) == (late, total) if happened else ([], 1) == (late, total)


async def test_an_unknown_commit_is_resolved_for_a_caller_that_still_waits(
    url: str, open_writer: OpenWriter
) -> None:
    """A short outage is no reason to refuse what has been recorded."""
    faults = Faults(["after_commit"], away_after_loss=True)
    limits = WriterLimits(reconnect_delay_ms=20)
    writer = await open_writer(FaultyStore(store_at(url), faults), limits=limits)
    (task,) = await queued(writer, Change())
    await until(lambda: not writer.healthy)
    faults.away = False

    assert 1 == await task


async def test_nothing_is_committed_while_a_commit_is_unknown(
    url: str, open_writer: OpenWriter
) -> None:
    """A later batch would hide what became of it, and it would be run a second time."""
    store = FaultyStore(store_at(url), Faults(["after_commit", "lookup"]))
    writer = await open_writer(store, limits=WriterLimits(reconnect_delay_ms=20))
    async with held(writer):
        tasks = await queued(writer, Change(IMPOSSIBLE, OTHER), Change(), Change())
    poison, unknown, other = await asyncio.gather(*tasks, return_exceptions=True)

    assert (1, 2) == (unknown, other)
    assert isinstance(poison, Internal)
    assert [(2,)] == rows_of(url, TOTALS)


async def test_while_the_database_is_away_the_answer_comes_at_once(
    url: str, open_writer: OpenWriter
) -> None:
    """If it cannot record a decision, the answer is no; and then yes again by itself."""
    faults = Faults(["begin"], away_after_loss=True)
    writer = await open_writer(FaultyStore(store_at(url), faults), limits=QUICK)
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    assert not writer.healthy
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    faults.away = False
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


async def test_a_database_that_hangs_is_answered_in_bounded_time(
    url: str, open_writer: OpenWriter
) -> None:
    """A call must not hang with its database; what waited too long is not decided either."""
    begun, hanging = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        assert_set(hanging.wait(10))

    faults = Faults(before_begin=hang)
    writer = await open_writer(FaultyStore(store_at(url), faults), limits=QUICK)
    tasks = await queued(writer, Change())
    await until(begun.is_set)
    tasks += await queued(writer, Change())
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    hanging.set()

    assert [GovernanceUnavailable] * 2 == [type(answer) for answer in answers]
    assert 1 == await writer.submit(Change())


def assert_set(is_set: bool) -> None:
    """A wait that was not cut short."""
    assert is_set


async def test_a_writer_whose_database_is_away_does_not_start(
    url: str, open_writer: OpenWriter
) -> None:
    """A server that cannot record anything must not look as if it served."""
    with pytest.raises(GovernanceUnavailable):
        await open_writer(FaultyStore(store_at(url), Faults(away=True)))


async def test_a_locked_file_is_unavailable_until_it_is_free(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """Another tool's transaction delays decisions; it does not lose or repeat any."""
    writer = await open_writer(only_sqlite_url, limits=QUICK)
    with writer_engine(only_sqlite_url).begin(), pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


async def test_a_terminated_backend_costs_no_decision(
    only_postgres_url: str, open_writer: OpenWriter
) -> None:
    """A restart of the database between two batches is nobody's business."""
    writer = await open_writer(only_postgres_url)
    await writer.submit(Change())
    _terminate_others(only_postgres_url)

    assert 2 == await writer.submit(Change())


async def test_a_database_that_refuses_connections_is_found_again(
    only_postgres_url: str, postgres: Postgres, open_writer: OpenWriter
) -> None:
    """A real outage, from the first refusal to the first answer after it."""
    name = sa.make_url(only_postgres_url).database
    writer = await open_writer(only_postgres_url, limits=QUICK)
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='{name}'"
    )
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


async def test_a_commit_cut_off_on_the_wire_happens_exactly_once(
    only_postgres_url: str, open_writer: OpenWriter
) -> None:
    """Backends die at any moment of many batches; every total is counted once."""
    writer = await open_writer(only_postgres_url)
    done = asyncio.Event()

    async def terminate() -> None:
        loop = asyncio.get_running_loop()
        while not done.is_set():
            await loop.run_in_executor(None, _terminate_others, only_postgres_url)
            await asyncio.sleep(0.02)

    killing = asyncio.create_task(terminate())
    totals: list[int] = []
    for _ in range(150):
        try:
            totals.append(await writer.submit(Change()))
        except GovernanceUnavailable:
            await asyncio.sleep(0.01)
    done.set()
    await killing
    ((total,),) = rows_of(only_postgres_url, TOTALS)

    assert len(totals) == total
    assert list(range(1, total + 1)) == totals


async def test_overload_is_not_told_as_an_outage(url: str, open_writer: OpenWriter) -> None:
    """The caller that may come back in a moment must not give up on the server."""
    writer = await open_writer(url, limits=WriterLimits(queue_max=0))
    with pytest.raises(ServerOverloaded):
        await writer.submit(Change())

    assert writer.healthy


def _terminate_others(url: str) -> None:
    with writer_engine(url).begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
