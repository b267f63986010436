"""The ledger as it is stored, read outside any command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from chenu_server.governance.audit.model import Filters, Head, Sealed
from chenu_server.infra.db.ledger_tables import (
    LEDGER_ENTRIES,
    LEDGER_HEADS,
    LEDGER_PAYLOADS,
    ZERO_HASH,
)
from chenu_server.infra.db.reader import Reader


class _AsStored(FunctionElement[Any]):
    """A column's bytes as they are, also where SQLite holds text in it that is none."""

    inherit_cache = True


@compiles(_AsStored, "sqlite")
def _as_blob(element: _AsStored, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS BLOB)"


@compiles(_AsStored)
def _as_it_is(element: _AsStored, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


_ENTRIES: Final = LEDGER_ENTRIES.c
# What entries are searched by; a verification compares it with what the canonical bytes say.
_COPIES: Final = tuple(
    column for column in _ENTRIES if column.name not in ("canonical", "entry_hash")
)
_BYTES: Final = (
    _ENTRIES.canonical,
    _ENTRIES.entry_hash,
    LEDGER_PAYLOADS.c.salt,
    LEDGER_PAYLOADS.c.payload,
)
# Joined from outside: an erased payload has no row, and its entry stands.
_SEALED: Final = sa.select(
    *_COPIES, *(_AsStored(column).label(column.name) for column in _BYTES)
).select_from(
    LEDGER_ENTRIES.outerjoin(LEDGER_PAYLOADS, LEDGER_PAYLOADS.c.entry_id == _ENTRIES.entry_id)
)


class SqlLedger:
    """A `LedgerReader` of one ledger."""

    def __init__(self, reader: Reader, *, ledger_number: int = 0) -> None:
        self._reader = reader
        self._ledger_number = ledger_number

    async def page(
        self, identity_id: str | None, filters: Filters, after: int, count: int
    ) -> Sequence[Sealed]:
        """In the order of their sequence."""
        wanted = self._of(identity_id).where(_ENTRIES.sequence > after, *_conditions(filters))
        return await self._sealed(wanted.order_by(_ENTRIES.sequence).limit(count))

    async def get(self, identity_id: str | None, entry_id: str) -> Sealed | None:
        """One entry, or None."""
        found = await self._sealed(self._of(identity_id).where(_ENTRIES.entry_id == entry_id))
        return found[0] if found else None

    async def head(self) -> Head | None:
        """The head, and the highest sequence that is stored, in one snapshot."""
        return await self._reader.run(self._read_head)

    def _read_head(self, connection: sa.Connection) -> Head | None:
        heads = sa.select(LEDGER_HEADS).where(LEDGER_HEADS.c.ledger_number == self._ledger_number)
        highest = sa.select(sa.func.max(_ENTRIES.sequence)).where(
            _ENTRIES.ledger_number == self._ledger_number
        )
        row = connection.execute(heads).one_or_none()
        stored = connection.execute(highest).scalar_one()
        if row is None:
            # Entries without a head are no empty ledger: they are exported as they stand, and do
            # not verify.
            none = Head("", self._ledger_number, 0, ZERO_HASH, stored or 0)
            return none if stored else None
        return Head(
            str(row.origin), row.ledger_number, _count(row.size), _bytes(row.last_hash), stored or 0
        )

    async def chunk(self, after: int, last: int, count: int) -> Sequence[Sealed]:
        """The next entries of all identities."""
        wanted = self._of(None).where(_ENTRIES.sequence > after, _ENTRIES.sequence <= last)
        return await self._sealed(wanted.order_by(_ENTRIES.sequence).limit(count))

    def _of(self, identity_id: str | None) -> sa.Select[Any]:
        wanted = _SEALED.where(_ENTRIES.ledger_number == self._ledger_number)
        return wanted if identity_id is None else wanted.where(_ENTRIES.identity_id == identity_id)

    async def _sealed(self, wanted: sa.Select[Any]) -> Sequence[Sealed]:
        return await self._reader.run(
            lambda connection: [_sealed_of(row) for row in connection.execute(wanted)]
        )


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """One condition for each filter that is set."""
    named = {
        _ENTRIES.resource_kind: filters.resource_kind,
        _ENTRIES.resource_id: filters.resource_id,
        _ENTRIES.principal_id: filters.principal_id,
        _ENTRIES.action: filters.action,
        _ENTRIES.decision: filters.decision,
    }
    conditions = [column == value for column, value in named.items() if value]
    if filters.start_us:
        conditions.append(_ENTRIES.time_us >= filters.start_us)
    if filters.end_us:
        conditions.append(_ENTRIES.time_us < filters.end_us)
    return conditions


def _sealed_of(row: sa.Row[Any]) -> Sealed:
    values = row._mapping
    return Sealed(
        sequence=row.sequence,
        copies={column.name: values[column.name] for column in _COPIES},
        canonical=_bytes(row.canonical),
        entry_hash=_bytes(row.entry_hash),
        salt=None if row.salt is None else _bytes(row.salt),
        payload=None if row.payload is None else _bytes(row.payload),
    )


def _bytes(stored: object) -> bytes:
    """A stored value's bytes, also where SQLite holds another type than the column's."""
    return stored if isinstance(stored, bytes) else str(stored).encode()


def _count(stored: object) -> int:
    """How many; 0 where SQLite holds what is no count."""
    return stored if isinstance(stored, int) and stored > 0 else 0
