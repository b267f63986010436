"""Owners: who is alive, and how the others find out."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.fleet import QUERY_STOPS
from chenu_server.infra.db.owners import Owner, SessionOwner, StoreInUse, acquire_owner
from chenu_server.infra.db.postgres import WRITER_LOCK
from chenu_server.infra.db.urls import sqlite_file
from chenu_server.infra.db.urls import sqlite_url as sqlite_url_of
from chenu_server.pipeline.tables import QUERIES, QUERIES_MAP
from chenu_server.vocabulary import QueryStatus
from tests.contract.tables.samples import QUERY

HOLD = """
import sys, time
from chenu_server.infra.db.owners import acquire_owner
owner = acquire_owner(sys.argv[1])
print(owner.owner_id, flush=True)
time.sleep(60)
"""


DEAD = "('dead', 1, 'a worker', 0, 0)"
HEAD = "(0, 'origin', 0, decode(repeat('00', 32), 'hex'), 0)"


class Holder:
    """Another process that is an owner."""

    def __init__(self, url: str) -> None:
        path = repr(sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:] = {path}\n{HOLD}", url],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.owner_id = self._process.stdout.readline().strip()

    def kill(self) -> None:
        """Kill -9."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Close the pipe."""
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def hold() -> Iterator[Callable[[str], Holder]]:
    """Starts owners in other processes."""
    holders: list[Holder] = []

    def holding(url: str) -> Holder:
        holders.append(Holder(url))
        return holders[-1]

    yield holding
    for holder in holders:
        holder.kill()
        holder.close()


def test_an_owner_whose_last_commit_is_under_way_is_not_forgotten(
    postgres_url: str, acquire: Callable[..., Owner]
) -> None:
    """What it leaves would never be found again, and its money be held for ever."""
    owner = acquire(postgres_url)
    engine = writer_engine(postgres_url)
    with ThreadPoolExecutor(1) as pool, engine.connect() as dying:
        with dying.begin():
            dying.execute(sa.text(f"INSERT INTO owners VALUES {DEAD}"))
            dying.execute(sa.text(f"INSERT INTO ledger_heads VALUES {HEAD}"))
        with dying.begin():
            dying.execute(sa.select(sa.func.pg_advisory_xact_lock(*WRITER_LOCK)))
            dying.execute(sa.insert(QUERIES).values(**left_running("dead")))
            forgetting = pool.submit(owner.forget, "dead")
            until_someone_waits(engine)
        forgetting.result(10)
        left = dying.scalar(sa.text("SELECT count(*) FROM owners WHERE owner_id = 'dead'"))

    assert 1 == left


def test_what_an_owner_was_asked_is_forgotten_with_it(
    postgres_url: str, acquire: Callable[..., Owner]
) -> None:
    """Nobody hears it any more; what others are asked stays theirs to hear."""
    owner = acquire(postgres_url)
    with writer_engine(postgres_url).connect() as others, others.begin():
        others.execute(sa.text(f"INSERT INTO owners VALUES {DEAD}"))
        for asked in ("dead", owner.owner_id):
            row = {"owner_id": asked, "identity_id": "id", "request_id": "r"}
            others.execute(sa.insert(QUERY_STOPS).values(**row))
    owner.forget("dead")
    with writer_engine(postgres_url).connect() as others:
        left = others.scalars(sa.select(QUERY_STOPS.c.owner_id)).all()

    assert [owner.owner_id] == left


def left_running(owner_id: str) -> dict[str, Any]:
    """A query's row, by column."""
    query = replace(QUERY, status=QueryStatus.RUNNING, owner_id=owner_id, ended_us=0)
    return {column.name: getattr(query, column.name) for column in QUERIES_MAP.columns}


def until_someone_waits(engine: sa.Engine) -> None:
    """Return once a lock is asked for that another holds."""
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with engine.connect() as looking:
        while not looking.scalar(waiting):
            looking.rollback()
            time.sleep(0.01)


def test_a_second_process_on_a_sqlite_file_is_refused(
    sqlite_url: str, hold: Callable[[str], Holder]
) -> None:
    """Two writers on one file would each decide without the other's rows."""
    hold(sqlite_url)
    with pytest.raises(StoreInUse, match=r"pid \d+\).*PostgreSQL"):
        acquire_owner(sqlite_url)


def test_a_file_has_one_lock_by_whatever_links_it_is_reached(
    sqlite_url: str, tmp_path: Path, hold: Callable[[str], Holder]
) -> None:
    """A data directory behind a link is the same file, and would be recovered while it lives."""
    hold(sqlite_url)
    link = tmp_path / "link.db"
    link.symlink_to(sqlite_file(sqlite_url))

    with pytest.raises(StoreInUse):
        acquire_owner(sqlite_url_of(link))


