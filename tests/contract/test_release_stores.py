"""What every store of used releases owes, in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chenu.release import MemoryReleaseStore, ReleaseStore, ReleaseStoreError, SqlReleaseStore
from chenu.release.sql_store import FORGOTTEN_AT_ONCE, KEPT_AFTER_S, Connection
from tests.contract import claim_child
from tests.contract.release_stores import call_id, connecting, sql_store

NOW_S = 1_790_000_000
EXP = NOW_S + 120
FIRST, SECOND = call_id(1), call_id(2)
RACES = 40


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = float(NOW_S)

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The clock of the store."""
    return Clock()


@pytest.fixture
def sql(database_url: str, clock: Clock) -> SqlReleaseStore:
    """A store on each database in turn, with its table."""
    store = sql_store(database_url, clock)
    store.create_table()
    return store


@pytest.fixture(params=["memory", "sqlite_url", "postgres_url"])
def store(request: pytest.FixtureRequest, clock: Clock) -> ReleaseStore:
    """Each store in turn."""
    if request.param == "memory":
        return MemoryReleaseStore(clock=clock)
    made = sql_store(request.getfixturevalue(request.param), clock)
    made.create_table()
    return made


def held(url: str) -> list[str]:
    """The claims in a database's table."""
    with closing(connecting(url)()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT jti FROM chenu_releases ORDER BY jti")
        return [jti for (jti,) in cursor.fetchall()]


def test_the_first_claim_wins_and_no_other(store: ReleaseStore) -> None:
    """Whatever end a later one names."""
    claims = [store.claim(FIRST, exp) for exp in (EXP, EXP, EXP + 1, EXP - 1)]

    assert [True, False, False, False] == claims
    assert store.claim(SECOND, EXP)


def test_a_claim_is_kept_until_it_expires(store: ReleaseStore, clock: Clock) -> None:
    """To the last moment at which the release would be taken, whatever is claimed in between."""
    store.claim(FIRST, EXP)
    clock.now_s = EXP - 0.001
    store.claim(SECOND, EXP + 120)

    assert not store.claim(FIRST, EXP)


def test_a_clock_that_is_set_back_makes_nothing_valid_again(
    store: ReleaseStore, clock: Clock
) -> None:
    """What has expired may be forgotten; what then has not expired any more was still used."""
    store.claim(FIRST, EXP)
    clock.now_s = EXP + 60
    store.claim(SECOND, EXP + 120)
    clock.now_s = NOW_S

    assert not store.claim(FIRST, EXP)


def test_of_many_threads_one_wins(store: ReleaseStore) -> None:
    """For each release, all at once."""
    gate = threading.Barrier(4)

    def claims() -> list[bool]:
        gate.wait()
        return [store.claim(call_id(number), EXP) for number in range(RACES)]

    with ThreadPoolExecutor(4) as pool:
        answers = [one.result() for one in [pool.submit(claims) for _ in range(4)]]

    assert [1] * RACES == [sum(each) for each in zip(*answers, strict=True)]


def test_between_look_and_claim_no_other_thread_comes(clock: Clock) -> None:
    """Where the interpreter would let one: a set asks for a hash each time."""
    store = MemoryReleaseStore(clock=clock)
    others: list[bool] = []

    class Yielding(str):
        """An id whose hash lets another thread try its luck."""

        __slots__ = ()

        def __hash__(self) -> int:
            other = threading.Thread(target=lambda: others.append(store.claim(FIRST, EXP)))
            started.append(other)
            other.start()
            other.join(0.05)
            return str.__hash__(self)

    started: list[threading.Thread] = []
    claimed = store.claim(Yielding(FIRST), EXP)
    for other in started:
        other.join()

    assert claimed
    assert len(started) > 1
    assert not any(others)


def test_of_two_processes_one_wins(sql: SqlReleaseStore, database_url: str) -> None:
    """An executor runs in several, and each is sent the same release."""
    command = [sys.executable, "-m", claim_child.__name__, database_url, str(RACES)]
    root = Path(__file__).resolve().parents[2]
    piped = partial(subprocess.Popen[str], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    # Whatever fails in here, both are told to go on, and end.
    with piped(command, cwd=root) as one, piped(command, cwd=root) as other:
        children = (one, other)
        for child in children:
            assert child.stdout is not None
            assert "ready\n" == child.stdout.readline()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        answers = [child.communicate()[0].splitlines() for child in children]

    expected = [["False", "True"]] * RACES
    assert expected == [sorted(each) for each in zip(*answers, strict=True)]
    assert [0, 0] == [child.returncode for child in children]


def test_another_store_of_the_same_table_knows_the_claim(
    sql: SqlReleaseStore, database_url: str, clock: Clock
) -> None:
    """A restart forgets nothing."""
    sql.claim(FIRST, EXP)
    sql.create_table()

    assert not sql_store(database_url, clock).claim(FIRST, EXP)


def test_old_claims_are_deleted_a_few_at_a_time(
    sql: SqlReleaseStore, database_url: str, clock: Clock
) -> None:
    """A claim never waits for a large deletion, and the table does not grow for ever."""
    first = [call_id(number) for number in range(2 * FORGOTTEN_AT_ONCE + 1)]
    for jti in first:
        sql.claim(jti, EXP)
    counts = []
    for number in range(3):
        clock.now_s = EXP + KEPT_AFTER_S + 1
        sql.claim(call_id(1_000 + number), EXP + 2 * KEPT_AFTER_S)
        counts.append(len(set(first) & set(held(database_url))))

    assert [FORGOTTEN_AT_ONCE + 1, 1, 0] == counts
    assert [call_id(1_000 + number) for number in range(3)] == held(database_url)


def test_a_claim_is_kept_for_a_day_after_its_end(
    sql: SqlReleaseStore, database_url: str, clock: Clock
) -> None:
    """The clock of another process may be that far behind: to it the release is still good."""
    sql.claim(FIRST, EXP)
    clock.now_s = EXP + KEPT_AFTER_S
    sql.claim(SECOND, EXP + 2 * KEPT_AFTER_S)

    assert [FIRST, SECOND] == held(database_url)


@pytest.mark.parametrize(("jti", "exp"), [(None, EXP), (FIRST, None)], ids=["no release", "no end"])
def test_what_a_table_refuses_is_no_claim_and_no_replay(
    sql: SqlReleaseStore, jti: Any, exp: Any
) -> None:
    """An error of integrity need not be the key's."""
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        sql.claim(jti, exp)


def test_a_table_that_is_not_there_is_an_error(database_url: str) -> None:
    """A deployment that forgot it executes nothing."""
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedTable)):
        sql_store(database_url).claim(FIRST, EXP)


