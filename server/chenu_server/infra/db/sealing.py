"""Drafts become ledger rows: numbered, timed and chained at the end of their batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chenu_server import engine
from chenu_server.ids import Randomness, new_ids
from chenu_server.infra.db.ledger_tables import (
    BATCHES_MAP,
    ENTRIES_MAP,
    HEADS_MAP,
    PAYLOADS_MAP,
    BatchRow,
    EntryRow,
    HeadRow,
    PayloadRow,
)
from chenu_server.infra.db.session import Write
from chenu_server.unit import EntryDraft

SALT_BYTES: Final = 32

_salts: Final = Randomness(SALT_BYTES)


def ledger_writes(
    head: HeadRow, drafts: Sequence[EntryDraft], *, writer_id: str, batch_id: str, now_us: int
) -> list[Write]:
    """The rows that end a batch: its entries, the chain's new head, and the batch itself."""
    writes: list[Write] = []
    if drafts:
        entries, payloads = _sealed(head, drafts, batch_id, now_us)
        head = head._replace(size=entries[-1].sequence, last_hash=entries[-1].entry_hash)
        writes += [Write(ENTRIES_MAP, entries), Write(PAYLOADS_MAP, payloads)]
    # Also without entries: no later batch may be at an earlier time, and it is by its row that a
    # COMMIT without an answer is looked up.
    writes.append(Write(HEADS_MAP, [head._replace(last_time_us=now_us)]))
    writes.append(Write(BATCHES_MAP, [BatchRow(writer_id, batch_id, now_us)]))
    return writes


def _sealed(
    head: HeadRow, drafts: Sequence[EntryDraft], batch_id: str, now_us: int
) -> tuple[list[EntryRow], list[PayloadRow]]:
    salts = _salts.take(len(drafts))
    named = list(zip(new_ids(len(drafts)), drafts, strict=True))
    sealed = engine.seal(
        origin=head.origin,
        ledger_number=head.ledger_number,
        batch_id=batch_id,
        time_us=now_us,
        size=head.size,
        head=head.last_hash,
        drafts=[_draft(*draft, salt) for draft, salt in zip(named, salts, strict=True)],
    )
    entries = [
        _entry(head.ledger_number, batch_id, now_us, *draft, entry)
        for draft, entry in zip(named, sealed, strict=True)
    ]
    payloads = [
        PayloadRow(entry_id, salt, draft.payload)
        for (entry_id, draft), salt in zip(named, salts, strict=True)
    ]
    return entries, payloads


def _draft(entry_id: str, draft: EntryDraft, salt: bytes) -> engine.EntryDraft:
    return engine.EntryDraft(
        entry_id=entry_id,
        decision=draft.decision,
        action=draft.action,
        identity_id=draft.identity_id,
        principal_type=draft.principal_type,
        principal_id=draft.principal_id,
        acting_for=list(draft.acting_for),
        resource_kind=draft.resource_kind,
        resource_id=draft.resource_id,
        reason=draft.reason,
        salt=salt,
        payload=draft.payload.encode(),
    )


def _entry(
    ledger_number: int,
    batch_id: str,
    now_us: int,
    entry_id: str,
    draft: EntryDraft,
    sealed: engine.SealedEntry,
) -> EntryRow:
    return EntryRow(
        ledger_number,
        sealed.sequence,
        entry_id,
        batch_id,
        now_us,
        draft.decision,
        draft.action,
        draft.identity_id,
        draft.principal_type,
        draft.principal_id,
        draft.resource_kind,
        draft.resource_id,
        draft.reason,
        sealed.canonical,
        sealed.entry_hash,
    )
