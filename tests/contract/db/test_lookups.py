"""Lookups: rows found by something else than their primary key."""

from __future__ import annotations

import asyncio

from chenu_server.unit import ById, Counted, Found, Moment, Rows
from tests.contract.db.conftest import OpenWriter
from tests.contract.db.gate import held, queued
from tests.contract.db.sample import (
    ACCOUNTS_NOTED,
    ACCOUNTS_OF,
    FREE_SLOTS,
    OLDEST_SLOTS,
    Account,
    Do,
    Slot,
    TakeSlot,
)

FAR_US = 2**60


def put(*rows: Account | Slot) -> Do:
    """A unit that writes these rows."""

    def act(into: Rows, _now: Moment) -> None:
        for row in rows:
            into.put(row)

    return Do(act)


def slots(provider: str, *free_at_us: int) -> list[Slot]:
    """Slots 0, 1 ... with these times."""
    return [Slot(provider=provider, slot=n, free_at_us=at) for n, at in enumerate(free_at_us)]


async def test_each_unit_of_a_batch_finds_a_row_of_its_own(
    url: str, open_writer: OpenWriter
) -> None:
    """The counts add up: with one row loaded, the second taker would find none."""
    writer = await open_writer(url)
    await writer.submit(put(*slots("a", 30, 10, 20, 40), *slots("b", 5)))
    async with held(writer):
        takers = [TakeSlot("a", FAR_US), TakeSlot("b", FAR_US), TakeSlot("a", FAR_US)]
        tasks = await queued(writer, *takers, TakeSlot("b", FAR_US))

    assert [1, 0, 2, None] == await asyncio.gather(*tasks)


async def test_counts_add_up_over_both_rounds_of_needs(url: str, open_writer: OpenWriter) -> None:
    """What one unit names at once and another only later is loaded for both."""

    def take(rows: Rows, _now: Moment) -> int:
        found = rows.find(OLDEST_SLOTS, ("a",))
        first = min((s for s in found if s.free_at_us < FAR_US), key=lambda s: s.free_at_us)
        rows.put(Slot(provider="a", slot=first.slot, free_at_us=FAR_US))
        return first.slot

    later = Do(take, then_wants=lambda rows: (Found(OLDEST_SLOTS, ("a",)),))
    writer = await open_writer(url)
    await writer.submit(put(*slots("a", 10, 20)))
    async with held(writer):
        tasks = await queued(writer, TakeSlot("a", FAR_US), later)

    assert [0, 1] == await asyncio.gather(*tasks)


async def test_a_lookup_gives_the_first_rows_in_its_order(
    url: str, open_writer: OpenWriter
) -> None:
    """The k oldest slots of a provider, and of no other."""
    writer = await open_writer(url)
    await writer.submit(put(*slots("a", 30, 10, 20), *slots("b", 1)))
    look = Do(
        lambda rows, now: [slot.slot for slot in rows.find(OLDEST_SLOTS, ("a",))],
        wants=(Found(OLDEST_SLOTS, ("a",), 2),),
    )

    assert [1, 2] == await writer.submit(look)


async def test_a_lookup_takes_any_condition(url: str, open_writer: OpenWriter) -> None:
    """Sweeps look for what has ended by now, however much there is."""
    writer = await open_writer(url)
    await writer.submit(put(*slots("a", 10, 20, 30), *slots("b", 1)))
    wants = (Found(FREE_SLOTS, ("a", 20)), Found(FREE_SLOTS, ("b", 0)))
    look = Do(
        lambda rows, now: [[s.slot for s in rows.find(FREE_SLOTS, want.key)] for want in wants],
        wants=wants,
    )

    assert [[0, 1], []] == await writer.submit(look)


async def test_new_rows_stand_under_their_key_for_the_next_unit(
    url: str, open_writer: OpenWriter
) -> None:
    """A budget made in this batch binds the query behind it."""
    writer = await open_writer(url)
    await writer.submit(put(Account("personal", 1, 1)))
    look = Do(
        lambda rows, now: [row.account_id for row in rows.find(ACCOUNTS_OF, ("personal",))],
        wants=(Found(ACCOUNTS_OF, ("personal",)),),
    )
    async with held(writer):
        tasks = await queued(writer, look, put(Account("personal", 2, 2)), look)

    assert [[1], None, [1, 2]] == await asyncio.gather(*tasks)


async def test_a_count_is_of_all_that_stands_under_the_key_when_its_unit_decides(
    url: str, open_writer: OpenWriter
) -> None:
    """A cap holds inside a batch: what came, went or moved before in it counts, stored or not."""
    writer = await open_writer(url)
    await writer.submit(put(*(Account("personal", n, n, "held") for n in range(3))))
    keys = (("held",), ("free",))
    look = Do(
        lambda rows, now: [rows.count(ACCOUNTS_NOTED, key) for key in keys],
        wants=tuple(Counted(ACCOUNTS_NOTED, key) for key in keys),
    )
    free = Do(
        lambda rows, now: rows.put(Account("personal", 1, 1, "free")),
        wants=(ById(Account, ("personal", 1)),),
    )
    async with held(writer):
        tasks = await queued(writer, look, put(Account("personal", 9, 9, "held")), free, look)

    assert [[3, 0], None, None, [3, 1]] == await asyncio.gather(*tasks)


async def test_a_count_that_is_asked_for_late_holds_what_the_batch_has_changed(
    url: str, open_writer: OpenWriter
) -> None:
    """The database does not know of it yet."""
    writer = await open_writer(url)
    await writer.submit(put(*(Account("personal", n, n, "held") for n in range(3))))
    late = Do(
        lambda rows, now: rows.count(ACCOUNTS_NOTED, ("held",)),
        then_wants=lambda rows: (
            (Counted(ACCOUNTS_NOTED, ("held",)),) if rows.get(Account, ("personal", 9)) else ()
        ),
        wants=(ById(Account, ("personal", 9)),),
    )
    moved = [Account("personal", 1, 1, "free")]
    moved += [Account("personal", number, number, "held") for number in (8, 9)]
    free = Do(put(*moved).act, wants=(ById(Account, ("personal", 1)),))
    async with held(writer):
        *_, number = await queued(writer, free, late)

    assert 4 == await number


async def test_many_keys_are_loaded_at_once(url: str, open_writer: OpenWriter) -> None:
    """More keys than a statement takes, in any number."""
    accounts = [Account("personal", number, number) for number in range(600)]
    keys = [account.key for account in accounts]
    look = Do(
        lambda rows, now: [rows.get(Account, key) for key in keys],
        wants=tuple(ById(Account, key) for key in keys),
    )
    writer = await open_writer(url)
    await writer.submit(put(*accounts[:-1]))

    assert [*accounts[:-1], None] == await writer.submit(look)


async def test_many_keys_find_their_own_rows_at_once(url: str, open_writer: OpenWriter) -> None:
    """More keys of a lookup than a statement takes, each with several rows, one, or none."""
    accounts = [
        Account(f"i{owner}", number, owner) for owner in range(300) for number in range(owner % 3)
    ]
    keys = [(f"i{owner}",) for owner in range(300)]
    look = Do(
        lambda rows, now: [rows.find(ACCOUNTS_OF, key) for key in keys],
        wants=tuple(Found(ACCOUNTS_OF, key) for key in keys),
    )
    writer = await open_writer(url)
    await writer.submit(put(*accounts))

    found = await writer.submit(look)

    assert [[each for each in accounts if (each.identity_id,) == key] for key in keys] == [
        sorted(rows, key=lambda each: each.account_id) for rows in found
    ]
