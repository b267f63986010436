"""The ledger that the writer leaves."""

from __future__ import annotations

import asyncio
import time

import sqlalchemy as sa

from chenu_server import engine
from chenu_server.infra.db.ledger_tables import LEDGER_ENTRIES, LEDGER_HEADS, LEDGER_PAYLOADS
from tests.contract.db.conftest import OpenWriter, rows_of
from tests.contract.db.gate import held, queued, until
from tests.contract.db.sample import Change

CHAIN = (
    sa.select(
        LEDGER_ENTRIES.c.canonical,
        LEDGER_ENTRIES.c.entry_hash,
        LEDGER_PAYLOADS.c.salt,
        LEDGER_PAYLOADS.c.payload,
    )
    .join(LEDGER_PAYLOADS, LEDGER_PAYLOADS.c.entry_id == LEDGER_ENTRIES.c.entry_id)
    .order_by(LEDGER_ENTRIES.c.sequence)
)


def verified(url: str) -> engine.ChainVerifier:
    """The whole chain, followed from its first entry."""
    verifier = engine.ChainVerifier(None, 0)
    for canonical, entry_hash, salt, payload in rows_of(url, CHAIN):
        why = verifier.entry(canonical, entry_hash, salt, payload.encode())
        assert why is None, why
    return verifier


async def test_the_chain_holds_over_batches_and_restarts(url: str, open_writer: OpenWriter) -> None:
    """An auditor follows it without knowing of batches, workers or restarts."""
    writer = await open_writer(url)
    async with held(writer):
        tasks = await queued(writer, *(Change() for _ in range(20)))
    await asyncio.gather(*tasks)
    await writer.close()
    writer = await open_writer(url)
    await writer.submit(Change())
    verifier = verified(url)
    head = rows_of(url, sa.select(LEDGER_HEADS.c.size, LEDGER_HEADS.c.last_hash))

    assert 21 == verifier.size
    assert [(21, verifier.head)] == head


async def test_two_writers_append_to_one_chain(
    only_postgres_url: str, open_writer: OpenWriter
) -> None:
    """Sequence order is commit order across workers."""
    writers = [await open_writer(only_postgres_url) for _ in range(2)]
    await asyncio.gather(*(writer.submit(Change()) for writer in writers for _ in range(50)))

    assert 100 == verified(only_postgres_url).size


async def test_an_entrys_columns_repeat_what_was_sealed(url: str, open_writer: OpenWriter) -> None:
    """What is found by a column must be what the hash covers."""
    writer = await open_writer(url, new_origin=lambda: "chenu/test")
    await writer.submit(Change())
    (row,) = rows_of(url, sa.select(LEDGER_ENTRIES))
    stored = dict(zip(LEDGER_ENTRIES.c.keys(), row, strict=True))
    sealed = engine.decode_entry(stored["canonical"])

    assert "chenu/test" == sealed.origin
    assert ["user:ada"] == list(sealed.acting_for)
    for name in stored.keys() - {"canonical", "entry_hash"}:
        assert getattr(sealed, name) == stored[name], name


async def test_every_payload_has_a_salt_of_its_own(url: str, open_writer: OpenWriter) -> None:
    """Equal payloads must not show as equal digests once they are erased."""
    writer = await open_writer(url)
    async with held(writer):
        tasks = await queued(writer, Change(), Change())
    await asyncio.gather(*tasks)
    salts = {salt for (salt,) in rows_of(url, sa.select(LEDGER_PAYLOADS.c.salt))}

    assert [32, 32] == [len(salt) for salt in salts]


async def past_this_millisecond() -> None:
    """Ids of one millisecond have no order among them but in one batch."""
    now_ms = time.time_ns() // 1_000_000
    await until(lambda: time.time_ns() // 1_000_000 > now_ms)


async def test_entry_ids_are_made_in_order(url: str, open_writer: OpenWriter) -> None:
    """Their index grows at one end, so that a big ledger stays as fast as a small one."""
    writer = await open_writer(url)
    for _ in range(3):
        await writer.submit(Change())
        await past_this_millisecond()
    by_sequence = sa.select(LEDGER_ENTRIES.c.entry_id).order_by(LEDGER_ENTRIES.c.sequence)
    ids = [entry_id for (entry_id,) in rows_of(url, by_sequence)]

    assert sorted(ids) == ids
    assert {"7"} == {entry_id[14] for entry_id in ids}
