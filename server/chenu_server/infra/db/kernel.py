"""The kernel on a database's tables: what a batch of commands reads, comes to and leaves.

The kernel (`core_rs/store`) has rows as their tables have them, column by column. Here they get
their statements, and the objects that the rest of the server knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from chenu_server import engine
from chenu_server.command import Answer, EntryDraft, Moment, Row
from chenu_server.infra.db.ledger_tables import LEDGER_MAPS
from chenu_server.infra.db.session import Fetch, Session, Write
from chenu_server.infra.db.tablemap import TableMap, Values

log = structlog.get_logger(__name__)

Asked = tuple[str, str | None, bool, engine.Rows, Sequence[int]]
"""Table, look-up or None, whether it only counts, keys, and how many rows of each."""


class Kernel:
    """What decides.

    Raises:
        TypeError: The tables are not those of the kernel. Rows are written by position: columns
            in another order would be stored as each other.
    """

    def __init__(self, tables: Sequence[TableMap[Any]]) -> None:
        self.tables = {table.table.name: table for table in (*tables, *LEDGER_MAPS)}
        self.readers = engine.RowReaders(
            {name: table.reader for name, table in self.tables.items()}
        )
        for name, columns in engine.tables():
            table = self.tables.get(name)
            found = tuple(column.name for column in table.columns) if table else ()
            if found != tuple(columns):
                raise TypeError(f"the kernel has {name} as {columns}, here are {found}")

    def at(self, now: Moment, ledger_number: int) -> Decisions:
        """A batch at this time."""
        batch = engine.Batch(now.now_us, now.mono_ns, ledger_number)
        return Decisions(self, now, batch)

    def of(self, batch: engine.Batch, now: tuple[int, int]) -> Decisions:
        """A batch that has been run, at this time."""
        return Decisions(self, Moment(*now), batch)


class Decisions:
    """One batch: what it decides, and all that this leaves."""

    __slots__ = ("_batch", "_kernel", "_now", "_published")

    def __init__(self, kernel: Kernel, now: Moment, batch: engine.Batch) -> None:
        self._kernel = kernel
        self._now = now
        self._batch = batch
        self._published: list[Row | None] | None = None

    def copy(self) -> Decisions:
        """The batch as it stands now; what is decided on a copy is forgotten with it."""
        return Decisions(self._kernel, self._now, self._batch.copy())

    def decide(
        self,
        commands: Sequence[engine.Command],
        session: Session,
        ending: engine.Ending | None = None,
    ) -> list[Write]:
        """Decide commands, in order: what they leave, table by table.

        One that nobody waits for any more is left out. With `ending`, and if the batch has left
        anything, its entries are sealed and the rows that end it are there too.

        Raises:
            SessionError: From the session; nothing of it happened.
        """
        tables = self._kernel.tables

        def fetch(asked: Sequence[Asked]) -> list[list[Values]]:
            return session.fetch(
                [
                    Fetch(tables[table], keys, lookup, counts, only_counted)
                    for table, lookup, only_counted, keys, counts in asked
                ]
            )

        left = self._batch.decide(commands, fetch, ending)
        return [Write(tables[name], rows) for name, rows in left]

    def leave_out(self) -> None:
        """The next command is left out: its statements failed."""
        self._batch.leave_out()

    def stands(self, place: int) -> bool:
        """Whether the command at a place was decided, and what it left stands."""
        return self._batch.stands(place)

    @property
    def has_left_nothing(self) -> bool:
        """Whether neither a row nor an entry has been left, here or before a copy was made."""
        return self._batch.has_left_nothing()

    def published(self) -> list[Row]:
        """What followers of operations are given, in order; none that cannot be read."""
        return [row for row in self._told() if row is not None]

    def _told(self) -> list[Row | None]:
        """By the places of published rows: each is made once, for followers and who asked."""
        if self._published is None:
            made = self._batch.published(self._kernel.readers)
            self._published = [_readable(each) for each in made]
        return self._published

    def recorded(self) -> list[EntryDraft]:
        """What was entered in the ledger, in order."""
        return [EntryDraft(*each) for each in self._batch.entries()]

    def answer(self, place: int) -> Answer | str | None:
        """What a command is answered, told once; why it was dropped, or None if it was left out."""
        decision = self._batch.take(place, self._kernel.readers)
        if decision is None or isinstance(decision, str):
            return decision
        kind, rows, more = decision
        return Answer(kind, tuple(map(self._shown, rows)), more, self._now)

    def _shown(self, row: Row | int) -> Row:
        found = self._told()[row] if isinstance(row, int) else row
        if found is None:
            # This answer's error alone: the command stands, and so do the others of its batch.
            raise LookupError("a row that was written cannot be read")
        return found


def _readable(made: Row | Exception) -> Row | None:
    if isinstance(made, Exception):
        log.error("row_unread", exc_info=made)
        return None
    return made
