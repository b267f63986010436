"""Reading, verifying and exporting the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from chenu_server import engine
from chenu_server.caller import SYSTEM_IDENTITY, Caller
from chenu_server.governance.audit.model import (
    Damaged,
    Filters,
    Head,
    Recorded,
    Sealed,
    Verdict,
)
from chenu_server.governance.audit.ports import Boundary, LedgerReader

KIND: Final = "ledger_entry"
CHUNK_ROWS: Final = 1_000
ZERO_HASH: Final = bytes(32)
_INT32_MAX: Final = 2**31 - 1


class AuditService:
    """The ledger for those who may read it: an identity's own entries, or for `system` all.

    The whole ledger is read chunk by chunk up to the head that stood at the start. Entries are
    only added, so that gives what one long snapshot would give, and holds no transaction open.
    """

    def __init__(self, *, reader: LedgerReader, boundary: Boundary) -> None:
        self._reader = reader
        self._boundary = boundary
        self._verifying = asyncio.Lock()

    async def page(
        self, caller: Caller, filters: Filters, after: int, count: int
    ) -> Sequence[Recorded]:
        """At most `count` entries behind a sequence, oldest first."""
        found = await self._reader.page(_identity_of(caller), filters, after, count)
        return [_recorded(sealed) for sealed in found]

    async def get(self, caller: Caller, entry_id: str) -> Recorded:
        """
        One entry.

        Raises:
            IdentityBoundaryViolation: The caller's identity has no such entry.
        """
        found = await self._reader.get(_identity_of(caller), entry_id)
        if found is None:
            await self._boundary.refuse(caller, kind=KIND, id=entry_id)
        return _recorded(found)

    async def verify(self) -> Verdict:
        """Check every hash, link, number and payload, and that the head is the last entry's.

        A missing payload holds only with the later entry that erased it. One at a time: it is
        work for a whole core. The chunks are checked in a thread.
        """
        async with self._verifying:
            head = await self._reader.head()
            if head is None:
                return Verdict(entries=0, head=ZERO_HASH)
            verifier = engine.ChainVerifier(head.origin, head.ledger_number)
            async for chunk in self._chunks(head.size):
                broken = await asyncio.to_thread(_first_failure, verifier, chunk)
                if broken is not None:
                    return broken
            return _end(verifier, head)

    async def export(self) -> AsyncIterator[bytes]:
        """The ledger as it stands now, as JSON lines in pieces; the last line is the tail.

        What is damaged is in it as it is stored, entries behind the head too: it then does not
        verify there, and hides nothing.
        """
        head = await self._reader.head()
        if head is None:
            return
        async for chunk in self._chunks(max(head.size, head.stored)):
            yield await asyncio.to_thread(_lines, chunk)
        # Last, since what lacks it was cut: a file without a tail never verifies.
        tail = engine.export_tail(head.origin, head.ledger_number, head.size, head.last_hash)
        yield tail.encode() + b"\n"

    async def _chunks(self, last: int) -> AsyncIterator[Sequence[Sealed]]:
        after = 0
        # Each read on its own: entries are only added, so no long transaction need hold them still.
        while after < last:
            chunk = await self._reader.chunk(after, last, CHUNK_ROWS)
            # Fewer are stored than the head counts, which the end of a verification says.
            if not chunk:
                return
            yield chunk
            after = chunk[-1].sequence


def _identity_of(caller: Caller) -> str | None:
    # In `system` the contract lets nobody in here who may not see all entries.
    return None if caller.identity_id == SYSTEM_IDENTITY else caller.identity_id


def _recorded(sealed: Sealed) -> Recorded:
    """An entry to show; a damaged one is shown by its columns, for a list must show the others."""
    try:
        entry = engine.decode_entry(sealed.canonical)
    except ValueError:
        return Recorded(_damaged(sealed), sealed.entry_hash, "")
    # Well formed, but another place's, or with a number that no message can carry: shown as
    # it is it would hide what should stand here, or fail the page.
    if entry.sequence != sealed.sequence or entry.ledger_number > _INT32_MAX:
        return Recorded(_damaged(sealed), sealed.entry_hash, "")
    # Whatever stands in one payload, a page must show the entries beside it.
    payload = b"" if sealed.payload is None else sealed.payload
    return Recorded(entry, sealed.entry_hash, payload.decode(errors="replace"))


def _damaged(sealed: Sealed) -> Damaged:
    """Its columns; those of another type than their own, which SQLite lets stand, are unknown."""

    def text(name: str) -> str:
        value = sealed.copies.get(name)
        return value if isinstance(value, str) else ""

    def number(name: str) -> int:
        value = sealed.copies.get(name)
        return value if isinstance(value, int) else 0

    return Damaged(
        ledger_number=number("ledger_number"),
        sequence=sealed.sequence,
        entry_id=text("entry_id"),
        batch_id=text("batch_id"),
        time_us=number("time_us"),
        decision=text("decision"),
        action=text("action"),
        identity_id=text("identity_id"),
        principal_type=text("principal_type"),
        principal_id=text("principal_id"),
        resource_kind=text("resource_kind"),
        resource_id=text("resource_id"),
        reason=text("reason"),
    )


def _lines(chunk: Sequence[Sealed]) -> bytes:
    return "".join(f"{_line(each)}\n" for each in chunk).encode()


def _line(sealed: Sealed) -> str:
    return engine.export_line(
        sequence=sealed.sequence,
        canonical=sealed.canonical,
        entry_hash=sealed.entry_hash,
        salt=sealed.salt,
        payload=sealed.payload,
    )


def _first_failure(verifier: engine.ChainVerifier, chunk: Sequence[Sealed]) -> Verdict | None:
    for sealed in chunk:
        # Before the entry is looked at: should it be the first that fails, this is how far all of
        # it held.
        size, head = verifier.size, verifier.head
        failure = _failure(verifier, sealed, size + 1)
        if failure:
            return Verdict(entries=size, head=head, failed_sequence=size + 1, failure=failure)
    return None


def _failure(verifier: engine.ChainVerifier, sealed: Sealed, expected: int) -> str:
    """What is wrong with the next entry; empty if it holds."""
    try:
        failure = verifier.entry(sealed.canonical, sealed.entry_hash, sealed.salt, sealed.payload)
    except ValueError as error:
        return f"entry {expected} cannot be checked: {error}"
    return failure or _copies_failure(sealed)


def _copies_failure(sealed: Sealed) -> str:
    """A changed copy would hide an entry from those who search for it."""
    entry = engine.decode_entry(sealed.canonical)
    # Only the canonical bytes are hashed; the columns beside them are what filters look at.
    wrong = [name for name, value in sealed.copies.items() if getattr(entry, name) != value]
    return f"entry {sealed.sequence} is listed with another {', '.join(wrong)}" if wrong else ""


def _end(verifier: engine.ChainVerifier, head: Head) -> Verdict:
    """Whether the entries end where the head says: a lost last entry is seen by the head alone."""
    failure = verifier.finish() or _head_failure(verifier, head)
    size, last_hash = verifier.size, verifier.head
    failed_sequence = size + 1 if failure else 0
    return Verdict(entries=size, head=last_hash, failed_sequence=failed_sequence, failure=failure)


def _head_failure(verifier: engine.ChainVerifier, head: Head) -> str:
    size = verifier.size
    if size != head.size:
        return f"the head counts {head.size} entries, {size} are stored"
    if verifier.head != head.last_hash:
        return "the head is not the last entry's hash"
    if head.stored > size:
        return f"entry {head.stored} is stored behind the head"
    return ""
