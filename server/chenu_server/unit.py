"""What a unit of work is: the rows it needs, what it decides, what it leaves to commit.

Standard library only. `infra/db/writer.py` runs units; `units/` and the features' `decide`
modules write them. A unit decides on rows in memory and is replayable without a database.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from chenu_server.values import dataclass

R = TypeVar("R", bound="Row")
T_co = TypeVar("T_co", covariant=True)

Key = tuple[Hashable, ...]


class Row(Protocol):
    """One row of one table: a frozen dataclass with a primary key."""

    @property
    def key(self) -> Key:
        """The primary key's values, in the table's order."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """The batch's time: max(database clock after the lock, last entry's time).

    `now_us` is Unix time in microseconds; `mono_ns` is this process's monotonic clock when
    `now_us` was read, so that a later monotonic reading maps onto the batch's clock.
    """

    now_us: int
    mono_ns: int

    def at(self, mono_ns: int) -> int:
        """The batch clock's microseconds at a monotonic reading of the same process."""
        return self.now_us + (mono_ns - self.mono_ns) // 1_000


@dataclass(frozen=True, slots=True)
class Lookup(Generic[R]):
    """A named way to find rows other than by primary key; the table's owner gives its SQL."""

    kind: type[R]
    name: str


class ById(NamedTuple):
    """Load the row of `kind` with this primary key, if there is one."""

    kind: type[Any]
    key: Key


@dataclass(frozen=True, slots=True)
class Found:
    """Load what `lookup` finds for `key`. `count` adds up over a batch (slots, for one)."""

    lookup: Lookup[Any]
    key: Key
    count: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """Count what `lookup` finds for `key`, however much that is; none of the rows is loaded."""

    lookup: Lookup[Any]
    key: Key


Need = ById | Found | Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDraft:
    """A ledger entry before it is numbered and hashed. `payload` is canonical JSON text."""

    decision: str
    action: str
    identity_id: str
    principal_type: str
    principal_id: str
    acting_for: tuple[str, ...]
    resource_kind: str
    resource_id: str
    reason: str
    payload: str


class Rows(Protocol):
    """The workspace of one unit inside a batch: reads see every earlier unit's writes."""

    def get(self, kind: type[R], key: Key) -> R | None:
        """The row with this key; it must have been named in `needs` (else KeyError)."""
        ...

    def find(self, lookup: Lookup[R], key: Key) -> Sequence[R]:
        """What a named lookup found, as it stands now; must have been named in `needs`."""
        ...

    def count(self, lookup: Lookup[Any], key: Key) -> int:
        """How many rows stand under the key now; must have been named as `Counted`."""
        ...

    def put(self, row: Row) -> None:
        """Insert or replace a row when the batch commits."""
        ...

    def record(self, draft: EntryDraft) -> None:
        """Append an entry to the ledger when the batch commits."""
        ...


class Unit(Protocol[T_co]):
    """One governed decision. Its writes commit with it or not at all."""

    @property
    def name(self) -> str:
        """Names its failpoints (`<name>.before_commit`, `<name>.after_commit`) and metrics."""
        ...

    def needs(self, now: Moment) -> Iterable[Need]:
        """The rows that `decide` reads; loaded with one statement per table for a batch."""
        ...

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """Rows whose keys stand in the first ones; empty for most units."""
        ...

    def decide(self, rows: Rows, now: Moment) -> T_co:
        """Decide, write through `rows`, return the outcome. A refusal is an outcome."""
        ...


class Writer(Protocol):
    """The only way to a governed write."""

    @property
    def healthy(self) -> bool:
        """Whether decisions can be recorded now, as far as is known.

        While it is, a unit that could not be recorded is itself at fault.
        """
        ...

    async def submit(self, unit: Unit[Any]) -> Any:
        """The unit's outcome, after its commit.

        Raises:
            GovernanceUnavailable: It could not be recorded; nothing of it happened.
        """
        ...

    def note(self, unit: Unit[Any]) -> None:
        """Run a unit ahead of the next batch, without an answer and without forcing one.

        It is committed within `note_delay_ms` at the latest; a crash before that loses it.
        """
        ...
