"""SQLite's log after a reader that stayed long: cut, and told of while it lasts."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.sqlite import SqliteStore
from chenu_server.infra.db.writer import SqlWriter
from tests.contract.db.conftest import OpenWriter
from tests.contract.db.gate import until
from tests.contract.db.sample import filling

LOG_BYTES = 64 * 1_024
BUSY = WriterLimits(tend_ms=1, probe_ms=20)


@pytest.fixture
def file(only_sqlite_url: str) -> Path:
    """The database's file."""
    return Path(str(sa.make_url(only_sqlite_url).database))


def _log_bytes(file: Path) -> int:
    return Path(f"{file}-wal").stat().st_size


async def _grow(writer: SqlWriter, file: Path, to_bytes: int) -> None:
    while _log_bytes(file) < to_bytes:
        await writer.submit(filling())


async def test_a_reader_that_stays_is_told_once_and_its_log_is_cut_when_it_leaves(
    only_sqlite_url: str, file: Path, open_writer: OpenWriter
) -> None:
    """Else the disk fills for a reason that nobody sees, and stays full when it is gone."""
    writer = await open_writer(SqliteStore(only_sqlite_url, log_bytes=LOG_BYTES), limits=BUSY)
    with capture_logs() as logged:
        for episode in (1, 2):
            with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM owners").fetchone()
                await _grow(writer, file, 10 * LOG_BYTES)
                await until(partial(_told, logged, episode))
                await _grow(writer, file, 12 * LOG_BYTES)
            await until(partial(_told, logged, episode, "wal_short_again"))
            size = _log_bytes(file)

            assert size <= LOG_BYTES
    assert _told(logged, 2)


async def test_a_log_that_nobody_keeps_stays_short_in_silence(
    only_sqlite_url: str, file: Path, open_writer: OpenWriter
) -> None:
    """A warning that is always there is read by nobody."""
    writer = await open_writer(SqliteStore(only_sqlite_url, log_bytes=LOG_BYTES), limits=BUSY)
    with capture_logs() as logged:
        await _grow(writer, file, 3 * LOG_BYTES)
        await until(lambda: _log_bytes(file) <= LOG_BYTES)

    assert [] == logged


def _told(
    logged: Sequence[Mapping[str, Any]], times: int, event: str = "wal_kept_by_a_reader"
) -> bool:
    return bool(times == sum(it["event"] == event for it in logged))
