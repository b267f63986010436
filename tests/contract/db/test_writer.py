"""What a writer promises when nothing fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from functools import partial

import pytest
import sqlalchemy as sa

from chenu_server import failpoints
from chenu_server.command import Answer, Moment, Row
from chenu_server.engine import RowReader, RowReaders
from chenu_server.errors import GovernanceUnavailable, Internal, ServerOverloaded
from chenu_server.governance.identity.model import Violation
from chenu_server.governance.identity.tables import VIOLATIONS
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.ledger_tables import BATCHES, LEDGER_ENTRIES
from chenu_server.infra.db.postgres import CLOCK_AGE_MAX_NS, WRITER_LOCK
from chenu_server.infra.db.sqlite import SqliteStore
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.operations.wait import Cancel
from chenu_server.pipeline.records import EventSegment
from tests.contract.db.conftest import OpenWriter, rows_of
from tests.contract.db.gate import held, queued, until
from tests.contract.db.sample import CALLER, TOTALS, Ask, Change, Nothing, Timed, filling


async def test_a_command_is_committed_when_it_is_answered(
    url: str, open_writer: OpenWriter
) -> None:
    """Nobody acts on a decision that a crash could still undo."""
    writer = await open_writer(url)

    assert 1 == await writer.submit(Change())
    assert [(1,)] == rows_of(url, TOTALS)


async def test_no_update_is_lost(url: str, open_writer: OpenWriter) -> None:
    """The default transactions of the drivers lose them in silence."""
    writer = await open_writer(url)

    totals = await asyncio.gather(*(writer.submit(Change()) for _ in range(300)))

    assert list(range(1, 301)) == sorted(totals)
    assert [(300,)] == rows_of(url, TOTALS)


async def test_two_writers_lose_no_update(only_postgres_url: str, open_writer: OpenWriter) -> None:
    """Workers share one PostgreSQL: each takes its snapshot after the other has committed."""
    first, second = await open_writer(only_postgres_url), await open_writer(only_postgres_url)

    async def add(writer: SqlWriter) -> list[int]:
        return [await writer.submit(Change()) for _ in range(40)]

    totals = await asyncio.gather(*(add(writer) for writer in (first, second) * 4))

    assert list(range(1, 321)) == sorted(total for each in totals for total in each)
    assert [(320,)] == rows_of(only_postgres_url, TOTALS)


async def test_commands_of_a_batch_see_those_before_them(url: str, open_writer: OpenWriter) -> None:
    """Order inside a batch is the order of submission, as if each had its own transaction."""
    writer = await open_writer(url)
    async with held(writer):
        tasks = await queued(writer, Change(), Change(), Change())

    assert [1, 2, 3] == await asyncio.gather(*tasks)
    assert 1 == len(set(rows_of(url, sa.select(LEDGER_ENTRIES.c.batch_id))))


async def test_a_command_that_cannot_be_decided_drops_only_itself(
    url: str, open_writer: OpenWriter
) -> None:
    """A bug in one decision must not cost its neighbours theirs, nor leave half of its own."""
    nobodys = Cancel("nobody", "none", "none", CALLER.principal, "why")
    writer = await open_writer(url)
    async with held(writer):
        tasks = await queued(writer, Change(), nobodys, Change())
    first, failed, last = await asyncio.gather(*tasks, return_exceptions=True)

    assert (1, 2) == (first, last)
    assert isinstance(failed, Internal)
    assert [(2,)] == rows_of(url, TOTALS)


async def test_an_answer_that_is_misread_is_its_readers_alone(
    url: str, open_writer: OpenWriter
) -> None:
    """It is committed by then: the others must hear of theirs all the same."""
    writer = await open_writer(url)
    async with held(writer):
        tasks = await queued(writer, Change(), Misread(), Change())
    first, failed, last = await asyncio.gather(*tasks, return_exceptions=True)

    assert (1, 3) == (first, last)
    assert isinstance(failed, Internal)


async def test_a_row_that_cannot_be_read_keeps_nobody_else_from_an_answer(
    url: str, open_writer: OpenWriter
) -> None:
    """It is committed: those beside it hear of theirs, and so do their followers."""
    told: list[Row] = []
    writer = await open_writer(url, on_commit=told.extend)
    kernel = writer._committer._kernel
    readers = {name: table.reader for name, table in kernel.tables.items()}

    def unread(*_values: object) -> object:
        raise KeyError

    readers["queries"] = RowReader(unread, [None] * len(kernel.tables["queries"].columns))
    async with held(writer):
        tasks = await queued(writer, Change(), Ask("e"), Change())
        kernel.readers = RowReaders(readers)
    first, failed, last = await asyncio.gather(*tasks, return_exceptions=True)

    assert (1, 2) == (first, last)
    assert isinstance(failed, Internal)
    assert [EventSegment] == [type(row) for row in told]


class Misread(Change):
    """A bug in what an answer means."""

    def outcome(self, answer: Answer) -> int:
        """None."""
        raise ZeroDivisionError


async def test_published_rows_arrive_in_order_before_any_answer(
    url: str, open_writer: OpenWriter
) -> None:
    """A stream's reader never learns of an outcome before the events that led to it."""
    seen: list[object] = []

    def publish(rows: Sequence[Row]) -> None:
        seen.extend(row.request_id for row in rows if isinstance(row, EventSegment))

    async def note(writer: SqlWriter, command: Ask) -> None:
        seen.append(await writer.submit(command))

    writer = await open_writer(url, on_commit=publish)
    async with held(writer):
        asked = [Ask("e1"), Ask("e2"), Ask("e3")]
        noting = asyncio.gather(*(note(writer, each) for each in asked))
        await asyncio.sleep(0)
    await noting

    assert ["e1", "e2", "e3", *["Admitted"] * 3] == seen


