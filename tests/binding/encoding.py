"""The canonical encoding and the ledger again, in plain Python and nothing but it.

It shares no code with the engine, so that where both agree with the published vectors the
description in `ARCHITECTURE.md` is enough to write a third.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TypedDict

TAG = b"chenu.ledger.v1"
NO_HEAD = bytes(32)


class Draft(TypedDict):
    """An entry before it is numbered, as `ledger.json` holds it; salt in hex, payload as text."""

    entry_id: str
    decision: str
    action: str
    identity_id: str
    principal_type: str
    principal_id: str
    acting_for: list[str]
    resource_kind: str
    resource_id: str
    reason: str
    salt: str
    payload: str


class Sealed(TypedDict):
    """A sealed entry, as `ledger.json` holds it; all bytes in hex."""

    sequence: int
    canonical: str
    payload_digest: str
    prev_hash: str
    entry_hash: str


class Batch(TypedDict):
    """The drafts of one transaction and what they became."""

    batch_id: str
    time_us: int
    drafts: list[Draft]
    sealed: list[Sealed]


class LedgerVectors(TypedDict):
    """The whole of `ledger.json`."""

    origin: str
    ledger_number: int
    batches: list[Batch]
    export: list[str]


def unsigned(value: int, size: int) -> bytes:
    """`value` in `size` bytes, big-endian."""
    return value.to_bytes(size, "big")


def prefixed(field: bytes) -> bytes:
    """A byte string after its length."""
    return unsigned(len(field), 4) + field


def text(field: str) -> bytes:
    """A text after its length in UTF-8."""
    return prefixed(field.encode())


def encode_list(items: Sequence[bytes]) -> bytes:
    """A list after its count."""
    return unsigned(len(items), 4) + b"".join(prefixed(item) for item in items)


def digest(tag: str, fields: Sequence[bytes]) -> bytes:
    """SHA-256 over a tag and a list."""
    return hashlib.sha256(text(tag) + encode_list(fields)).digest()


def seal(
    draft: Draft,
    *,
    origin: str,
    ledger_number: int,
    batch_id: str,
    time_us: int,
    size: int,
    head: bytes,
) -> Sealed:
    """The entry that follows an entry with number `size` and hash `head`."""
    salted = bytes.fromhex(draft["salt"]) + draft["payload"].encode()
    payload_digest = hashlib.sha256(salted).digest()
    who = [draft["identity_id"], draft["principal_type"], draft["principal_id"]]
    what = [draft["resource_kind"], draft["resource_id"], draft["reason"]]
    canonical = b"".join(
        [
            prefixed(TAG),
            text(origin),
            unsigned(ledger_number, 4),
            unsigned(size + 1, 8),
            text(draft["entry_id"]),
            text(batch_id),
            time_us.to_bytes(8, "big", signed=True),
            *(text(field) for field in [draft["decision"], draft["action"], *who]),
            encode_list([name.encode() for name in draft["acting_for"]]),
            *(text(field) for field in what),
            prefixed(payload_digest),
            prefixed(head),
        ]
    )
    return {
        "sequence": size + 1,
        "canonical": canonical.hex(),
        "payload_digest": payload_digest.hex(),
        "prev_hash": head.hex(),
        "entry_hash": hashlib.sha256(b"\0" + canonical).hexdigest(),
    }


def export_line(vectors: LedgerVectors, batch: Batch, draft: Draft, sealed: Sealed) -> str:
    """The JSON line of an entry whose payload is not erased."""
    return _json(
        {
            "origin": vectors["origin"],
            "ledger": vectors["ledger_number"],
            "sequence": sealed["sequence"],
            "entry_id": draft["entry_id"],
            "batch_id": batch["batch_id"],
            "time_us": batch["time_us"],
            "decision": draft["decision"],
            "action": draft["action"],
            "identity_id": draft["identity_id"],
            "principal_type": draft["principal_type"],
            "principal_id": draft["principal_id"],
            "acting_for": draft["acting_for"],
            "resource_kind": draft["resource_kind"],
            "resource_id": draft["resource_id"],
            "reason": draft["reason"],
            "payload_digest": sealed["payload_digest"],
            "prev_hash": sealed["prev_hash"],
            "entry_hash": sealed["entry_hash"],
            "salt": draft["salt"],
            "payload": draft["payload"],
        }
    )


def export_tail(origin: str, ledger_number: int, entries: int, head: str) -> str:
    """The last line of an export."""
    return _json({"origin": origin, "ledger": ledger_number, "entries": entries, "head": head})


def _json(line: dict[str, object]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))
