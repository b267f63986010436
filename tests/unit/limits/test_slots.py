"""Which slot a call takes, and when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chenu_server.governance.limits.decide import (
    Dispatched,
    HeldBack,
    LetGo,
    NoSlot,
    Readmitted,
    needs_slot,
    readmit,
    take_slot,
)
from chenu_server.governance.limits.model import HOLD_SLOT, RETIRED_US, ProviderLimit, Slot
from chenu_server.unit import Found, Moment
from tests.fakes.rows import FakeRows, run

P = "anthropic"
LIMIT = ProviderLimit(requests=2, window_us=1_000, guard_us=10, dispatch_within_us=100)
SLOW = LIMIT.held_before_dispatch_us
FAST = LIMIT.held_after_dispatch_us


def slot(number: int, free_at_us: int) -> Slot:
    """One of the provider's slots."""
    return Slot(ledger_number=0, provider=P, slot=number, free_at_us=free_at_us)


def at(now_us: int) -> Moment:
    """A batch whose clock and monotonic clock agree."""
    return Moment(now_us=now_us, mono_ns=now_us * 1_000)


def take(rows: FakeRows, now_us: int, *, requests: int = 2, count: int = 1) -> Slot | NoSlot:
    """Take a slot with only the rows that a unit names."""
    seen = rows.naming(*needs_slot(0, P, count))
    return take_slot(seen, 0, P, replace(LIMIT, requests=requests), now_us, count)


def test_slots_are_made_as_they_are_needed() -> None:
    """A provider that is never called has no rows."""
    rows = FakeRows()

    assert slot(0, SLOW) == take(rows, 0)
    assert slot(1, SLOW + 5) == take(rows, 5)


def test_a_free_slot_is_used_before_a_new_one_is_made() -> None:
    """Rows stay as few as the busiest window needed."""
    rows = FakeRows(slot(0, 50))

    assert slot(0, 50 + SLOW) == take(rows, 50)


def test_a_slot_is_free_at_its_time_and_not_before() -> None:
    """One microsecond early would put N + 1 calls into some window."""
    rows = FakeRows(slot(0, 50), slot(1, 60))

    assert NoSlot((50,)) == take(rows, 49)
    assert slot(0, 50 + SLOW) == take(rows, 50)


def test_who_waits_learns_as_many_times_as_were_asked_for() -> None:
    """The k-th in the queue is served at the k-th time."""
    rows = FakeRows(slot(0, 70), slot(1, 60))

    assert NoSlot((60, 70)) == take(rows, 0, count=2)
    assert NoSlot((60,)) == take(rows, 0, count=1)


def test_a_dispatch_frees_the_slot_one_window_later() -> None:
    """Until then it is held as if the call went out as late as it may."""
    rows = FakeRows()
    admitted = take(rows, 0)
    assert isinstance(admitted, Slot)
    run(Dispatched(admitted, LIMIT, dispatched_ns=7_000), rows, at(30))

    assert [slot(0, 7 + FAST)] == rows.all(Slot)


def test_a_late_note_leaves_a_slot_alone_that_was_given_away() -> None:
    """Lowering it would free the later call's slot inside that call's window."""
    rows = FakeRows()
    admitted = take(rows, 0, requests=1)
    assert isinstance(admitted, Slot)
    later = take(rows, SLOW, requests=1)
    run(Dispatched(admitted, LIMIT, dispatched_ns=7_000), rows, at(SLOW + 1))

    assert [later] == rows.all(Slot)


def test_a_clock_step_does_not_shorten_a_window() -> None:
    """A dispatch 23 us ago is one 23 us ago on the batch's clock, wherever that stands now."""
    rows = FakeRows(slot(0, SLOW))
    stepped = Moment(now_us=5_000, mono_ns=30_000)
    run(Dispatched(slot(0, SLOW), LIMIT, dispatched_ns=7_000), rows, stepped)

    assert [slot(0, 5_000 - 23 + FAST)] == rows.all(Slot)


def test_a_call_that_did_not_go_out_keeps_its_slot_with_a_new_time() -> None:
    """It used nothing, so it does not cost the provider a second place."""
    rows = FakeRows()
    admitted = take(rows, 0, requests=1)
    assert isinstance(admitted, Slot)

    assert slot(0, 150 + SLOW) == run(Readmitted(admitted, LIMIT), rows, at(150))


def test_a_call_whose_slot_was_given_away_takes_another() -> None:
    """Two calls on one slot would be N + 1."""
    rows = FakeRows(slot(0, 9_000))
    old = slot(0, 5)

    assert slot(1, 150 + SLOW) == run(Readmitted(old, LIMIT), rows, at(150))
    assert NoSlot((1_260,)) == readmit(rows, old, replace(LIMIT, requests=2), 150)