async def test_a_listener_that_raises_keeps_nobody_from_an_answer(
    url: str, open_writer: OpenWriter
) -> None:
    """The hub's bug is not the caller's."""

    def fail(_rows: Sequence[Row]) -> None:
        raise ZeroDivisionError

    writer = await open_writer(url, on_commit=fail)

    assert "Admitted" == await writer.submit(Ask("e"))


async def test_what_is_written_once_cannot_be_written_again(
    url: str, open_writer: OpenWriter
) -> None:
    """One that silently replaced another would be a hole in somebody's record."""
    twice = filling()
    writer = await open_writer(url)
    async with held(writer):
        tasks = await queued(writer, twice, twice)
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(Internal):
        await writer.submit(twice)

    assert isinstance(first, Violation)
    assert isinstance(second, Internal)
    assert [(1,)] == rows_of(url, sa.select(sa.func.count()).select_from(VIOLATIONS))


async def test_the_batch_clock_never_goes_back(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """Expiry and leases are decided by it: what has expired stays expired."""
    times = iter([0, 1_000_000, 900_000, 2_000_000_000])  # the first is read at the start
    store = SqliteStore(only_sqlite_url, wall_us=lambda: next(times))
    writer = await open_writer(store)

    first, second, third = [await writer.submit(Timed()) for _ in range(3)]

    assert (1_000_000, 2_000_000_000) == (first.now_us, third.now_us)
    assert first.now_us <= second.now_us == first.at(second.mono_ns)


async def test_the_clock_is_the_last_entrys_when_that_is_later(
    url: str, open_writer: OpenWriter
) -> None:
    """Another worker's clock, or this one's before a restart, may have been ahead."""
    late_us = 4_000_000_000_000_000
    writer = await open_writer(url)
    await writer.submit(Change())
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text(f"UPDATE ledger_heads SET last_time_us = {late_us}"))

    assert late_us == (await writer.submit(Timed())).now_us
    assert late_us <= writer.now_us()


