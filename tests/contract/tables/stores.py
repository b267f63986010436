"""Rows and entries in a database, for the stores that read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import urandom
from typing import Any, Final

from chenu_server import engine
from chenu_server.command import EntryDraft, Row
from chenu_server.ids import new_id
from chenu_server.infra.db.ledger_tables import (
    ENTRIES_MAP,
    HEADS_MAP,
    PAYLOADS_MAP,
    ZERO_HASH,
    EntryRow,
    HeadRow,
    PayloadRow,
)
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.session import Write
from chenu_server.pipeline.records import Operation
from chenu_server.values import replace
from tests.contract.tables.batches import OF, fetch_of, write_of
from tests.contract.tables.samples import QUERY
from tests.stores import store_at

SALT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Put:
    """Rows and entries that nobody has decided."""

    rows: tuple[Row, ...] = ()
    drafts: tuple[EntryDraft, ...] = ()


def put(url: str, what: Put) -> None:
    """Commit them in one batch; an operation whose parts are put is there already, or put too."""
    session = store_at(url).connect()
    begun = session.begin()
    wholes = {row.key[:2] for row in what.rows if _is_part(row)}
    known = {row.key for row in what.rows if isinstance(row, Operation)}
    for key in wholes - known:
        (there,) = session.fetch([fetch_of(Operation, key)])
        if not there:
            row = replace(QUERY, identity_id=str(key[0]), request_id=str(key[1]))
            session.write([write_of(row)])
    head = begun.head or HeadRow(0, f"chenu/{new_id()}", 0, ZERO_HASH, 0)
    now_us = max(begun.clock_us, head.last_time_us)
    ordered = sorted(what.rows, key=_is_part)
    session.write([*map(write_of, ordered), *_sealed(head, what.drafts, now_us)])
    session.commit()
    session.close()


def _is_part(row: Any) -> bool:
    return OF[type(row)].part_of is not None


def _sealed(head: HeadRow, drafts: Sequence[EntryDraft], now_us: int) -> list[Write]:
    batch_id, ids = new_id(), sorted([new_id() for _ in drafts])
    salts = [urandom(SALT_BYTES) for _ in drafts]
    sealed = engine.seal(
        origin=head.origin,
        ledger_number=head.ledger_number,
        batch_id=batch_id,
        time_us=now_us,
        size=head.size,
        head=head.last_hash,
        drafts=[
            engine.EntryDraft(
                entry_id=entry_id,
                salt=salt,
                **{**draft._asdict(), "payload": draft.payload.encode()},
            )
            for entry_id, salt, draft in zip(ids, salts, drafts, strict=True)
        ],
    )
    entries = [
        EntryRow(
            head.ledger_number,
            entry.sequence,
            entry_id,
            batch_id,
            now_us,
            draft.decision,
            draft.action,
            draft.identity_id,
            draft.principal_type,
            draft.principal_id,
            draft.resource_kind,
            draft.resource_id,
            draft.reason,
            entry.canonical,
            entry.entry_hash,
        )
        for entry_id, draft, entry in zip(ids, drafts, sealed, strict=True)
    ]
    payloads = [
        PayloadRow(entry_id, salt, draft.payload)
        for entry_id, salt, draft in zip(ids, salts, drafts, strict=True)
    ]
    if sealed:
        head = head._replace(size=sealed[-1].sequence, last_hash=sealed[-1].entry_hash)
    ended = Write(HEADS_MAP, engine.Rows([head._replace(last_time_us=now_us)]))
    if not sealed:
        return [ended]
    entered = Write(ENTRIES_MAP, engine.Rows(entries))
    return [entered, Write(PAYLOADS_MAP, engine.Rows(payloads)), ended]


@asynccontextmanager
async def written(url: str, *batches: Put) -> AsyncIterator[Reader]:
    """A reader of a database in which these were committed."""
    for each in batches:
        put(url, each)
    reader = Reader(url, threads=2)
    yield reader
    await reader.close()
