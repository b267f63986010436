"""One transaction's worth of units: what they need, what they decide, what they leave to commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from chenu_server import failpoints
from chenu_server.errors import Internal
from chenu_server.ids import new_id
from chenu_server.infra.db.clock import BatchClock
from chenu_server.infra.db.ledger_tables import ZERO_HASH, HeadRow
from chenu_server.infra.db.sealing import ledger_writes
from chenu_server.infra.db.session import (
    BatchFailed,
    CommitUnknown,
    Fetch,
    Session,
    SessionError,
    StatementFailed,
    Write,
)
from chenu_server.infra.db.tablemap import TableMap, Tables, Values
from chenu_server.infra.db.workspace import FoundKey, UnitRows, Workspace
from chenu_server.unit import ById, EntryDraft, Key, Moment, Need, Row, Unit
from chenu_server.values import dataclass, field

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Which chain a writer continues, what a new one is called, and who writes."""

    number: int
    new_origin: Callable[[], str]
    writer_id: str


class Decided(NamedTuple):
    """What a unit came to: its outcome, or the error that takes its place."""

    outcome: Any
    error: Internal | None


@dataclass(slots=True)
class Batch:
    """Units that are decided and committed together.

    A unit is left out if its caller has `left`, by its place, when the transaction is open: it may
    have been told meanwhile that nothing is recorded. With `apart` each unit's statements run by
    themselves, as its turn comes: one that fails is dropped, and the others commit.
    """

    units: Sequence[Unit[Any]]
    left: Callable[[int], bool] = lambda place: False
    apart: bool = False
    batch_id: str = field(default_factory=new_id)
    decided: list[Decided] = field(default_factory=list)
    published: list[Row] = field(default_factory=list)
    recorded: list[EntryDraft] = field(default_factory=list)

    def run(self, session: Session, tables: Tables, ledger: Ledger, clock: BatchClock) -> None:
        """Decide every unit and commit what they wrote.

        Raises:
            SessionError: Which one says whether the batch happened.
        """
        begun = session.begin()
        try:
            head = begun.head or HeadRow(ledger.number, ledger.new_origin(), 0, ZERO_HASH, 0)
            now = clock.moment(begun.clock_us, begun.mono_ns, head.last_time_us)
            workspace = Workspace(tables.by_kind)
            left = {place for place in range(len(self.units)) if self.left(place)}
            decisions = _Decisions(session, workspace, tables, now)
            self.decided = (decisions.apart if self.apart else decisions.of)(self.units, left)
            if not workspace.written and not workspace.drafts:
                # Waits, repeats and conflicts write nothing: they are not worth the disk's time for
                # a commit.
                session.rollback()
                return
            self.published, self.recorded = workspace.published, workspace.drafts
            session.write(self._writes(workspace, tables, head, ledger.writer_id, now))
            self._hit("before_commit")
        except SessionError:
            raise
        except Exception as error:
            session.rollback()
            raise BatchFailed(repr(error)) from error
        # Outside of the block above, which would call any error a batch that has not happened: from
        # here on only the session knows.
        session.commit()
        self._committed()

    def _writes(
        self, workspace: Workspace, tables: Tables, head: HeadRow, writer_id: str, now: Moment
    ) -> list[Write]:
        rows = [] if self.apart else encoded(tables.in_order, workspace.written)
        return rows + ledger_writes(
            head,
            workspace.drafts,
            writer_id=writer_id,
            batch_id=self.batch_id,
            now_us=now.now_us,
        )

    def _committed(self) -> None:
        try:
            self._hit("after_commit")
        except failpoints.FailpointError as error:
            # As if the answer had been lost on its way, which is what this point is there to try
            # out.
            raise CommitUnknown(str(error)) from error

    def _hit(self, edge: str) -> None:
        for name in dict.fromkeys(unit.name for unit in self.units):
            failpoints.hit(f"{name}.{edge}")


def encoded(
    tables: Iterable[TableMap[Any]], written: Mapping[type[Any], Mapping[Key, Row]]
) -> list[Write]:
    """
    Rows by kind, as one write for each table, parents before their children.

    Raises:
        StatementFailed: A value that no database takes.
    """
    try:
        return [
            Write(table, [table.encode(row) for row in written[table.kind].values()])
            for table in tables
            if table.kind in written
        ]
    except Exception as error:
        raise StatementFailed(repr(error)) from error