async def test_a_time_mapped_through_the_moment_is_never_early(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """A slot that is freed by such a time must not be free before it is."""
    read_at_ns: list[int] = []

    def wall_us() -> int:
        read_at_ns.append(time.monotonic_ns())
        return 1_000

    writer = await open_writer(SqliteStore(only_sqlite_url, wall_us=wall_us))
    now: Moment = await writer.submit(Timed())

    assert now.at(read_at_ns[-1]) >= now.now_us >= 1_000


BLOCKED = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


async def test_the_wait_for_the_lock_does_not_count_as_elapsed(
    only_postgres_url: str, open_writer: OpenWriter
) -> None:
    """Another worker's batch must not make this one's clock run ahead of the database's."""
    writer = await open_writer(only_postgres_url)
    lock = sa.select(sa.func.pg_advisory_xact_lock(*WRITER_LOCK))
    with writer_engine(only_postgres_url).begin() as connection:
        connection.execute(lock)
        (waiting,) = await queued(writer, Timed())
        await until(lambda: connection.execute(BLOCKED).scalar())
        # A shorter wait is none: the clock need not be read again for it.
        too_old_ns = time.monotonic_ns() + CLOCK_AGE_MAX_NS
        await until(lambda: time.monotonic_ns() > too_old_ns)
        released_ns = time.monotonic_ns()

    assert (await waiting).mono_ns >= released_ns


async def test_a_command_that_writes_nothing_leaves_nothing(
    url: str, open_writer: OpenWriter
) -> None:
    """A look at the rows costs no commit."""
    writer = await open_writer(url)
    await writer.submit(Nothing())

    assert [] == rows_of(url, sa.select(BATCHES))


async def test_a_full_queue_refuses_at_once(url: str, open_writer: OpenWriter) -> None:
    """Bounded everything: what cannot be decided soon is told so now."""
    writer = await open_writer(url, limits=WriterLimits(queue_max=2))
    async with held(writer):
        tasks = await queued(writer, Change(), Change())
        with pytest.raises(ServerOverloaded) as refused:
            await writer.submit(Change())

    assert 100_000 == refused.value.retry_after_us
    assert [1, 2] == await asyncio.gather(*tasks)


async def test_a_batch_holds_no_more_than_it_may(url: str, open_writer: OpenWriter) -> None:
    """A long queue is worked off in batches whose commit takes a bounded time."""
    writer = await open_writer(url, limits=WriterLimits(batch_max=2))
    async with held(writer):
        tasks = await queued(writer, *(Change() for _ in range(5)))
    await asyncio.gather(*tasks)

    assert 3 == len(set(rows_of(url, sa.select(LEDGER_ENTRIES.c.batch_id))))


async def test_notes_run_ahead_of_the_next_batch(url: str, open_writer: OpenWriter) -> None:
    """What a dispatch frees must be seen by the decision after it."""
    writer = await open_writer(url, limits=WriterLimits(note_delay_ms=60_000))
    writer.note(Change())
    writer.note(Change())

    assert 3 == await writer.submit(Change())


async def test_notes_alone_are_committed_after_their_delay(
    url: str, open_writer: OpenWriter
) -> None:
    """A quiet server must not keep them until the next call."""
    writer = await open_writer(url, limits=WriterLimits(note_delay_ms=10))
    writer.note(Change())
    await until(lambda: rows_of(url, TOTALS))

    assert [(1,)] == rows_of(url, TOTALS)


async def test_every_note_is_committed_after_its_delay(url: str, open_writer: OpenWriter) -> None:
    """Not only the first: each burst of them starts its own delay."""

    def committed(total: int) -> bool:
        return rows_of(url, TOTALS) == [(total,)]

    writer = await open_writer(url, limits=WriterLimits(note_delay_ms=10))
    for total in (2, 4):
        writer.note(Change())
        writer.note(Change())
        await until(partial(committed, total))

    assert [(4,)] == rows_of(url, TOTALS)


async def test_notes_are_bounded(url: str, open_writer: OpenWriter) -> None:
    """A note is a hint: one too many is lost, and costs no caller anything."""
    writer = await open_writer(url, limits=WriterLimits(notes_max=2, note_delay_ms=60_000))
    for _ in range(5):
        writer.note(Change())

    assert 3 == await writer.submit(Change())


async def test_closing_commits_what_is_queued_and_refuses_the_rest(
    url: str, open_writer: OpenWriter
) -> None:
    """A drain loses no decision that somebody waits for."""
    writer = await open_writer(url, limits=WriterLimits(note_delay_ms=60_000))
    tasks = await queued(writer, *(Change() for _ in range(200)))
    writer.note(Change())
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    await closing

    assert 200 == len([task for task in tasks if task.result()])
    assert [(201,)] == rows_of(url, TOTALS)
    assert not writer.healthy


async def test_a_caller_that_left_before_its_batch_changes_nothing(
    url: str, open_writer: OpenWriter
) -> None:
    """Cancelled before it was decided is not decided."""
    writer = await open_writer(url)
    async with held(writer):
        (task,) = await queued(writer, Change())
        task.cancel()
    await writer.submit(Change())

    assert [(1,)] == rows_of(url, TOTALS)


async def test_what_is_committed_after_its_caller_left_is_reported(
    url: str, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admission that nobody waits for any more holds money: somebody must hear of it."""
    late: list[tuple[str, object]] = []
    writer = await open_writer(url, on_late=lambda name, outcome: late.append((name, outcome)))
    leaving = asyncio.create_task(writer.submit(Change()))
    loop = asyncio.get_running_loop()

    def leave(_point: str) -> None:
        left = threading.Event()

        def cancel() -> None:
            leaving.cancel()
            left.set()

        loop.call_soon_threadsafe(cancel)
        # Until it has: on a busy machine the commit would be there first, and nobody had left.
        assert left.wait(10)

    # Between its decision and its commit, on whichever path the store takes.
    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "any_armed", lambda: True)
        patched.setattr(failpoints, "hit", leave)
        with pytest.raises(asyncio.CancelledError):
            await leaving
    await writer.submit(Change())

    assert [("update_budget", 1)] == late
