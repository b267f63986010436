"""Batches on a writer's session, as small as a test can say them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from chenu_server.command import Key, Row
from chenu_server.engine import Rows
from chenu_server.infra.db.session import Fetch, Session, Write
from chenu_server.infra.db.tablemap import TableMap
from tests.contract.tables.samples import MAPS

R = TypeVar("R", bound=Row)

OF: Final[dict[type[Any], TableMap[Any]]] = {table.kind: table for table in MAPS}


def write_of(row: Row) -> Write:
    """What writes a row."""
    table = OF[type(row)]
    return Write(table, Rows([table.encode(row)]))


def fetch_of(kind: type[Any], key: Key) -> Fetch:
    """What finds the row of a key."""
    return Fetch(OF[kind], Rows.arrays([key]))


def commit(session: Session, *rows: Row) -> None:
    """One batch that writes these rows."""
    session.begin()
    session.write([write_of(row) for row in rows])
    session.commit()


def stored(session: Session, rows: Sequence[Row]) -> list[Row]:
    """The rows with the same keys, as another batch loads them."""
    session.begin()
    fetched = session.fetch([fetch_of(type(row), row.key) for row in rows])
    session.rollback()
    return [
        OF[type(row)].decode(values)
        for row, found in zip(rows, fetched, strict=True)
        for values in found
    ]


def counted(session: Session, kind: type[Any], lookup: str, *keys: Key) -> list[int]:
    """How many rows a look-up finds for each key."""
    counts = [0] * len(keys)
    fetch = Fetch(OF[kind], Rows.arrays(keys, counts), lookup, counts, only_counted=True)
    session.begin()
    (rows,) = session.fetch([fetch])
    session.rollback()
    return [number for _, number in sorted(rows)]


def found(
    session: Session, kind: type[R], lookup: str, *keys: Key, count: int = 1
) -> list[list[R]]:
    """What a look-up finds for each key."""
    table = OF[kind]
    session.begin()
    counts = [count] * len(keys)
    (rows,) = session.fetch([Fetch(table, Rows.arrays(keys, counts), lookup, counts)])
    session.rollback()
    under: list[list[R]] = [[] for _ in keys]
    for position, *values in rows:
        under[position].append(table.decode(values))
    return under
