"""Writes `tests/vectors/*.json`. Run once for each version of the encoding, never to mend a test.

Usage: python -m tests.binding.write_vectors
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.binding import encoding
from tests.binding.encoding import Batch, Draft, LedgerVectors

VECTORS = Path(__file__).parent.parent / "vectors"
LISTS: list[list[bytes]] = [[], [b""], [b"", b""], [b"a", b"bc"], ["é\n".encode(), bytes(range(9))]]
TAGS = ["chenu.action.v1", "", "é"]


def draft(number: int, *, acting_for: list[str], reason: str, payload: str) -> Draft:
    """A draft whose ids and salt follow from its number."""
    return {
        "entry_id": f"0190c8a0-0000-7000-8000-{number:012d}",
        "decision": ["allow", "execute", "deny"][number % 3],
        "action": ["read", "execute"][number % 2],
        "identity_id": "acme",
        "principal_type": "agent",
        "principal_id": f"agent-{number}",
        "acting_for": acting_for,
        "resource_kind": "query",
        "resource_id": f"query-é-{number}",
        "reason": reason,
        "salt": bytes((number + at) % 256 for at in range(32)).hex(),
        "payload": payload,
    }


def ledger() -> LedgerVectors:
    """Two batches of one ledger and their export."""
    first = [
        draft(1, acting_for=[], reason="", payload=""),
        draft(2, acting_for=["user-1", "service-2"], reason="RATE_LIMITED", payload='{"a":1}'),
    ]
    second = [draft(3, acting_for=["é"], reason='"quoted"\\\n\x1f', payload="déjà vu \U0001f600\t")]
    batches: list[Batch] = [
        {"batch_id": "batch-1", "time_us": 1_795_000_000_000_000, "drafts": first, "sealed": []},
        {"batch_id": "batch-2", "time_us": -1, "drafts": second, "sealed": []},
    ]
    vectors: LedgerVectors = {
        "origin": "chenu/é",
        "ledger_number": 7,
        "batches": batches,
        "export": [],
    }
    size, head = 0, encoding.NO_HEAD
    for batch in batches:
        for one in batch["drafts"]:
            sealed = encoding.seal(
                one,
                origin=vectors["origin"],
                ledger_number=vectors["ledger_number"],
                batch_id=batch["batch_id"],
                time_us=batch["time_us"],
                size=size,
                head=head,
            )
            size, head = sealed["sequence"], bytes.fromhex(sealed["entry_hash"])
            batch["sealed"].append(sealed)
            vectors["export"].append(encoding.export_line(vectors, batch, one, sealed))
    vectors["export"].append(encoding.export_tail("chenu/é", 7, size, head.hex()))
    return vectors


def canonical() -> dict[str, object]:
    """Lists with their bytes, and tagged lists with their digest."""
    return {
        "encode_list": [
            {
                "items": [item.hex() for item in items],
                "encoded": encoding.encode_list(items).hex(),
            }
            for items in LISTS
        ],
        "digest": [
            {
                "tag": tag,
                "fields": [item.hex() for item in items],
                "digest": encoding.digest(tag, items).hex(),
            }
            for tag in TAGS
            for items in LISTS
        ],
    }


def write(name: str, content: object) -> None:
    """One file of vectors, readable in a diff."""
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (VECTORS / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write("canonical.json", canonical())
    write("ledger.json", ledger())