class Wrapped:
    """A connection whose driver is worse than the one that it wraps."""

    def __init__(self, inner: Connection, *, fails_at_commit: int = 0, rowcount: int = 1) -> None:
        self._inner = inner
        self._left = fails_at_commit
        self._rowcount = rowcount

    def cursor(self) -> Any:
        """A cursor that may tell another count of rows."""
        cursor = self._inner.cursor()
        if self._rowcount == 1:
            return cursor
        told = self._rowcount

        class Cursor:
            rowcount = told

            def __getattr__(self, name: str) -> Any:
                return getattr(cursor, name)

        return Cursor()

    def commit(self) -> None:
        """Keep it, or fail as a connection does that is cut."""
        self._left -= 1
        if self._left == 0:
            raise OSError("cut")
        self._inner.commit()

    def close(self) -> None:
        """End it."""
        self._inner.close()


def wrapping(url: str, **faults: int) -> Callable[[], Connection]:
    """What opens such a connection."""
    return lambda: Wrapped(connecting(url)(), **faults)


def test_a_commit_that_fails_is_no_claim(sql: SqlReleaseStore, database_url: str) -> None:
    """It is raised; and as nothing was kept, the release may still be claimed."""
    style = sqlite3.paramstyle if database_url.startswith("sqlite") else psycopg.paramstyle
    cut = SqlReleaseStore(wrapping(database_url, fails_at_commit=3), paramstyle=style)

    with pytest.raises(OSError, match="cut"):
        cut.claim(FIRST, EXP)

    assert sql.claim(FIRST, EXP)


@pytest.mark.parametrize("rowcount", [-1, 2])
def test_a_driver_that_does_not_count_is_refused(
    sql: SqlReleaseStore, database_url: str, rowcount: int
) -> None:
    """PEP 249 lets it say -1: then nobody knows whose the row is."""
    style = sqlite3.paramstyle if database_url.startswith("sqlite") else psycopg.paramstyle
    vague = SqlReleaseStore(wrapping(database_url, rowcount=rowcount), paramstyle=style)

    with pytest.raises(ReleaseStoreError, match=str(rowcount)):
        vague.claim(FIRST, EXP)


def test_a_connection_is_closed_whatever_happens(tmp_path: Path) -> None:
    """A pool would else be empty after a day."""
    opened: list[Wrapped] = []
    closed: list[Wrapped] = []

    class Watched(Wrapped):
        def close(self) -> None:
            closed.append(self)
            super().close()

    def connect() -> Connection:
        opened.append(Watched(sqlite3.connect(tmp_path / "releases.db")))
        return opened[-1]

    store = SqlReleaseStore(connect, paramstyle="qmark")
    with pytest.raises(sqlite3.OperationalError):
        store.claim(FIRST, EXP)
    store.create_table()
    store.claim(FIRST, EXP)

    assert 3 == len(opened)
    assert opened == closed


@pytest.mark.parametrize("table", ["", "a b", "a;", 'a"', "Releases", "1st", "a.b", "a" * 41, "é"])
def test_a_table_is_a_plain_name(table: str) -> None:
    """It becomes a part of statements."""
    with pytest.raises(ValueError, match="lower-case letters"):
        SqlReleaseStore(lambda: sqlite3.connect(":memory:"), paramstyle="qmark", table=table)


@pytest.mark.parametrize("paramstyle", ["named", "numeric", ""])
def test_a_driver_without_parameters_by_position_is_refused(paramstyle: str) -> None:
    """At start, and not at the first claim."""
    with pytest.raises(ValueError, match="qmark, format, pyformat"):
        SqlReleaseStore(lambda: sqlite3.connect(":memory:"), paramstyle=paramstyle)


def test_a_store_in_memory_that_is_full_claims_nothing_more(clock: Clock) -> None:
    """To forget one to hold another would let the first pass again."""
    store = MemoryReleaseStore(claims_max=1, clock=clock)
    store.claim(FIRST, EXP)
    clock.now_s = EXP - 0.001
    with pytest.raises(ReleaseStoreError, match="SqlReleaseStore"):
        store.claim(SECOND, EXP + 1)
    replayed = store.claim(FIRST, EXP)
    clock.now_s = EXP

    assert not replayed
    assert store.claim(SECOND, EXP + 1)
