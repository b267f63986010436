"""The rows of one batch in memory, and what each unit sees and writes of them.

A unit works on its own layer. The layer is merged into the batch when the unit has decided, and
forgotten when it raised, so that a later unit sees the writes of those before it and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from chenu_server.infra.db.tablemap import TableMap
from chenu_server.unit import ById, Counted, EntryDraft, Key, Lookup, Need, Row

R = TypeVar("R", bound=Row)
Maps = Mapping[type[Any], TableMap[Any]]
FoundKey = tuple[type[Any], str, Key]


class Missing(NamedTuple):
    """What a batch must load: rows by primary key, lookups with a row count, lookups to count."""

    by_id: list[ById]
    lookups: dict[FoundKey, int]
    counts: list[FoundKey]


class Workspace:
    """What a batch has loaded, and every write that it merged so far."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        self.written: dict[type[Any], dict[Key, Row]] = {}
        self.published: list[Row] = []
        self.drafts: list[EntryDraft] = []
        self._rows: dict[tuple[type[Any], Key], Row | None] = {}
        self._found: dict[FoundKey, dict[Key, Row]] = {}
        self._asked: dict[FoundKey, int] = {}
        self._counts: dict[FoundKey, int] = {}
        self._replaced: dict[tuple[type[Any], Key], Row | None] = {}

    def missing(self, needs: Iterable[Need]) -> Missing:
        """What must be loaded for needs that a unit names for the first time.

        A limited lookup's counts add up over the batch, so that each unit finds a row of its
        own; one that was loaded with a smaller count is loaded again.
        """
        by_id: list[ById] = []
        lookups: dict[FoundKey, int] = {}
        counts: dict[FoundKey, None] = {}
        for need in needs:
            if isinstance(need, ById):
                if (need.kind, need.key) not in self._rows:
                    by_id.append(need)
                continue
            where = (need.lookup.kind, need.lookup.name, need.key)
            if isinstance(need, Counted):
                if where not in self._counts:
                    counts[where] = None
                continue
            asked = self._asked[where] = self._asked.get(where, 0) + need.count
            if where not in self._found or self.maps[where[0]].lookups[where[1]].limited:
                lookups[where] = asked
        return Missing(by_id, lookups, list(counts))

    def loaded(self, kind: type[Any], keys: Iterable[Key], rows: Iterable[Row]) -> None:
        """Take in what was found by primary key; a key without a row is known to be absent."""
        for key in keys:
            self._rows.setdefault((kind, key), None)
        for row in rows:
            self._take_in(kind, row)

    def found(self, where: FoundKey, rows: Iterable[Row]) -> None:
        """Take in what a lookup found for one key, and what this batch has put under it."""
        kind, name, key = where
        key_of = self.maps[kind].lookups[name].key_of
        under: dict[Key, Row] = {}
        for row in rows:
            current = self._take_in(kind, row)
            if key_of is None or key_of(current) == key:
                under[row.key] = current
        if key_of is not None:
            for row in self.written.get(kind, {}).values():
                if key_of(row) == key:
                    under[row.key] = row
        self._found[where] = under

    def counted(self, where: FoundKey, number: int) -> None:
        """Take in how many rows are stored under a key, and what this batch has changed of it."""
        kind, name, key = where
        for row_key, row in self.written.get(kind, {}).items():
            number += self._change(kind, name, key, self._replaced[kind, row_key], row)
        self._counts[where] = number

    def _change(self, kind: type[Any], name: str, key: Key, before: Row | None, row: Row) -> int:
        """How many more rows stand under a lookup's key once `row` replaces `before`."""
        key_of = self.maps[kind].lookups[name].key_of
        assert key_of is not None, "a lookup that is counted says where a row stands"
        return (key_of(row) == key) - (before is not None and key_of(before) == key)

    def _take_in(self, kind: type[Any], row: Row) -> Row:
        """The row as it stands now: as loaded, unless the batch has it already."""
        where = (kind, row.key)
        current = self._rows.get(where)
        if current is None:
            current = self._rows[where] = row
        return current

    def row(self, kind: type[Any], key: Key) -> Row | None:
        """The row as it stands now."""
        return self._rows[kind, key]

    def under(self, where: FoundKey) -> Mapping[Key, Row]:
        """The rows that stand under a lookup's key now, by primary key."""
        return self._found[where]

    def number(self, where: FoundKey, puts: Mapping[tuple[type[Any], Key], Row]) -> int:
        """How many rows stand under a lookup's key once these are put too."""
        kind, name, key = where
        changes = (
            self._change(kind, name, key, self._rows.get((kind, row_key)), row)
            for (put_kind, row_key), row in puts.items()
            if put_kind is kind
        )
        return self._counts[where] + sum(changes)

    def merge(self, puts: Mapping[tuple[type[Any], Key], Row]) -> None:
        """Make a unit's writes part of the batch."""
        for (kind, key), row in puts.items():
            table = self.maps[kind]
            if table.lookups:
                before = self._rows.get((kind, key))
                self._replaced.setdefault((kind, key), before)
                self._move(table, key, before, row)
            self._rows[kind, key] = row
            self.written.setdefault(kind, {})[key] = row
            if table.published:
                self.published.append(row)

    def _move(self, table: TableMap[Any], key: Key, before: Row | None, row: Row) -> None:
        """Keep what lookups have found as it is once `row` has taken the place of `before`."""
        kind = table.kind
        for name, lookup in table.lookups.items():
            if lookup.key_of is None:
                for where, under in self._found.items():
                    if where[:2] == (kind, name) and key in under:
                        under[key] = row
                continue
            old = None if before is None else lookup.key_of(before)
            new = lookup.key_of(row)
            if self._counts and old != new:  # most batches count nothing, and every put comes here
                self._recount(kind, name, old, new)
            if old is not None and old != new and (kind, name, old) in self._found:
                self._found[kind, name, old].pop(key, None)
            if new is not None and (kind, name, new) in self._found:
                self._found[kind, name, new][key] = row

    def _recount(self, kind: type[Any], name: str, old: Key | None, new: Key | None) -> None:
        """Keep what was counted as it is once a row has gone from one key to another."""
        for key, change in ((old, -1), (new, 1)):
            if key is not None and (kind, name, key) in self._counts:
                self._counts[kind, name, key] += change


