"""All rows there are, on dictionaries: what the kernel decides on, without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from chenu_server.command import Answer, Command, EntryDraft, Key, Moment, Row
from chenu_server.governance.budgets import tables as budget_tables
from chenu_server.governance.checkpoints import tables as checkpoint_tables
from chenu_server.governance.identity import tables as identity_tables
from chenu_server.governance.limits import tables as limit_tables
from chenu_server.governance.limits.model import HOLD_SLOT, RETIRED_US
from chenu_server.governance.tools import tables as tool_tables
from chenu_server.infra.db.kernel import Kernel
from chenu_server.infra.db.session import Fetch
from chenu_server.infra.db.tablemap import Values
from chenu_server.pipeline import media_tables
from chenu_server.pipeline import tables as pipeline_tables
from chenu_server.vocabulary import CheckpointState

R = TypeVar("R", bound=Row)
T = TypeVar("T")

MAPS: Final = (
    *pipeline_tables.MAPS,
    *media_tables.MAPS,
    *budget_tables.MAPS,
    budget_tables.holds_map(pipeline_tables.QUERIES_MAP),
    *limit_tables.MAPS,
    *checkpoint_tables.MAPS,
    *tool_tables.MAPS,
    *identity_tables.MAPS,
)
KERNEL: Final = Kernel(MAPS)
_MAP_OF: Final = {table.kind: table for table in MAPS}

STANDS_UNDER: Final[Mapping[str, Callable[[Any], Key | None]]] = {
    "open_of_identity": lambda row: None if row.deleted else (row.identity_id,),
    "of_identity_at": lambda row: (row.identity_id, row.period_start_us),
    "of_budget": lambda row: (row.budget_id,),
    "oldest_of_provider": lambda row: (
        None if row.free_at_us == RETIRED_US else (row.ledger_number, row.provider)
    ),
    "last_of_provider": lambda row: (
        None if row.free_at_us == RETIRED_US else (row.ledger_number, row.provider)
    ),
    "open_of_action": lambda row: (row.identity_id, row.action_digest) if row.is_open else None,
    "pending": lambda row: (row.identity_id,) if row.state is CheckpointState.PENDING else None,
    "of_query": lambda row: (row.identity_id, row.request_id),
}
"""Under which key a look-up finds a row, if it does."""


class FakeRows:
    """Every row there is, and every entry."""

    def __init__(self, *rows: Row) -> None:
        self.stored: dict[tuple[type[Any], Key], Row] = {}
        self.entries: list[EntryDraft] = []
        self.published: list[Row] = []
        self.looked_up: set[str] = set()
        for row in rows:
            self.put(row)

    def get(self, kind: type[R], key: Key) -> R | None:
        """The row with this key."""
        return cast("R | None", self.stored.get((kind, key)))

    def put(self, row: Row) -> None:
        """Insert or replace."""
        self.stored[type(row), row.key] = row

    def all(self, kind: type[R]) -> list[R]:
        """Every row of a kind, for a test to look at."""
        return [cast("R", row) for (stored, _), row in self.stored.items() if stored is kind]

    def fetch(self, fetches: Sequence[Fetch]) -> list[list[Values]]:
        """What each fetch finds, as a session of a database gives it."""
        self.looked_up |= {fetch.lookup for fetch in fetches if fetch.lookup}
        return [list(self._found(fetch)) for fetch in fetches]

    def _found(self, fetch: Fetch) -> Iterator[Values]:
        for place, key in enumerate(fetch.keys.values):
            if fetch.lookup is None:
                row = self.stored.get((fetch.table.kind, tuple(key)))
                if row is not None:
                    yield fetch.table.encode(row)
                continue
            rows = self._under(fetch, key)
            if fetch.only_counted:
                yield (place, len(rows))
                continue
            limited = fetch.table.lookups[fetch.lookup].limited
            for row in rows[: fetch.counts[place]] if limited else rows:
                yield (place, *fetch.table.encode(row))

    def _under(self, fetch: Fetch, key: Key) -> list[Any]:
        lookup = str(fetch.lookup)
        stands_under = STANDS_UNDER[lookup]
        found = [row for row in self.all(fetch.table.kind) if stands_under(row) == tuple(key)]
        if lookup == "oldest_of_provider":
            return sorted(found, key=lambda row: (row.free_at_us, row.slot))
        if lookup == "last_of_provider":
            in_use = [row for row in found if row.slot < HOLD_SLOT]
            return sorted(in_use, key=lambda row: -row.slot)[:1]
        return sorted(found, key=lambda row: row.key)


def run(command: Command[T], rows: FakeRows, now: Moment) -> T:
    """A command's outcome; what it leaves is stored."""
    decisions = KERNEL.at(now, 0)
    for write in decisions.decide([command.asked()], cast("Any", rows)):
        for values in write.rows.values:
            rows.put(_MAP_OF[write.table.kind].decode(values))
    rows.published += decisions.published()
    rows.entries += decisions.recorded()
    answer = decisions.answer(0)
    assert isinstance(answer, Answer), answer
    return command.outcome(answer)
