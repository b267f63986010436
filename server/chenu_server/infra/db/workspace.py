"""The rows of one batch in memory, and what each unit sees and writes of them.

A unit works on its own layer. The layer is merged into the batch when the unit has decided, and
forgotten when it raised, so that a later unit sees the writes of those before it and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from chenu_server.infra.db.tablemap import TableMap
from chenu_server.unit import ById, EntryDraft, Key, Lookup, Need, Row

R = TypeVar("R", bound=Row)
Maps = Mapping[type[Any], TableMap[Any]]
FoundKey = tuple[type[Any], str, Key]


class Workspace:
    """What a batch has loaded, and every write that it merged so far."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        self.written: dict[type[Any], dict[Key, Row]] = {}
        self.published: list[Row] = []
        self.drafts: list[EntryDraft] = []
        self._rows: dict[tuple[type[Any], Key], Row | None] = {}
        self._found: dict[FoundKey, dict[Key, None]] = {}
        self._asked: dict[FoundKey, int] = {}

    def missing(self, needs: Iterable[Need]) -> tuple[list[ById], dict[FoundKey, int]]:
        """What must be loaded for needs that a unit names for the first time.

        A limited lookup's counts add up over the batch, so that each unit finds a row of its
        own; one that was loaded with a smaller count is loaded again.
        """
        by_id: list[ById] = []
        lookups: dict[FoundKey, int] = {}
        for need in needs:
            if isinstance(need, ById):
                if (need.kind, need.key) not in self._rows:
                    by_id.append(need)
                continue
            where = (need.lookup.kind, need.lookup.name, need.key)
            asked = self._asked[where] = self._asked.get(where, 0) + need.count
            if where not in self._found or self.maps[where[0]].lookups[where[1]].limited:
                lookups[where] = asked
        return by_id, lookups

    def loaded(self, kind: type[Any], keys: Iterable[Key], rows: Iterable[Row]) -> None:
        """Take in what was found by primary key; a key without a row is known to be absent."""
        for key in keys:
            self._rows.setdefault((kind, key), None)
        for row in rows:
            self._take_in(kind, row)

    def found(self, where: FoundKey, rows: Iterable[Row]) -> None:
        """Take in what a lookup found for one key, and what this batch has put under it."""
        kind, name, key = where
        under = self._found[where] = {}
        for row in rows:
            self._take_in(kind, row)
            under[row.key] = None
        key_of = self.maps[kind].lookups[name].key_of
        for row in self.written.get(kind, {}).values():
            if key_of is not None and key_of(row) == key:
                under.setdefault(row.key, None)

    def _take_in(self, kind: type[Any], row: Row) -> None:
        where = (kind, row.key)
        if self._rows.get(where) is None:
            self._rows[where] = row

    def row(self, kind: type[Any], key: Key) -> Row | None:
        """The row as it stands now."""
        return self._rows[kind, key]

    def under(self, where: FoundKey) -> Iterable[Key]:
        """The primary keys of the rows that stood or were put under a lookup's key."""
        return self._found[where]

    def merge(self, puts: Mapping[tuple[type[Any], Key], Row]) -> None:
        """Make a unit's writes part of the batch."""
        standing = [
            (where, key) for (kind, key), row in puts.items() for where in self._stands(kind, row)
        ]
        for (kind, key), row in puts.items():
            self._rows[kind, key] = row
            self.written.setdefault(kind, {})[key] = row
            if self.maps[kind].published:
                self.published.append(row)
        for where, key in standing:
            self._found[where].setdefault(key, None)

    def _stands(self, kind: type[Any], row: Row) -> Iterator[FoundKey]:
        """The loaded lookup keys under which a row stands."""
        for name, lookup in self.maps[kind].lookups.items():
            key = None if lookup.key_of is None else lookup.key_of(row)
            if key is not None and (kind, name, key) in self._found:
                yield kind, name, key


class UnitRows:
    """The `Rows` of one unit: what it named, and its own layer of writes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._named: set[tuple[type[Any], Key]] = set()
        self._named_lookups: dict[FoundKey, int] = {}
        self._puts: dict[tuple[type[Any], Key], Row] = {}
        self._drafts: list[EntryDraft] = []

    def name(self, needs: Iterable[Need]) -> list[Need]:
        """Allow the unit to read these; returns what it had not named before."""
        before = dict(self._named_lookups)
        new: list[Need] = []
        for need in needs:
            if isinstance(need, ById):
                if (need.kind, need.key) not in self._named:
                    self._named.add((need.kind, need.key))
                    new.append(need)
                continue
            where = (need.lookup.kind, need.lookup.name, need.key)
            if need.count > before.get(where, 0):
                self._named_lookups[where] = max(need.count, self._named_lookups.get(where, 0))
                new.append(need)
        return new

    def get(self, kind: type[R], key: Key) -> R | None:
        """The row with this key; KeyError if the unit neither named nor put it."""
        where = (kind, key)
        own = self._puts.get(where)
        if own is not None:
            return cast("R", own)
        if where not in self._named:
            raise KeyError(f"{kind.__name__} {key} was not named in needs")
        return cast("R | None", self._workspace.row(kind, key))

    def find(self, lookup: Lookup[R], key: Key) -> Sequence[R]:
        """The rows that stand under the key now; KeyError if the unit did not name it."""
        where = (lookup.kind, lookup.name, key)
        if where not in self._named_lookups:
            raise KeyError(f"{lookup.kind.__name__}.{lookup.name} {key} was not named in needs")
        key_of = self._workspace.maps[lookup.kind].lookups[lookup.name].key_of
        keys = dict.fromkeys(self._workspace.under(where))
        if key_of is not None:
            keys.update(
                (row_key, None)
                for (kind, row_key), row in self._puts.items()
                if kind is lookup.kind and key_of(row) == key
            )
        rows = (self._now(lookup.kind, row_key) for row_key in keys)
        return [cast("R", row) for row in rows if key_of is None or key_of(row) == key]

    def _now(self, kind: type[Any], key: Key) -> Row:
        own = self._puts.get((kind, key))
        return own if own is not None else cast("Row", self._workspace.row(kind, key))

    def put(self, row: Row) -> None:
        """Insert or replace a row when the batch commits."""
        kind, key = type(row), row.key
        table = self._workspace.maps[kind]
        if table.append_only and (
            (kind, key) in self._puts or key in self._workspace.written.get(kind, {})
        ):
            raise ValueError(f"{kind.__name__} {key} is written once and has been written")
        self._puts[kind, key] = row

    def record(self, draft: EntryDraft) -> None:
        """Append an entry to the ledger when the batch commits."""
        self._drafts.append(draft)

    def merge(self) -> None:
        """Make this unit's writes part of the batch."""
        self._workspace.merge(self._puts)
        self._workspace.drafts += self._drafts
