"""Engine and plain Python agree with the published vectors, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest

from chenu_server import _core
from tests.binding import encoding
from tests.binding.encoding import Batch, Draft, LedgerVectors, Sealed

VECTORS = Path(__file__).parent.parent / "vectors"


class ListVector(TypedDict):
    """A list and its bytes, in hex."""

    items: list[str]
    encoded: str


class DigestVector(TypedDict):
    """A tagged list and its digest, in hex."""

    tag: str
    fields: list[str]
    digest: str


class CanonicalVectors(TypedDict):
    """The whole of `canonical.json`."""

    encode_list: list[ListVector]
    digest: list[DigestVector]


@pytest.fixture(name="canonical")
def canonical_vectors() -> CanonicalVectors:
    """The vectors of lists and digests."""
    vectors: CanonicalVectors = json.loads((VECTORS / "canonical.json").read_text("utf-8"))
    return vectors


@pytest.fixture(name="ledger")
def ledger_vectors() -> LedgerVectors:
    """The vectors of a small ledger."""
    vectors: LedgerVectors = json.loads((VECTORS / "ledger.json").read_text("utf-8"))
    return vectors


def engine_draft(draft: Draft) -> _core.EntryDraft:
    """A draft of the vectors as the engine takes it."""
    return _core.EntryDraft(
        entry_id=draft["entry_id"],
        decision=draft["decision"],
        action=draft["action"],
        identity_id=draft["identity_id"],
        principal_type=draft["principal_type"],
        principal_id=draft["principal_id"],
        acting_for=draft["acting_for"],
        resource_kind=draft["resource_kind"],
        resource_id=draft["resource_id"],
        reason=draft["reason"],
        salt=bytes.fromhex(draft["salt"]),
        payload=draft["payload"].encode(),
    )


def sealed_vector(sealed: _core.SealedEntry) -> Sealed:
    """A sealed entry as the vectors hold it."""
    return {
        "sequence": sealed.sequence,
        "canonical": sealed.canonical.hex(),
        "payload_digest": sealed.payload_digest.hex(),
        "prev_hash": sealed.prev_hash.hex(),
        "entry_hash": sealed.entry_hash.hex(),
    }


def sealed_by_engine(
    vectors: LedgerVectors, batch: Batch, size: int, head: bytes
) -> list[_core.SealedEntry]:
    """A batch of the vectors, sealed by the engine."""
    return _core.seal(
        origin=vectors["origin"],
        ledger_number=vectors["ledger_number"],
        batch_id=batch["batch_id"],
        time_us=batch["time_us"],
        size=size,
        head=head,
        drafts=[engine_draft(draft) for draft in batch["drafts"]],
    )


def test_lists_encode_as_published(canonical: CanonicalVectors) -> None:
    """What is hashed is public: two independent encoders agree with the file."""
    for vector in canonical["encode_list"]:
        items = [bytes.fromhex(item) for item in vector["items"]]

        assert vector["encoded"] == encoding.encode_list(items).hex()
        assert vector["encoded"] == _core.encode_list(items).hex()


def test_digests_are_as_published(canonical: CanonicalVectors) -> None:
    """An action digest can be recomputed by whoever holds the action."""
    for vector in canonical["digest"]:
        fields = [bytes.fromhex(field) for field in vector["fields"]]

        assert vector["digest"] == encoding.digest(vector["tag"], fields).hex()
        assert vector["digest"] == _core.digest(vector["tag"], fields).hex()


def test_a_ledger_is_sealed_as_published(ledger: LedgerVectors) -> None:
    """A verifier can be written from the vectors alone."""
    size, head = 0, encoding.NO_HEAD
    for batch in ledger["batches"]:
        sealed = sealed_by_engine(ledger, batch, size, head)

        assert batch["sealed"] == [sealed_vector(entry) for entry in sealed]
        size, head = sealed[-1].sequence, sealed[-1].entry_hash


def test_a_ledger_is_exported_as_published(ledger: LedgerVectors) -> None:
    """An export is the same bytes whoever writes it."""
    lines = [
        _core.export_line(
            sequence=sealed["sequence"],
            canonical=bytes.fromhex(sealed["canonical"]),
            entry_hash=bytes.fromhex(sealed["entry_hash"]),
            salt=bytes.fromhex(draft["salt"]),
            payload=draft["payload"].encode(),
        )
        for batch in ledger["batches"]
        for draft, sealed in zip(batch["drafts"], batch["sealed"], strict=True)
    ]
    last = ledger["batches"][-1]["sealed"][-1]
    head = bytes.fromhex(last["entry_hash"])
    tail = _core.export_tail(ledger["origin"], ledger["ledger_number"], last["sequence"], head)

    assert ledger["export"] == [*lines, tail]


def test_the_published_export_verifies(ledger: LedgerVectors) -> None:
    """The verifier that operators run accepts what the product writes."""
    verifier = _core.ExportVerifier()
    said = [verifier.line(f"{line}\n".encode()) for line in ledger["export"]]

    assert [None] * len(ledger["export"]) == said
    assert None is verifier.finish()
    assert 3 == verifier.entries
    assert ledger["batches"][-1]["sealed"][-1]["entry_hash"] == verifier.head.hex()
