"""Reading, verifying and exporting a ledger, whole and damaged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chenu_server import engine
from chenu_server.caller import SYSTEM_IDENTITY, Caller, Principal
from chenu_server.errors import IdentityBoundaryViolation
from chenu_server.governance.audit.model import Filters, Head, Verdict
from chenu_server.governance.audit.service import AuditService
from chenu_server.vocabulary import PrincipalType, Role
from tests.fakes.boundary import FakeBoundary
from tests.unit.audit.chain import ChainReader, draft, erasure, sealed_chain, sealed_of

CHAIN = sealed_chain("alice", "bob", "alice", "alice", "bob")


def caller(identity_id: str) -> Caller:
    """An auditor of the identity."""
    return Caller(
        principal=Principal(type=PrincipalType.USER, id="eve"),
        identity_id=identity_id,
        roles=frozenset({Role.AUDITOR, Role.SYSTEM_AUDITOR}),
    )


def service_on(reader: ChainReader) -> AuditService:
    """A service on a chain."""
    return AuditService(reader=reader, boundary=FakeBoundary())


async def exported(reader: ChainReader) -> list[bytes]:
    """The export's lines."""
    pieces = [piece async for piece in service_on(reader).export()]
    return b"".join(pieces).splitlines(keepends=True)


async def test_an_auditor_sees_its_own_identity_and_system_sees_all() -> None:
    """A page never mixes identities, unless it is asked for all of them."""
    service = service_on(ChainReader(CHAIN))
    own = await service.page(caller("alice"), Filters(), 1, 2)
    every = await service.page(caller(SYSTEM_IDENTITY), Filters(), 0, 10)

    assert [3, 4] == [each.entry.sequence for each in own]
    assert [1, 2, 3, 4, 5] == [each.entry.sequence for each in every]


async def test_an_entry_comes_with_its_payload_and_its_hash() -> None:
    """What is shown is what the canonical bytes say."""
    found = await service_on(ChainReader(CHAIN)).get(caller("bob"), "entry-2")

    assert ("query-2", '{"n":2}', CHAIN[1].entry_hash) == (
        found.entry.resource_id,
        found.payload,
        found.entry_hash,
    )


async def test_another_identitys_entry_is_a_violation() -> None:
    """As is one that does not exist."""
    service = service_on(ChainReader(CHAIN))

    for entry_id in ("entry-2", "entry-99"):
        with pytest.raises(IdentityBoundaryViolation):
            await service.get(caller("alice"), entry_id)


ERASED = sealed_of(draft(1, "alice"), draft(2, "bob"), draft(3, "alice"), erasure(4, 2))


async def test_an_erased_payload_reads_as_empty_and_the_chain_holds() -> None:
    """Erasure deletes content, leaves the record and is a record itself; offline too."""
    reader = ChainReader(ERASED)
    reader.damage(2, salt=None, payload=None)
    service = service_on(reader)

    assert "" == (await service.get(caller("bob"), "entry-2")).payload
    assert (await service.verify()).holds
    assert None is offline(await exported(reader))


def offline(lines: list[bytes]) -> str | None:
    """What the offline verifier finds first."""
    verifier = engine.ExportVerifier()
    said = (verifier.line(line) for line in lines)
    return next((failure for failure in said if failure), None) or verifier.finish()


@pytest.mark.parametrize("sequence", [1, 2, 3])
async def test_a_payload_that_is_gone_without_an_entry_is_found(sequence: int) -> None:
    """Deleting what was decided about is a change like any other; its place is told."""
    reader = ChainReader(CHAIN)
    reader.damage(sequence, salt=None, payload=None)
    verdict = await service_on(reader).verify()
    before = CHAIN[sequence - 2].entry_hash if sequence > 1 else bytes(32)

    assert (sequence - 1, before, sequence) == (
        verdict.entries,
        verdict.head,
        verdict.failed_sequence,
    )
    assert "no later entry says that it was erased" in verdict.failure
    assert f"entry {sequence} has no payload" in (offline(await exported(reader)) or "")


async def test_a_payload_that_is_there_though_erased_is_found() -> None:
    """Whoever was told that it is gone was told wrongly."""
    reader = ChainReader(ERASED)
    verdict = await service_on(reader).verify()

    assert (3, 4) == (verdict.entries, verdict.failed_sequence)
    assert "entry 4 erases a payload that is not missing" in verdict.failure
    assert verdict.failure == offline(await exported(reader))


