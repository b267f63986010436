"""A small domain of its own: accounts that are added to, slots that are taken, events."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from chenu_server.infra.db.columns import EnumText, Strings
from chenu_server.infra.db.tablemap import LookupSql, TableMap
from chenu_server.unit import ById, EntryDraft, Found, Key, Lookup, Moment, Need, Rows

SAMPLE: Final = sa.MetaData()


class Colour(enum.Enum):
    """An enum that is stored by value."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Account:
    """A number that units add to."""

    identity_id: str
    account_id: int
    total: int
    note: str = ""

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place that is free from a time on."""

    provider: str
    slot: int
    free_at_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.provider, self.slot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Written once and published."""

    event_id: str
    text: str

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.event_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """One column of each type."""

    sampler_id: str
    data: bytes
    flag: bool
    share: float
    names: tuple[str, ...]
    colour: Colour
    remark: str | None
    count: int | None

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.sampler_id,)


ACCOUNTS: Final = sa.Table(
    "accounts",
    SAMPLE,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("total", sa.BigInteger, sa.CheckConstraint("total < 1000000"), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)
SLOTS: Final = sa.Table(
    "slots",
    SAMPLE,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("free_at_us", sa.BigInteger, nullable=False),
    sa.Index("ix_slots_free", "provider", "free_at_us"),
)
EVENTS: Final = sa.Table(
    "events",
    SAMPLE,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)
SAMPLERS: Final = sa.Table(
    "samplers",
    SAMPLE,
    sa.Column("sampler_id", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("flag", sa.Boolean, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("names", Strings, nullable=False),
    sa.Column("colour", EnumText(Colour), nullable=False),
    sa.Column("remark", sa.Text, nullable=True),
    sa.Column("count", sa.BigInteger, nullable=True),
)

OLDEST_SLOTS: Final = Lookup(Slot, "oldest")
FREE_SLOTS: Final = Lookup(Slot, "free_at")
ACCOUNTS_OF: Final = Lookup(Account, "of_identity")
ACCOUNTS_NOTED: Final = Lookup(Account, "noted")

SLOTS_MAP: Final = TableMap(
    Slot,
    SLOTS,
    {
        "oldest": LookupSql(
            (SLOTS.c.provider,),
            order_by="free_at_us, slot",
            key_of=lambda row: (row.provider,),
        ),
        "free_at": LookupSql(
            (SLOTS.c.provider, SLOTS.c.free_at_us),
            where="provider = {0} AND free_at_us <= {1}",
            order_by="slot",
            limited=False,
        ),
    },
)
ACCOUNTS_MAP: Final = TableMap(
    Account,
    ACCOUNTS,
    {
        "of_identity": LookupSql(
            (ACCOUNTS.c.identity_id,),
            order_by="account_id",
            limited=False,
            key_of=lambda row: (row.identity_id,),
        ),
        "noted": LookupSql((ACCOUNTS.c.note,), limited=False, key_of=lambda row: (row.note,)),
    },
)
EVENTS_MAP: Final = TableMap(Event, EVENTS, append_only=True, published=True)
SAMPLERS_MAP: Final = TableMap(Sampler, SAMPLERS)
TABLES: Final[list[TableMap[Any]]] = [ACCOUNTS_MAP, SLOTS_MAP, EVENTS_MAP, SAMPLERS_MAP]


def draft(resource_id: str = "r", payload: str = "{}") -> EntryDraft:
    """An entry about a resource."""
    return EntryDraft(
        decision="allow",
        action="update",
        identity_id="personal",
        principal_type="service",
        principal_id="svc",
        acting_for=("user:ada",),
        resource_kind="account",
        resource_id=resource_id,
        reason="",
        payload=payload,
    )


@dataclass(frozen=True, slots=True)
class Add:
    """Adds to an account, leaves an event and an entry; the outcome is the new total."""

    amount: int
    account: Key = ("personal", 1)
    event_id: str | None = None
    name: str = "add"

    def needs(self, now: Moment) -> Iterable[Need]:
        """The account."""
        return [ById(Account, self.account)]

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """Nothing."""
        return []

    def decide(self, rows: Rows, now: Moment) -> int:
        """Read, add, write."""
        found = rows.get(Account, self.account)
        account = found or Account(str(self.account[0]), int(str(self.account[1])), 0)
        account = replace(account, total=account.total + self.amount)
        rows.put(account)
        if self.event_id:
            rows.put(Event(event_id=self.event_id, text=f"total {account.total}"))
        rows.record(draft(f"{self.account[0]}/{self.account[1]}", f'{{"add":{self.amount}}}'))
        return account.total


@dataclass(frozen=True, slots=True)
class TakeSlot:
    """Takes the slot of a provider that is free first; the outcome is its number, or None."""

    provider: str
    until_us: int
    name: str = "take"

    def needs(self, now: Moment) -> Iterable[Need]:
        """One slot for each unit of the batch."""
        return [Found(OLDEST_SLOTS, (self.provider,), 1)]

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """Nothing."""
        return []

    def decide(self, rows: Rows, now: Moment) -> int | None:
        """The first free one."""
        slots = rows.find(OLDEST_SLOTS, (self.provider,))
        free = [slot for slot in slots if slot.free_at_us <= now.now_us]
        if not free:
            return None
        taken = min(free, key=lambda slot: (slot.free_at_us, slot.slot))
        rows.put(replace(taken, free_at_us=self.until_us))
        return taken.slot


@dataclass(frozen=True, slots=True)
class Do:
    """Whatever a test wants done."""

    act: Callable[[Rows, Moment], Any]
    wants: tuple[Need, ...] = ()
    then_wants: Callable[[Rows], Iterable[Need]] = field(default=lambda rows: ())
    name: str = "do"

    def needs(self, now: Moment) -> Iterable[Need]:
        """What the test named."""
        return self.wants

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """What the test named, seeing the first rows."""
        return self.then_wants(rows)

    def decide(self, rows: Rows, now: Moment) -> Any:
        """What the test does."""
        return self.act(rows, now)