def test_a_killed_process_frees_its_file(
    sqlite_url: str, hold: Callable[[str], Holder], acquire: Callable[..., Owner]
) -> None:
    """A restart after a crash must not need a hand; what the dead one left is found."""
    holder = hold(sqlite_url)
    holder.kill()
    owner = acquire(sqlite_url)

    assert owner.held
    assert [holder.owner_id] == owner.dead()
    owner.forget(holder.owner_id)
    assert [] == owner.dead()


QUICK = {"lease_ms": 400, "renew_ms": 50}


def test_an_owner_is_dead_whose_lock_is_free_and_whose_lease_is_over(
    postgres_url: str, hold: Callable[[str], Holder], acquire: Callable[..., Owner]
) -> None:
    """A killed worker's reservations are free again once it has renewed nothing for a lease."""
    owner = acquire(postgres_url, SessionOwner, **QUICK)
    living, dying = hold(postgres_url), hold(postgres_url)
    assert [] == owner.dead()
    began_s = time.monotonic()
    dying.kill()
    _until(lambda: owner.dead())

    assert [dying.owner_id] == owner.dead()
    assert time.monotonic() - began_s >= 0.2  # seen alive, then not renewed for a lease
    assert owner.owner_id != living.owner_id
    owner.forget(dying.owner_id)
    assert [] == owner.dead()


def test_an_owner_that_left_is_found_until_it_is_forgotten(
    postgres_url: str, acquire: Callable[..., Owner]
) -> None:
    """A clean stop goes the same way as a crash: somebody looks for what it left, and at once."""
    owner, other = acquire(postgres_url), acquire(postgres_url)
    other.close()
    _until(lambda: owner.dead())

    assert [other.owner_id] == owner.dead()


def test_a_lease_that_is_over_says_nothing_of_who_holds_its_lock(
    postgres_url: str, acquire: Callable[..., Owner]
) -> None:
    """A process that was stopped for a minute goes on; it admits nothing until it has renewed."""
    owner = acquire(postgres_url, SessionOwner, **QUICK)
    silent = acquire(postgres_url, SessionOwner, lease_ms=1, renew_ms=60_000)
    assert [] == owner.dead()
    pause = time.monotonic() + 3 * QUICK["lease_ms"] / 1_000
    _until(lambda: owner.dead() or time.monotonic() > pause)

    assert [] == owner.dead()
    assert not silent.held


@pytest.mark.parametrize("step_us", [-3_600_000_000, 3_600_000_000])
def test_a_step_of_the_databases_clock_ends_nobody(
    postgres_url: str, acquire: Callable[..., Owner], step_us: int
) -> None:
    """Neither who has just lost his connection, nor for longer who is dead."""
    owner = acquire(postgres_url, SessionOwner, **QUICK)
    other = acquire(postgres_url, SessionOwner, lease_ms=60_000, renew_ms=60_000)
    assert [] == owner.dead()
    assert isinstance(other, SessionOwner)
    other._drop()  # its lock is free; the clock steps before it is back
    with writer_engine(postgres_url).begin() as connection:
        step = sa.text(
            "UPDATE owners SET lease_until_us = lease_until_us + :us WHERE owner_id = :o"
        )
        connection.execute(step, {"us": -step_us, "o": other.owner_id})

    assert [] == owner.dead()
    _until(lambda: owner.dead())
    assert [other.owner_id] == owner.dead()


def test_a_lost_connection_is_noticed_and_the_lock_taken_again(
    postgres_url: str, acquire: Callable[..., Owner]
) -> None:
    """And nobody takes over meanwhile what a healthy process runs."""
    owner = acquire(postgres_url, SessionOwner, renew_ms=20)
    other = acquire(postgres_url)
    assert [] == other.dead()
    with writer_engine(postgres_url).begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND objsubid = 1 AND pid IN"
                " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
            )
        )
    seen: list[str] = []

    def is_back() -> bool:
        found = _dead(other)
        seen.extend(found)
        return owner.held and not found

    _until(is_back)

    assert {"unknown"} >= set(seen)


def _dead(owner: Owner) -> list[str]:
    try:
        return owner.dead()
    except sa.exc.DBAPIError:
        return ["unknown"]


def _until(holds: Callable[[], object]) -> None:
    while not holds():
        time.sleep(0.01)
