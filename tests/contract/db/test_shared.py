"""The kernel on the SQLite that Python uses: one library, one set of locks, two ways to it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import mmap
import re
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chenu_server import engine, failpoints
from chenu_server.command import Command, Row
from chenu_server.errors import GovernanceUnavailable, Internal
from chenu_server.governance.budgets.commands import CreateBudget
from chenu_server.governance.budgets.tables import BUDGET_PERIOD_ROWS
from chenu_server.infra.db import shared
from chenu_server.infra.db import sqlite as store
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.session import CannotBegin
from chenu_server.infra.db.sqlite import SqliteStore, Whole
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.pipeline.records import EventSegment
from chenu_server.pipeline.tables import QUERIES
from chenu_server.values import replace
from chenu_server.vocabulary import Period, Scope
from tests.contract.db.conftest import OpenWriter, rows_of
from tests.contract.db.gate import held, queued, until
from tests.contract.db.sample import OTHER, TOTALS, Ask, Change
from tests.fakes.rows import KERNEL
from tests.unit.operations.samples import CALLER as ASKER

QUICK = WriterLimits(answer_within_ms=500, reconnect_delay_ms=20)


def file_of(url: str) -> Path:
    """The database's file."""
    return Path(str(sa.make_url(url).database))


async def test_one_library_is_there_and_both_write_by_it(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """With a second one, whoever closes the file first would take the other's locks with it."""
    writer = await open_writer(only_sqlite_url)
    first = await writer.submit(Change())
    with contextlib.closing(sqlite3.connect(file_of(only_sqlite_url))) as python:
        python.execute("UPDATE budgets SET version = version + 1 WHERE budget_id = 'changed'")
        python.commit()
    last = await writer.submit(Change())
    with contextlib.closing(sqlite3.connect(file_of(only_sqlite_url))) as python:
        whole = python.execute("PRAGMA integrity_check").fetchone()

    assert (1, 3, ("ok",)) == (first, last, whole)
    maps = await asyncio.to_thread(Path("/proc/self/maps").read_text)
    assert 1 == len(set(re.findall(r"\S*libsqlite3\.\S*", maps)))


def test_the_kernel_runs_whole_batches_on_a_file(only_sqlite_url: str) -> None:
    """Else all of this would be tested statement by statement, and served otherwise."""
    session = SqliteStore(only_sqlite_url).connect()

    assert isinstance(session.whole(KERNEL.tables), engine.SqliteSession)
    session.close()


async def test_another_tools_transaction_keeps_the_kernel_out(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """Python's own connection in this very process holds the lock that the kernel wants."""
    store = SqliteStore(only_sqlite_url, busy_timeout_ms=10)
    writer = await open_writer(store, limits=QUICK)
    with contextlib.closing(sqlite3.connect(file_of(only_sqlite_url))) as python:
        python.execute("BEGIN IMMEDIATE")
        with pytest.raises(GovernanceUnavailable):
            await writer.submit(Change())
        python.rollback()
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


async def test_where_the_library_is_hidden_batches_run_step_by_step(
    only_sqlite_url: str, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some builds of Python hold it in themselves: nothing is lost but speed, and that is said."""

    def hidden(*_: Any) -> Any:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", hidden)
    monkeypatch.setattr(engine, "has_sqlite", lambda: False)
    writer = await open_writer(SqliteStore(only_sqlite_url))

    assert not shared.share()
    assert 1 == await writer.submit(Change())
    assert [(1,)] == rows_of(only_sqlite_url, TOTALS)


def test_a_session_that_is_closed_takes_nothing(only_sqlite_url: str) -> None:
    """It is told as a batch that could not begin, and a new session is opened."""
    session = SqliteStore(only_sqlite_url).connect()
    whole = session.whole(KERNEL.tables)
    assert whole is not None
    session.close()

    found = whole.run(
        commands=[],
        names=(0, "origin", "writer", "batch"),
        clock=engine.Clock(),
        shift_us=0,
        before_commit=None,
    )

    assert ("cannot_begin", "it is closed") == found


@pytest.mark.parametrize("version", [(3, 34, 0), (3, 26, 0)])
async def test_an_older_library_is_left_alone(
    only_sqlite_url: str,
    open_writer: OpenWriter,
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int],
) -> None:
    """Its table of functions is shorter than what would be read of it."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    monkeypatch.setattr(engine, "has_sqlite", lambda: False)
    writer = await open_writer(SqliteStore(only_sqlite_url))

    assert not shared.share()
    assert 1 == await writer.submit(Change())


async def test_a_batch_is_committed_while_others_have_the_interpreter(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """Else each one waits for every call that the loop is at, and makes them wait."""
    writer = await open_writer(only_sqlite_url)
    await writer.submit(Change())
    index = file_of(only_sqlite_url).with_name(file_of(only_sqlite_url).name + "-shm")
    interval_s, until_s = sys.getswitchinterval(), time.monotonic() + 20
    asked = asyncio.create_task(writer.submit(Change()))
    with index.open("rb") as file, mmap.mmap(file.fileno(), 48, prot=mmap.PROT_READ) as log:
        before = after = log[:]
        try:
            sys.setswitchinterval(60)
            await asyncio.sleep(0)
            # Nothing here gives the interpreter away, nor does anybody get it who asks.
            while after == before and time.monotonic() < until_s:
                after = log[:]
        finally:
            sys.setswitchinterval(interval_s)

    assert after != before
    assert 2 == await asked


async def test_batches_are_told_in_their_order_whichever_way_they_went(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """A log that had the second one's events first would lose the first one's."""
    told: list[str] = []

    def publish(rows: Sequence[Row]) -> None:
        told.extend(row.request_id for row in rows if isinstance(row, EventSegment))

    writer = await open_writer(only_sqlite_url, on_commit=publish)
    for number, spec in enumerate(["", "admit.before_commit=sleep:0", ""]):
        failpoints.disarm()
        failpoints.arm(spec)
        writer.note(Ask(str(number)))
        writer._intake.wake_for_notes()
        # Not awaited: meanwhile the loop must not hear of anything.
        while number == len(rows_of(only_sqlite_url, sa.select(QUERIES.c.request_id))):
            time.sleep(0.001)  # noqa: ASYNC251 - see above
    assert [] == told
    await until(lambda: len(told) == 3)

    assert ["0", "1", "2"] == told


async def test_health_is_what_batches_meet(
    only_sqlite_url: str, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe writes on one connection and batches run on another, which may fail alone."""

    def broken(*_: object) -> object:
        raise CannotBegin("no more files")

    with monkeypatch.context() as patched:
        patched.setattr(Whole, "opened", broken)
        writer = await open_writer(SqliteStore(only_sqlite_url), limits=QUICK)
        with pytest.raises(GovernanceUnavailable):
            await writer.submit(Change())
        for _ in range(3):
            await until(lambda: not writer.healthy)
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


async def test_bytes_that_are_no_text_are_neither_decided_on_nor_mended(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """Whoever wrote them must find them as they were; only what needs that row is refused."""
    spoil = "UPDATE budgets SET scope_value = CAST(x'61ff62' AS TEXT) WHERE budget_id = 'other'"
    with contextlib.closing(sqlite3.connect(file_of(only_sqlite_url))) as python:
        python.execute(spoil)
        python.commit()
    writer = await open_writer(only_sqlite_url)
    async with held(writer):
        tasks = await queued(writer, Change(), Change(budget_id=OTHER), Change())
    first, spoilt, last = await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.closing(sqlite3.connect(file_of(only_sqlite_url))) as python:
        read = "SELECT CAST(scope_value AS BLOB), version FROM budgets WHERE budget_id = 'other'"
        stored = python.execute(read).fetchone()

    assert (1, Internal, 2) == (first, type(spoilt), last)
    assert (b"a\xffb", 1) == stored


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in-steps"])
async def test_what_one_statement_cannot_take_the_next_one_does(
    only_sqlite_url: str,
    open_writer: OpenWriter,
    monkeypatch: pytest.MonkeyPatch,
    whole: bool,
) -> None:
    """In one batch five teams ask: each finds its own budget, and later its own query."""
    monkeypatch.setattr(store, "_KEYS_MAX", 2)
    monkeypatch.setattr(store, "_ROWS_MAX", 2)
    monkeypatch.setattr(store, "share", lambda: whole)
    writer = await open_writer(SqliteStore(only_sqlite_url))
    teams = [replace(ASKER, identity_id=f"team-{number}") for number in range(5)]
    budgets = [
        CreateBudget(
            caller=team,
            budget_id=f"of-{team.identity_id}",
            scope=Scope.IDENTITY,
            period=Period.TOTAL,
            limit_nanousd=10**12,
        )
        for team in teams
    ]
    asked = [Ask("q", caller=team) for team in teams]

    said = [await _in_one_batch(writer, each) for each in (budgets, asked, asked)]

    assert [["Admitted"] * 5, ["Known"] * 5] == said[1:]
    held_on = sa.select(BUDGET_PERIOD_ROWS.c.budget_id).where(
        BUDGET_PERIOD_ROWS.c.reserved_nanousd > 0
    )
    assert {(each.budget_id,) for each in budgets} == set(rows_of(only_sqlite_url, held_on))


async def _in_one_batch(writer: SqlWriter, commands: Sequence[Command[Any]]) -> list[Any]:
    async with held(writer):
        submitted = await queued(writer, *commands)
    return await asyncio.gather(*submitted)