def test_a_lowered_limit_counts_the_calls_in_flight() -> None:
    """The places go as they become free; nothing is admitted until there are few enough."""
    rows = FakeRows(slot(0, 10), slot(1, 900), slot(2, 950))

    assert NoSlot((10,)) == take(rows, 5, requests=1)
    assert NoSlot((10,)) == take(rows, 10, requests=1)
    assert {0: 950, 1: 900, 2: RETIRED_US} == frees(rows)


def test_a_raised_limit_takes_retired_slots_into_use_again() -> None:
    """Their numbers follow on; no row is left over."""
    rows = FakeRows(slot(0, 900), slot(1, RETIRED_US))

    assert slot(1, SLOW) == take(rows, 0, requests=2)


def frees(rows: FakeRows) -> dict[int, int]:
    """When each slot is free."""
    return {row.slot: row.free_at_us for row in rows.all(Slot)}


def hold(rows: FakeRows, wait_us: int, told_us: int) -> None:
    """The provider says when to come back."""
    run(HeldBack(0, P, told_us * 1_000, wait_us), rows, at(told_us))


def test_a_provider_that_says_when_to_come_back_gets_no_call_before() -> None:
    """Whoever asks: its slots, made or not, are free at that time and not a microsecond sooner."""
    rows = FakeRows(slot(0, 5))
    hold(rows, 100, told_us=10)

    assert NoSlot((110,)) == take(rows, 10)
    assert NoSlot((110, 110)) == take(rows, 109, count=3)
    assert slot(0, 110 + SLOW) == take(rows, 110)
    assert slot(1, 110 + SLOW) == take(rows, 110)


def test_a_slot_that_is_free_later_is_told_later() -> None:
    """The time that a caller is given must be true for the place that he has."""
    rows = FakeRows(slot(0, 150), slot(1, 90))
    hold(rows, 100, told_us=10)

    assert NoSlot((110, 150)) == take(rows, 20, count=2)


def test_the_later_of_two_times_holds() -> None:
    """Two calls were under way, and the one that was told less is answered last."""
    rows = FakeRows()
    hold(rows, 100, told_us=10)
    hold(rows, 20, told_us=11)

    assert NoSlot((110,)) == take(rows, 31)
    hold(rows, 200, told_us=12)
    assert NoSlot((212,)) == take(rows, 111)


def test_a_time_that_is_over_holds_nothing() -> None:
    """The answer took longer to be read than the provider wanted to be left alone."""
    rows = FakeRows()
    run(HeldBack(0, P, 10_000, 5), rows, at(15))

    assert [] == rows.all(Slot)


def test_a_provider_that_is_let_go_is_called_at_once_and_may_be_held_again() -> None:
    """What was said to another account says nothing of this one's room; its slots still do."""
    rows = FakeRows(slot(0, 50))
    run(LetGo(0, P), rows, at(5))
    assert [slot(0, 50)] == rows.all(Slot)
    hold(rows, 100, told_us=10)

    run(LetGo(0, P), rows, at(20))

    assert slot(1, 20 + SLOW) == take(rows, 20)
    hold(rows, 100, told_us=30)
    assert NoSlot((130,)) == take(rows, 60)


def test_a_held_provider_is_held_again_after_it_was_called() -> None:
    """The same row says so each time: they do not grow."""
    rows = FakeRows()
    hold(rows, 100, told_us=10)
    take(rows, 110)
    hold(rows, 100, told_us=120)

    assert NoSlot((220,)) == take(rows, 219)
    assert 2 == len(rows.all(Slot))


def test_a_call_that_has_a_slot_and_did_not_go_out_is_held_too() -> None:
    """It asks anew because it is late: it would go out after the provider said so."""
    rows = FakeRows()
    admitted = take(rows, 0)
    assert isinstance(admitted, Slot)
    hold(rows, 500, told_us=10)

    assert NoSlot((510,)) == run(Readmitted(admitted, LIMIT), rows, at(150))