class UnitRows:
    """The `Rows` of one unit: what it named, and its own layer of writes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._named: set[tuple[type[Any], Key]] = set()
        self._named_lookups: dict[FoundKey, int] = {}
        self._named_counts: set[FoundKey] = set()
        self._puts: dict[tuple[type[Any], Key], Row] = {}
        self._kinds_put: set[type[Any]] = set()
        self._drafts: list[EntryDraft] = []

    def name(self, needs: Iterable[Need]) -> list[Need]:
        """Allow the unit to read these; returns what it had not named before."""
        before = dict(self._named_lookups) if self._named_lookups else {}
        new: list[Need] = []
        for need in needs:
            if isinstance(need, ById):
                if (need.kind, need.key) not in self._named:
                    self._named.add((need.kind, need.key))
                    new.append(need)
                continue
            where = (need.lookup.kind, need.lookup.name, need.key)
            if isinstance(need, Counted):
                if where not in self._named_counts:
                    self._named_counts.add(where)
                    new.append(need)
                continue
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
        under = self._workspace.under(where)
        if lookup.kind not in self._kinds_put:
            return cast("Sequence[R]", list(under.values()))
        return cast("Sequence[R]", list(self._with_own(lookup, key, under).values()))

    def count(self, lookup: Lookup[Any], key: Key) -> int:
        """How many rows stand under the key now; KeyError if the unit did not name it."""
        where = (lookup.kind, lookup.name, key)
        if where not in self._named_counts:
            raise KeyError(f"{lookup.kind.__name__}.{lookup.name} {key} was not named in needs")
        return self._workspace.number(where, self._puts)

    def _with_own(
        self, lookup: Lookup[Any], key: Key, under: Mapping[Key, Row]
    ) -> Mapping[Key, Row]:
        """What stands under a lookup's key once this unit's own writes are in."""
        key_of = self._workspace.maps[lookup.kind].lookups[lookup.name].key_of
        rows = dict(under)
        for (kind, row_key), row in self._puts.items():
            if kind is not lookup.kind:
                continue
            if row_key in rows if key_of is None else key_of(row) == key:
                rows[row_key] = row
            else:
                rows.pop(row_key, None)
        return rows

    def put(self, row: Row) -> None:
        """Insert or replace a row when the batch commits."""
        kind, key = type(row), row.key
        table = self._workspace.maps[kind]
        # Found out here, where it costs this unit alone: in the database one such row would fail
        # the statements of all.
        if table.append_only and (
            (kind, key) in self._puts or key in self._workspace.written.get(kind, {})
        ):
            raise ValueError(f"{kind.__name__} {key} is written once and has been written")
        self._puts[kind, key] = row
        self._kinds_put.add(kind)

    def record(self, draft: EntryDraft) -> None:
        """Append an entry to the ledger when the batch commits."""
        self._drafts.append(draft)

    @property
    def written(self) -> Mapping[type[Any], Mapping[Key, Row]]:
        """What this unit has put, by kind."""
        found: dict[type[Any], dict[Key, Row]] = {}
        for (kind, key), row in self._puts.items():
            found.setdefault(kind, {})[key] = row
        return found

    def merge(self) -> None:
        """Make this unit's writes part of the batch."""
        self._workspace.merge(self._puts)
        self._workspace.drafts += self._drafts
