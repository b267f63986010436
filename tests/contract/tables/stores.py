"""Rows written by the writer, for the stores that read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.unit import EntryDraft, Moment, Need, Row, Rows
from tests.contract.tables.samples import MAPS
from tests.stores import store_at


@dataclass(frozen=True, slots=True)
class Put:
    """A unit that writes rows and entries and decides nothing."""

    rows: tuple[Row, ...] = ()
    drafts: tuple[EntryDraft, ...] = ()
    name: str = "put"

    def needs(self, now: Moment) -> Iterable[Need]:
        """Nothing."""
        return ()

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """Nothing."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> None:
        """Write."""
        for row in self.rows:
            rows.put(row)
        for draft in self.drafts:
            rows.record(draft)


@asynccontextmanager
async def written(url: str, *units: Put) -> AsyncIterator[Reader]:
    """A reader of a database in which these units were committed, one batch each."""
    writer = SqlWriter(store_at(url), MAPS)
    await writer.start()
    for unit in units:
        await writer.submit(unit)
    await writer.close()
    reader = Reader(url, threads=2)
    yield reader
    await reader.close()