@dataclass
class Provider:
    """A provider's slots across batches; each batch loads only what the lookups find."""

    requests: int
    slots: dict[int, Slot] = field(default_factory=dict)
    dispatches: list[int] = field(default_factory=list)
    admitted: list[int] = field(default_factory=list)

    def batch(self, now_us: int, calls: list[int]) -> None:
        """One unit per call; each that is admitted goes out after its delay."""
        rows = FakeRows(*self.loaded(len(calls)))
        limit = replace(LIMIT, requests=self.requests)
        outcomes = [take_slot(rows, 0, P, limit, now_us) for _ in calls]
        sent = [(row, now_us + delay) for row, delay in zip(outcomes, calls, strict=True)]
        for row, dispatched_us in sent:
            if isinstance(row, Slot):
                self.dispatches.append(dispatched_us)
                self.admitted.append(now_us)
                run(Dispatched(row, limit, dispatched_us * 1_000), rows, at(dispatched_us))
            else:
                assert min(row.free_times_us) >= now_us
        self.slots |= {row.slot: row for row in rows.all(Slot)}

    def hold(self, now_us: int, wait_us: int) -> None:
        """It says when to come back."""
        rows = FakeRows(*self.slots.values())
        run(HeldBack(0, P, now_us * 1_000, wait_us), rows, at(now_us))
        self.slots |= {row.slot: row for row in rows.all(Slot)}

    def loaded(self, calls: int) -> Iterator[Slot]:
        """What so many calls name: the first ones by their time, and the last one."""
        count = sum(need.count for need in needs_slot(0, P)[:1] * calls if isinstance(need, Found))
        active = [row for row in self.slots.values() if row.free_at_us < RETIRED_US]
        yield from sorted(active, key=lambda row: (row.free_at_us, row.slot))[:count]
        slots = [row for row in active if row.slot < HOLD_SLOT]
        yield from sorted(slots, key=lambda row: row.slot)[-1:]

    def busiest(self, since_us: int = 0) -> int:
        """The most dispatches in any span of a window's length that ends with one of a call that
        was admitted at `since_us` or later; one on its way by then may yet go out.
        """
        spans = [
            sum(end - LIMIT.window_us < other <= end for other in self.dispatches)
            for end, admitted_us in zip(self.dispatches, self.admitted, strict=True)
            if admitted_us >= since_us
        ]
        return max(spans, default=0)


@pytest.mark.parametrize("requests", [2, 1])
@pytest.mark.parametrize("now_us", [500, 700])
def test_the_row_of_a_hold_stands_in_no_slots_place(now_us: int, requests: int) -> None:
    """Held until 600 or not any more, under a lowered limit too: the first slot's time is told."""
    provider = Provider(requests, {0: slot(0, 1_050), 1: slot(1, 1_600)})
    provider.hold(0, 600)
    limit, rows = replace(LIMIT, requests=requests), FakeRows(*provider.loaded(1))

    assert NoSlot((1_050,)) == take_slot(rows, 0, P, limit, now_us)


steps = st.lists(
    st.tuples(st.integers(1, 700), st.lists(st.integers(0, 100), min_size=1, max_size=6)),
    max_size=30,
)


@given(requests=st.integers(1, 5), arrivals=steps)
def test_no_window_ever_holds_more_than_the_limit(
    requests: int, arrivals: list[tuple[int, list[int]]]
) -> None:
    """Any arrivals, any delay up to the latest dispatch, several calls to a batch."""
    provider, now_us = Provider(requests), 0
    for gap_us, calls in arrivals:
        now_us += gap_us
        provider.batch(now_us, calls)

    assert provider.busiest() <= requests


@given(
    requests=st.integers(1, 5),
    arrivals=steps,
    holds=st.dictionaries(st.integers(0, 29), st.integers(1, 2_000), max_size=5),
)
def test_no_call_goes_out_while_a_provider_is_held_and_then_all_may(
    requests: int, arrivals: list[tuple[int, list[int]]], holds: dict[int, int]
) -> None:
    """Any holds between any arrivals: none too early, none too many, and no place is lost."""
    provider, now_us, until_us = Provider(requests), 0, 0
    for step, (gap_us, calls) in enumerate(arrivals):
        now_us += gap_us
        if step in holds:
            until_us = max(until_us, now_us + holds[step])
            provider.hold(now_us, holds[step])
        admitted = len(provider.admitted)
        provider.batch(now_us, calls)
        assert now_us >= until_us or len(provider.admitted) == admitted
    far = now_us + until_us + 10 * SLOW
    provider.batch(far, [0])  # the row of a hold that is over goes with the first who asks
    for _ in range(requests):
        provider.batch(far, [0])

    assert provider.busiest() == requests


@given(before=st.integers(1, 6), after=st.integers(1, 6), arrivals=steps, change=st.integers(0, 30))
@example(
    before=4,
    after=3,
    arrivals=[(1, [0]), (1, [0, 0, 1]), (1, [0]), (139, [0]), (620, [0]), (250, [0, 0])],
    change=2,
)  # a call that was admitted before the change goes out in its very microsecond
def test_a_changed_limit_holds_from_the_change_on(
    before: int, after: int, arrivals: list[tuple[int, list[int]]], change: int
) -> None:
    """Also counting the calls that went out under the old one, where it was not higher."""
    provider, now_us = Provider(before), 0
    for step, (gap_us, calls) in enumerate(arrivals):
        now_us += gap_us
        if step == change:
            provider.requests, changed_us = after, now_us
        dispatched = len(provider.dispatches)
        provider.batch(now_us, calls)
        if step >= change and len(provider.dispatches) > dispatched:
            assert provider.busiest(since_us=changed_us) <= after
