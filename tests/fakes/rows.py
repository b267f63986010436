"""`Rows` on dictionaries: what a unit sees inside a batch, without a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from chenu_server.governance.budgets.model import (
    BUDGET_PERIODS,
    CURRENT_PERIODS,
    OPEN_BUDGETS,
)
from chenu_server.governance.checkpoints.model import OPEN_OF_ACTION, PENDING
from chenu_server.governance.limits.model import LAST_SLOT, OLDEST_SLOTS
from chenu_server.pipeline.records import ATTEMPTS_OF_QUERY
from chenu_server.unit import (
    ById,
    Counted,
    EntryDraft,
    Found,
    Key,
    Lookup,
    Moment,
    Need,
    Row,
    Unit,
)
from chenu_server.vocabulary import CheckpointState
from tests.twins import twin

R = TypeVar("R", bound=Row)
T = TypeVar("T")

KEY_OF: Final[Mapping[Lookup[Any], Callable[[Any], Key | None]]] = {
    OPEN_BUDGETS: lambda row: None if row.deleted else (row.identity_id,),
    CURRENT_PERIODS: lambda row: (row.identity_id, row.period_start_us),
    BUDGET_PERIODS: lambda row: (row.budget_id,),
    OLDEST_SLOTS: lambda row: (row.ledger_number, row.provider),
    LAST_SLOT: lambda row: (row.ledger_number, row.provider),
    OPEN_OF_ACTION: lambda row: (row.identity_id, row.action_digest) if row.is_open else None,
    PENDING: lambda row: (row.identity_id,) if row.state is CheckpointState.PENDING else None,
    ATTEMPTS_OF_QUERY: lambda row: (row.identity_id, row.request_id),
}
"""Under which key a lookup finds a row, if it does."""


class FakeRows:
    """Every row there is. What was not named in `needs` is refused, as the writer refuses it."""

    def __init__(self, *rows: Row) -> None:
        self.stored: dict[tuple[type[Any], Key], Row] = {}
        self.entries: list[EntryDraft] = []
        self.puts: list[Row] = []
        self._named: set[object] | None = None
        for row in rows:
            self.put(row)

    def get(self, kind: type[R], key: Key) -> R | None:
        """The row with this key."""
        self._check(("id", kind, key))
        return cast("R | None", self.stored.get((kind, key)))

    def find(self, lookup: Lookup[R], key: Key) -> Sequence[R]:
        """All rows of the lookup's kind under this key, in the order of their keys."""
        self._check(("found", lookup, key))
        found = [row for row in self.all(lookup.kind) if KEY_OF[lookup](row) == key]
        return sorted(found, key=lambda row: row.key)

    def count(self, lookup: Lookup[Any], key: Key) -> int:
        """How many rows of the lookup's kind stand under this key."""
        self._check(("counted", lookup, key))
        return sum(KEY_OF[lookup](row) == key for row in self.all(lookup.kind))

    def put(self, row: Row) -> None:
        """Insert or replace."""
        self.stored[type(row), row.key] = row
        self.puts.append(row)

    def record(self, draft: EntryDraft) -> None:
        """Append."""
        self.entries.append(draft)

    def all(self, kind: type[R]) -> list[R]:
        """Every row of a kind, for a test to look at."""
        return [cast("R", row) for (stored, _), row in self.stored.items() if stored is kind]

    def naming(self, *needs: Need) -> FakeRows:
        """The same rows, seen by a unit that named these needs."""
        seen = FakeRows()
        seen.stored, seen.entries = self.stored, self.entries
        seen._named = {_name(need) for need in needs}
        return seen

    def _check(self, name: object) -> None:
        if self._named is not None and name not in self._named:
            raise KeyError(name)


def _name(need: Need) -> object:
    match need:
        case ById(kind, key):
            return ("id", kind, key)
        case Found(lookup, key):
            return ("found", lookup, key)
        case Counted(lookup, key):
            return ("counted", lookup, key)


def run(unit: Unit[T], rows: FakeRows, now: Moment) -> T:
    """A unit's outcome, seeing only what it named. Its twin in Rust has to do the same."""
    before, entries = list(rows.stored.values()), len(rows.entries)
    first = list(unit.needs(now))
    second = list(unit.needs_next(rows.naming(*first), now))
    seen = rows.naming(*first, *second)
    try:
        outcome = unit.decide(seen, now)
    except Exception as error:
        twin.compare(unit, before, now, error, (), ())
        raise
    twin.compare(unit, before, now, outcome, seen.puts, rows.entries[entries:])
    return outcome
