"""A ledger that somebody damaged in the database: told by each rpc, on each store, as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu.api.governance.v1 import audit_service_pb2 as ab
from tests.dice import examples
from tests.harness import Stage, staged
from tests.service.test_audit import exported, failure_in, found

TARGET = "WHERE entry_id = (SELECT entry_id FROM ledger_entries WHERE sequence = 2)"
ENTRY = f"UPDATE ledger_entries SET {{}} {TARGET}"
PAYLOAD = f"UPDATE ledger_payloads SET {{}} {TARGET}"

DAMAGES = {
    "canonical bytes that are none": [ENTRY.format("canonical = {blob:00ff00ff}")],
    "no canonical bytes": [ENTRY.format("canonical = {blob:}")],
    "another entry's canonical bytes": [
        ENTRY.format("canonical = (SELECT o.canonical FROM ledger_entries o WHERE o.sequence = 3)")
    ],
    "a short hash": [ENTRY.format("entry_hash = {blob:00}")],
    "another hash": [
        ENTRY.format(
            "entry_hash = (SELECT o.entry_hash FROM ledger_entries o WHERE o.sequence = 3)"
        )
    ],
    "a short salt": [PAYLOAD.format("salt = {blob:00}")],
    "another payload": [PAYLOAD.format("payload = '{{}}'")],
    "no payload": [f"DELETE FROM ledger_payloads {TARGET}"],
    "a salt that is null": ["{nullable:salt}", PAYLOAD.format("salt = NULL")],
    "a payload that is null": ["{nullable:payload}", PAYLOAD.format("payload = NULL")],
    "both null": [
        "{nullable:salt}",
        "{nullable:payload}",
        PAYLOAD.format("salt = NULL, payload = NULL"),
    ],
}
# Where SQLite lets stand what PostgreSQL never would.
LOOSE = {
    "canonical text": ENTRY.format("canonical = 'text'"),
    "canonical text that is no UTF-8": ENTRY.format("canonical = CAST(x'ff' AS TEXT)"),
    "a number for canonical bytes": ENTRY.format("canonical = 123456789012"),
    "a hash that is text": ENTRY.format("entry_hash = 'text'"),
    "a salt that is a number": PAYLOAD.format("salt = 1.5"),
    "a payload that is bytes": PAYLOAD.format("payload = x'ff'"),
    "a payload that is no UTF-8": PAYLOAD.format("payload = CAST(x'ff' AS TEXT)"),
    "a resource that is bytes": ENTRY.format("resource_id = x'ff'"),
    "a time that is text": ENTRY.format("time_us = 'noon'"),
}


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server with a few entries, on each store in turn."""
    async with staged(database_url, tmp_path) as running:
        await running.budget()
        await running.client().query("Hello")
        yield running


def damage(stage: Stage, statement: str) -> None:
    """Run a statement of `DAMAGES` on this store."""
    sqlite = stage.settings.database.url.startswith("sqlite")
    if statement.startswith("{nullable:"):
        column = statement.removeprefix("{nullable:").removesuffix("}")
        for step in (
            _loosened(column)
            if sqlite
            else [f"ALTER TABLE ledger_payloads ALTER COLUMN {column} DROP NOT NULL"]
        ):
            stage.sql(step)
        return
    head, _, rest = statement.partition("{blob:")
    if rest:
        digits, _, tail = rest.partition("}")
        blob = f"x'{digits}'" if sqlite else f"decode('{digits}', 'hex')"
        statement = head + blob + tail
    stage.sql(statement.replace("{{}}", "{}"))


def _loosened(column: str) -> list[str]:
    """SQLite cannot drop NOT NULL from a column; a copy of the table has none."""
    return [
        f"ALTER TABLE ledger_payloads RENAME TO before_{column}",
        f"CREATE TABLE ledger_payloads AS SELECT * FROM before_{column}",
    ]


async def assert_told(stage: Stage, entry_id: str) -> None:
    """Broken at its place, exported whole without verifying, and listed beside the others."""
    auditor = stage.operator()
    verdict = await auditor.call(auditor.audit.VerifyLedger, ab.VerifyLedgerRequest())
    data = await exported(auditor)
    listed = await found(auditor)
    one = await auditor.call(auditor.audit.GetEntry, ab.GetEntryRequest(entry_id=entry_id))

    assert (ab.LEDGER_VERDICT_BROKEN, 2, 1) == (
        verdict.verdict,
        verdict.failed_sequence,
        verdict.entries,
    )
    assert verdict.failure
    assert [1, 2, 3, 4] == [entry.sequence for entry in listed]
    assert 5 == data.count(b"\n")
    assert entry_id == one.entry.entry_id


@pytest.mark.parametrize("kind", DAMAGES)
async def test_a_damaged_row_is_told_and_hides_nothing(ledger: Stage, kind: str) -> None:
    """Whoever looks after somebody changed the database gets an answer, never a stack trace."""
    entry_id = (await found(ledger.operator()))[1].entry_id
    for statement in DAMAGES[kind]:
        damage(ledger, statement)

    await assert_told(ledger, entry_id)
    assert failure_in(await exported(ledger.operator())) is not None


@pytest.mark.parametrize("kind", LOOSE)
async def test_what_only_sqlite_lets_stand_is_told_too(
    sqlite_url: str, tmp_path: Path, kind: str
) -> None:
    """A column there holds any type, and text of any bytes."""
    async with staged(sqlite_url, tmp_path) as stage:
        await stage.budget()
        await stage.client().query("Hello")
        entry_id = (await found(stage.operator()))[1].entry_id
        stage.sql(LOOSE[kind])

        await assert_told(stage, entry_id)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_heads",
        "UPDATE ledger_heads SET size = 2",
        "UPDATE ledger_heads SET size = 99",
        "UPDATE ledger_heads SET last_hash = {blob:00}",
        "UPDATE ledger_heads SET origin = 'elsewhere'",
        "DELETE FROM ledger_entries WHERE sequence = 4",
    ],
)
async def test_a_damaged_head_is_told(ledger: Stage, statement: str) -> None:
    """The head alone says that the last entries are there."""
    damage(ledger, statement)
    auditor = ledger.operator()
    verdict = await auditor.call(auditor.audit.VerifyLedger, ab.VerifyLedgerRequest())

    assert ab.LEDGER_VERDICT_BROKEN == verdict.verdict
    assert failure_in(await exported(auditor)) is not None


async def test_any_change_of_a_real_export_is_found(ledger: Stage) -> None:
    """Flipped, cut, put in, swapped: wherever it is, and whatever it leaves."""
    good = await exported(ledger.operator())
    places = st.integers(0, len(good))

    @examples(400)
    @given(start=places, length=st.integers(0, 300), put=st.binary(max_size=40))
    def change(start: int, length: int, put: bytes) -> None:
        changed = good[:start] + put + good[start + length :]
        assert (failure_in(changed) is None) == (changed == good)

    @examples(400)
    @given(at=st.integers(0, len(good) - 1), flip=st.integers(1, 255))
    def flipped(at: int, flip: int) -> None:
        changed = bytearray(good)
        changed[at] ^= flip
        assert failure_in(bytes(changed)) is not None

    change()
    flipped()
    for end in (b"", b"\r\n", b"\n\n", b"\n\0", b"\n{}\n"):
        assert failure_in(good.removesuffix(b"\n") + end) is not None
    assert failure_in(good.replace(b"\n", b"\r\n")) is not None
    assert failure_in(good) is None
