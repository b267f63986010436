"""The rows that the release left: JSON lines, put into a database of either store.

Both stores hold the same values, for the writer encodes a row once for all dialects: a line of
the file is a table's name and one row by column, bytes in hexadecimal. Only an owner's lease is
PostgreSQL's alone; here it is NULL, as on SQLite, and its owner dead by its lock that is free.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import writer_engine

RELEASE: Final = "0009"
"""The revision whose schema the rows are of."""
ROWS: Final = Path(__file__).with_name(f"{RELEASE}.rows.jsonl.gz")
_OF_ALEMBIC: Final = "alembic_version"

Stored = Mapping[str, list[dict[str, Any]]]
"""By table, its rows with bytes as `{"hex": ...}`, in the order of their JSON."""


def load(url: str) -> None:
    """Make a blank database the release's: its schema by our own revisions, then its rows."""
    migrate.upgrade(url, RELEASE)
    with writer_engine(url).begin() as connection:
        tables = _tables(connection)
        for name, rows in kept().items():
            values = [{column: _value(plain) for column, plain in row.items()} for row in rows]
            connection.execute(sa.insert(tables[name]), values)


def kept() -> Stored:
    """What the file holds."""
    stored: dict[str, list[dict[str, Any]]] = {}
    for line in gzip.decompress(ROWS.read_bytes()).splitlines():
        found = json.loads(line)
        stored.setdefault(found["table"], []).append(found["row"])
    return stored


def keep(stored: Stored) -> None:
    """Write the file; the same rows give the same bytes."""
    lines = [_line({"table": name, "row": row}) for name, rows in stored.items() for row in rows]
    ROWS.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


def stored_at(url: str) -> Stored:
    """Every row of every table that has any, of whatever schema the database is."""
    with writer_engine(url).connect() as connection:
        found = {
            name: sorted(_plain_rows(connection, table), key=_line)
            for name, table in sorted(_tables(connection).items())
        }
    return {name: rows for name, rows in found.items() if rows}


def schema_at(url: str) -> list[str]:
    """What tables, columns, keys and indexes there are, and the revision."""
    with writer_engine(url).connect() as connection:
        there = sa.inspect(connection)
        found = (
            there.get_multi_columns(),
            there.get_multi_pk_constraint(),
            there.get_multi_unique_constraints(),
            there.get_multi_check_constraints(),
            there.get_multi_indexes(),
        )
        tables = [
            f"{table} {json.dumps(each, default=str, sort_keys=True)}"
            for kind in found
            for (_, table), described in kind.items()
            for each in (described if isinstance(described, list) else [described])
        ]
        revision = MigrationContext.configure(connection).get_current_revision()
    return [f"revision {revision}", *sorted(tables)]


def _tables(connection: sa.Connection) -> dict[str, sa.Table]:
    there = sa.MetaData()
    there.reflect(connection)
    return {name: table for name, table in there.tables.items() if name != _OF_ALEMBIC}


def _plain_rows(connection: sa.Connection, table: sa.Table) -> Iterator[dict[str, Any]]:
    for row in connection.execute(sa.select(table)).mappings():
        yield {column: _plain(value) for column, value in row.items()}


def _plain(value: object) -> object:
    return {"hex": bytes(value).hex()} if isinstance(value, bytes | memoryview) else value


def _value(plain: object) -> object:
    return bytes.fromhex(plain["hex"]) if isinstance(plain, dict) else plain


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
