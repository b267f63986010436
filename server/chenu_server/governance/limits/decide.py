"""Which slot a call takes. Pure: rows and time in, rows out.

A provider that takes N requests in any window has N slots. A call takes one before it goes out,
and the slot is free again a window after its dispatch, so no span of a window's length ever holds
more than N dispatches. Until the dispatch is known the slot is held as if it came as late as it
may; `Dispatched` then lowers that.

A provider that has said when to come back (`HeldBack`) is given no call before that time, whoever
asks: then all its slots count as free no sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from chenu_server import engine
from chenu_server.governance.limits.model import (
    HOLD_SLOT,
    LAST_SLOT,
    OLDEST_SLOTS,
    RETIRED_US,
    ProviderLimit,
    Slot,
)
from chenu_server.unit import ById, Found, Key, Moment, Need, Rows
from chenu_server.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class NoSlot:
    """No slot is free. The times at which the next ones will be, soonest first, at least one."""

    free_times_us: tuple[int, ...]


def needs_slot(ledger_number: int, provider: str, count: int = 1) -> list[Need]:
    """The rows that `take_slot` reads: the `count` slots that are free first, and the last one.

    One row more, for that of a hold comes before them. A caller that wants to know when its k-th
    waiter is served asks for k.
    """
    key = (ledger_number, provider)
    return [Found(OLDEST_SLOTS, key, count + 1), Found(LAST_SLOT, key)]


def take_slot(
    rows: Rows,
    ledger_number: int,
    provider: str,
    limit: ProviderLimit,
    now_us: int,
    count: int = 1,
) -> Slot | NoSlot:
    """Take the slot that has been free longest, or a new one while there are fewer than the limit.

    `count` is the one given to `needs_slot`; `NoSlot` tells at most as many times. The limit is
    at least 1.
    """
    key = (ledger_number, provider)
    found = (*rows.find(OLDEST_SLOTS, key), *rows.find(LAST_SLOT, key))
    stored = {slot.slot: slot for slot in found}
    hold = stored.pop(HOLD_SLOT, None)
    slots = [slot for slot in stored.values() if slot.free_at_us < RETIRED_US]
    created = _created(stored)
    if hold is not None and hold.held_until_us > now_us:
        times_us, uncreated = (slot.free_at_us for slot in slots), limit.requests - created
        return NoSlot(times_after(hold.held_until_us, times_us, uncreated, count))
    if hold is not None and hold.held_until_us:
        rows.put(replace(hold, free_at_us=RETIRED_US))
    if created > limit.requests:
        return _retire(rows, slots, created, now_us)
    candidates = [(slot.slot, slot.free_at_us) for slot in slots]
    choice = engine.choose_slot(candidates, created, limit.requests, now_us)
    if choice.slot is None:
        return NoSlot(tuple(sorted(slot.free_at_us for slot in slots)[:count]))
    return _put(
        rows,
        Slot(
            ledger_number=ledger_number,
            provider=provider,
            slot=choice.slot,
            free_at_us=now_us + limit.held_before_dispatch_us,
        ),
    )


def times_after(
    until_us: int, times_us: Iterable[int], uncreated: int, count: int
) -> tuple[int, ...]:
    """When the first `count` slots are free if none is before `until_us`.

    `times_us` are those of the slots that exist; `uncreated` more would be made.
    """
    known = [max(time_us, until_us) for time_us in times_us]
    return tuple(sorted([until_us] * min(max(uncreated, 0), count) + known)[:count])


def _created(stored: Mapping[int, Slot]) -> int:
    """How many slots are in use. Those that this batch has retired are the highest ones."""
    retired = [number for number, slot in stored.items() if slot.free_at_us == RETIRED_US]
    return min(retired) if retired else max(stored, default=-1) + 1


def _retire(rows: Rows, slots: Sequence[Slot], created: int, now_us: int) -> NoSlot:
    """Bring the slots one nearer to a lowered limit, as soon as one is free.

    The free place goes and the highest slot takes its number, so that the calls in flight stay
    counted and at no time more are in flight than were before. Nothing is admitted until then.
    """
    first = min(slots, key=lambda slot: (slot.free_at_us, slot.slot))
    last = next((slot for slot in slots if slot.slot == created - 1), None)
    if first.free_at_us > now_us or last is None:
        return NoSlot((max(first.free_at_us, now_us),))
    rows.put(replace(first, free_at_us=last.free_at_us))
    rows.put(replace(last, free_at_us=RETIRED_US))
    return NoSlot((now_us,))


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Unit: the call of this slot went out. For `Writer.note`; without it the slot frees later.

    `dispatched_ns` is the process's monotonic clock at the dispatch: the batch maps it onto its
    own time, so that a step of the clock since the admission does not shorten the window.
    """

    slot: Slot
    limit: ProviderLimit
    dispatched_ns: int
    name: ClassVar[str] = "dispatched"

    def needs(self, now: Moment) -> Sequence[Need]:
        """The slot."""
        return (ById(Slot, self.slot.key),)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> None:
        """Lower the slot's time, unless it was given to a later call meanwhile."""
        if rows.get(Slot, self.slot.key) == self.slot:
            free_at_us = now.at(self.dispatched_ns) + self.limit.held_after_dispatch_us
            rows.put(replace(self.slot, free_at_us=free_at_us))


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Unit: a provider has said when to come back. No slot of it is given out before that time.

    `told_ns` is the process's monotonic clock when it said so, from which `wait_us` counts.
    """

    ledger_number: int
    provider: str
    told_ns: int
    wait_us: int
    name: ClassVar[str] = "held_back"

    @property
    def _key(self) -> Key:
        return (self.ledger_number, self.provider, HOLD_SLOT)

    def needs(self, now: Moment) -> Sequence[Need]:
        """What it has said before."""
        return (ById(Slot, self._key),)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> None:
        """Hold its slots back, unless they are held for longer already."""
        until_us = now.at(self.told_ns) + self.wait_us
        before = rows.get(Slot, self._key)
        if until_us > max(now.now_us, before.held_until_us if before else 0):
            rows.put(
                Slot(
                    ledger_number=self.ledger_number,
                    provider=self.provider,
                    slot=HOLD_SLOT,
                    free_at_us=-until_us,
                )
            )


@dataclass(frozen=True, slots=True)
class LetGo:
    """Unit: a provider is called in another way, and what held it back was told to the old one."""

    ledger_number: int
    provider: str
    name: ClassVar[str] = "let_go"

    @property
    def _key(self) -> Key:
        return (self.ledger_number, self.provider, HOLD_SLOT)

    def needs(self, now: Moment) -> Sequence[Need]:
        """What it has said."""
        return (ById(Slot, self._key),)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> None:
        """Give its slots out again, if they are held back."""
        hold = rows.get(Slot, self._key)
        if hold is not None and hold.held_until_us:
            rows.put(replace(hold, free_at_us=RETIRED_US))


@dataclass(frozen=True, slots=True)
class Readmitted:
    """Unit: a call did not go out in time and asks again. The outcome is a `Slot` or `NoSlot`."""

    slot: Slot
    limit: ProviderLimit
    name: ClassVar[str] = "readmitted"

    def needs(self, now: Moment) -> Sequence[Need]:
        """Its slot, and others in case that one is gone."""
        return (ById(Slot, self.slot.key), *needs_slot(self.slot.ledger_number, self.slot.provider))

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> Slot | NoSlot:
        """Keep the same slot for as long as a new admission would, if it is still this call's."""
        return readmit(rows, self.slot, self.limit, now.now_us)


def readmit(rows: Rows, slot: Slot, limit: ProviderLimit, now_us: int) -> Slot | NoSlot:
    """Admit a call anew whose slot was not used; it needs the rows that `Readmitted` names."""
    key = (slot.ledger_number, slot.provider)
    held = any(each.held_until_us > now_us for each in rows.find(OLDEST_SLOTS, key))
    if held or rows.get(Slot, slot.key) != slot:
        return take_slot(rows, slot.ledger_number, slot.provider, limit, now_us)
    return _put(rows, replace(slot, free_at_us=now_us + limit.held_before_dispatch_us))


def _put(rows: Rows, slot: Slot) -> Slot:
    rows.put(slot)
    return slot