@dataclass(slots=True)
class _Seat:
    """A unit's place in the batch: its rows, and whether it has raised."""

    unit: Unit[Any]
    rows: UnitRows
    now: Moment
    dropped: bool = False

    def needs(self) -> list[Need]:
        """What the unit names before it has seen a row."""
        return self._new(lambda: self.unit.needs(self.now))

    def needs_next(self) -> list[Need]:
        """What the unit names as its rows stand now, and has not named before."""
        return self._new(lambda: self.unit.needs_next(self.rows, self.now))

    def _new(self, ask: Callable[[], Iterable[Need]]) -> list[Need]:
        if not self.dropped:
            try:
                return self.rows.name(ask())
            except Exception as error:  # noqa: BLE001 - a unit's bug is its own
                self.drop(error)
        return []

    def drop(self, error: Exception) -> None:
        """Leave the unit out: what it raised is a bug of its own."""
        self.dropped = True
        log.error("unit_dropped", unit=self.unit.name, exc_info=error)


class _Decisions:
    """Loads what units name and lets them decide, in order."""

    def __init__(self, session: Session, workspace: Workspace, tables: Tables, now: Moment) -> None:
        self._session = session
        self._workspace = workspace
        self._tables = tables
        self._now = now

    def _seats(self, units: Sequence[Unit[Any]], left: Collection[int]) -> list[_Seat]:
        return [
            _Seat(unit, UnitRows(self._workspace), self._now, dropped=place in left)
            for place, unit in enumerate(units)
        ]

    def apart(self, units: Sequence[Unit[Any]], left: Collection[int]) -> list[Decided]:
        """As `of`, one after the other, each with statements of its own."""
        return [self._decided_apart(seat) for seat in self._seats(units, left)]

    def _decided_apart(self, seat: _Seat) -> Decided:
        try:
            with self._session.apart():
                self._load(seat.needs())
                self._load(seat.needs_next())
                outcome = self._outcome(seat)
                if outcome.error is None:
                    self._session.write(encoded(self._tables.in_order, seat.rows.written))
        except StatementFailed as error:
            seat.drop(error)
            return Decided(None, Internal())
        if outcome.error is None:
            # Only behind the savepoint: a later unit must not build on rows whose statements were
            # undone.
            seat.rows.merge()
        return outcome

    def _outcome(self, seat: _Seat) -> Decided:
        if not seat.dropped:
            try:
                return Decided(seat.unit.decide(seat.rows, self._now), None)
            except Exception as error:  # noqa: BLE001 - a unit's bug is its own
                seat.drop(error)
        return Decided(None, Internal())

    def of(self, units: Sequence[Unit[Any]], left: Collection[int]) -> list[Decided]:
        """What each unit came to; those at the places in `left` come to nothing."""
        seats = self._seats(units, left)
        self._load([need for seat in seats for need in seat.needs()])
        self._load([need for seat in seats for need in seat.needs_next()])
        return [self._decided(seat) for seat in seats]

    def _decided(self, seat: _Seat) -> Decided:
        if self._workspace.written:
            # An earlier unit may have written the row that leads to this one's next keys.
            self._load(seat.needs_next())
        outcome = self._outcome(seat)
        if outcome.error is None:
            seat.rows.merge()
        return outcome

    def _load(self, needs: Sequence[Need]) -> None:
        """Load what is missing, with one statement for each table and lookup."""
        if not needs:
            return
        by_id, lookups, counts = self._workspace.missing(needs)
        fetches = [
            *self._by_id(by_id),
            *self._by_lookup(lookups),
            *self._by_lookup(dict.fromkeys(counts, 0), only_counted=True),
        ]
        if not fetches:
            return
        for fetch, found in zip(fetches, self._session.fetch(fetches), strict=True):
            self._take_in(fetch, found)

    def _take_in(self, fetch: Fetch, found: Sequence[Values]) -> None:
        decode, kind = fetch.table.decode, fetch.table.kind
        if fetch.lookup is None:
            self._workspace.loaded(kind, fetch.keys, map(decode, found))
            return
        if fetch.only_counted:
            for position, number in found:
                self._workspace.counted((kind, fetch.lookup, fetch.keys[position]), number)
            return
        under: list[list[Row]] = [[] for _ in fetch.keys]
        for position, *values in found:
            under[position].append(decode(values))
        for key, rows in zip(fetch.keys, under, strict=True):
            self._workspace.found((kind, fetch.lookup, key), rows)

    def _by_id(self, needs: Iterable[ById]) -> list[Fetch]:
        keys: dict[type[Any], dict[Key, None]] = {}
        for need in needs:
            keys.setdefault(need.kind, {})[need.key] = None
        return [Fetch(self._workspace.maps[kind], list(named)) for kind, named in keys.items()]

    def _by_lookup(self, counts: dict[FoundKey, int], *, only_counted: bool = False) -> list[Fetch]:
        keys: dict[tuple[type[Any], str], dict[Key, int]] = {}
        for (kind, name, key), count in counts.items():
            keys.setdefault((kind, name), {})[key] = count
        return [
            Fetch(self._workspace.maps[kind], list(asked), name, list(asked.values()), only_counted)
            for (kind, name), asked in keys.items()
        ]