DAMAGES = [
    {"canonical": b""},
    {"canonical": b"\xff" * 40},
    {"canonical": CHAIN[1].canonical[:-1]},
    {"canonical": CHAIN[1].canonical + b"x"},
    {"canonical": CHAIN[2].canonical},
    {"entry_hash": bytes(32)},
    {"entry_hash": b"short"},
    {"salt": b"short"},
    {"salt": None},
    {"payload": None},
    {"payload": b"\xff"},
    {"payload": b"{}"},
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_row_is_exported_and_does_not_verify(damage: dict[str, object]) -> None:
    """An export that left it out, or ended there, would hide it, or what comes after it."""
    reader = ChainReader(CHAIN)
    reader.damage(2, **damage)
    lines = await exported(reader)

    assert 6 == len(lines)
    assert offline(lines) is not None
    assert 2 == (await service_on(reader).verify()).failed_sequence


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_row_is_listed_beside_the_others(damage: dict[str, object]) -> None:
    """By the columns that it is searched by; an auditor must see what can be seen."""
    reader = ChainReader(CHAIN)
    reader.damage(2, **damage)
    service = service_on(reader)
    listed = await service.page(caller(SYSTEM_IDENTITY), Filters(), 0, 10)

    assert [1, 2, 3, 4, 5] == [each.entry.sequence for each in listed]
    assert "entry-2" == (await service.get(caller("bob"), "entry-2")).entry.entry_id


async def test_an_export_shows_what_stands_behind_the_head() -> None:
    """A head that was set back hides nothing: the file has what is stored, and does not verify."""
    reader = ChainReader(CHAIN)
    assert reader.stated is not None
    reader.stated = replace(reader.stated, size=3, last_hash=CHAIN[2].entry_hash)
    lines = await exported(reader)

    assert 6 == len(lines)
    assert offline(lines) is not None


async def test_a_whole_ledger_holds() -> None:
    """Every entry was checked and the head is the last one's hash."""
    assert (
        Verdict(entries=5, head=CHAIN[-1].entry_hash)
        == await service_on(ChainReader(CHAIN)).verify()
    )


async def test_an_empty_ledger_holds() -> None:
    """There is nothing that could be wrong."""
    assert Verdict(entries=0, head=bytes(32)) == await service_on(ChainReader([])).verify()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"canonical": CHAIN[2].canonical[:-1] + b"\0"}, "does not continue the chain"),
        ({"canonical": CHAIN[2].canonical[:-1]}, "unreadable"),
        ({"entry_hash": bytes(32)}, "hash"),
        ({"payload": b'{"n":4}'}, "payload"),
        ({"salt": bytes(32)}, "payload"),
        ({"salt": b"short"}, "cannot be checked"),
        ({"payload": None}, "cannot be checked"),
        ({"entry_hash": b"short"}, "hash"),
        ({"canonical": b""}, "unreadable"),
        ({"copies": {**CHAIN[2].copies, "identity_id": "bob"}}, "another identity_id"),
        ({"copies": {**CHAIN[2].copies, "time_us": 6}}, "another time_us"),
        ({"copies": {**CHAIN[2].copies, "sequence": 9}}, "another sequence"),
    ],
)
async def test_any_changed_entry_is_found_and_named(change: dict[str, object], why: str) -> None:
    """The first bad entry, how many held before it, and the head up to there."""
    reader = ChainReader(CHAIN)
    reader.damage(3, **change)
    verdict = await service_on(reader).verify()

    assert (2, CHAIN[1].entry_hash, 3) == (verdict.entries, verdict.head, verdict.failed_sequence)
    assert why in verdict.failure


async def test_a_removed_entry_is_found() -> None:
    """Wherever it stood, the end included."""
    for sequence in range(1, 6):
        reader = ChainReader(CHAIN)
        del reader.chain[sequence - 1]
        verdict = await service_on(reader).verify()

        assert (sequence - 1, sequence) == (verdict.entries, verdict.failed_sequence)
        assert ("belongs" if sequence < 5 else "the head counts 5 entries") in verdict.failure


async def test_a_swapped_pair_is_found() -> None:
    """Each entry names the hash of the one before it."""
    reader = ChainReader(CHAIN)
    reader.damage(2, canonical=CHAIN[2].canonical, entry_hash=CHAIN[2].entry_hash)
    reader.damage(3, canonical=CHAIN[1].canonical, entry_hash=CHAIN[1].entry_hash)

    assert 2 == (await service_on(reader).verify()).failed_sequence


async def test_a_head_that_is_not_the_last_entrys_is_found() -> None:
    """A forger who re-chains the entries must also forge the head."""
    reader = ChainReader(CHAIN)
    assert reader.stated is not None
    reader.stated = replace(reader.stated, last_hash=bytes(32))

    assert not (await service_on(reader).verify()).holds


async def test_an_entry_behind_the_head_is_found() -> None:
    """Nothing counts it, so nobody would ever check it."""
    reader = ChainReader(CHAIN)
    assert reader.stated is not None
    reader.stated = replace(reader.stated, size=4, last_hash=CHAIN[3].entry_hash)
    verdict = await service_on(reader).verify()

    assert (4, 5) == (verdict.entries, verdict.failed_sequence)


async def test_an_export_verifies_offline() -> None:
    """One line an entry, in order, and a tail that states the count and the head."""
    lines = await exported(ChainReader(CHAIN))
    verifier = engine.ExportVerifier()

    assert [None] * 6 == [verifier.line(line) for line in lines]
    assert None is verifier.finish()
    assert (5, CHAIN[-1].entry_hash) == (verifier.entries, verifier.head)
    assert "query-1" == json.loads(lines[0])["resource_id"]


async def test_an_export_ends_at_the_head_that_it_began_with() -> None:
    """Entries that come meanwhile belong to the next one."""
    reader = ChainReader(CHAIN)
    reader.stated = Head("chenu/test", 0, 3, CHAIN[2].entry_hash, 3)

    assert {
        "origin": "chenu/test",
        "ledger": 0,
        "entries": 3,
        "head": CHAIN[2].entry_hash.hex(),
    } == (json.loads((await exported(reader))[-1]))


async def test_an_empty_ledger_exports_nothing() -> None:
    """There is no origin to state yet."""
    assert [] == await exported(ChainReader([]))
