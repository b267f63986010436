"""A small ledger in memory, sealed by the engine, that a test can damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chenu_server import engine
from chenu_server.governance.audit.model import Filters, Head, Sealed

ORIGIN: Final = "chenu/test"
COPIED: Final = ("sequence", "entry_id", "time_us", "decision", "identity_id", "resource_id")


def draft(number: int, identity_id: str) -> engine.EntryDraft:
    """One decision about one query."""
    return engine.EntryDraft(
        entry_id=f"entry-{number}",
        decision="allow",
        action="execute",
        identity_id=identity_id,
        principal_type="service",
        principal_id="svc",
        acting_for=["dave"],
        resource_kind="query",
        resource_id=f"query-{number}",
        reason="",
        salt=bytes([number % 256]) * 32,
        payload=f'{{"n":{number}}}'.encode(),
    )


def erasure(number: int, erased: int) -> engine.EntryDraft:
    """The entry that says that another one's payload was erased."""
    return engine.EntryDraft(
        entry_id=f"entry-{number}",
        decision="admin",
        action="delete",
        identity_id="system",
        principal_type="user",
        principal_id="olga",
        acting_for=[],
        resource_kind="ledger_entry",
        resource_id=f"entry-{erased}",
        reason="",
        salt=bytes([number % 256]) * 32,
        payload=f'{{"n":{number}}}'.encode(),
    )


def sealed_chain(*identities: str) -> list[Sealed]:
    """One entry for each identity, in order."""
    return sealed_of(*(draft(number, identity) for number, identity in enumerate(identities, 1)))


def sealed_of(*drafts: engine.EntryDraft) -> list[Sealed]:
    """One entry for each draft, as stored."""
    sealed = engine.seal(
        origin=ORIGIN,
        ledger_number=0,
        batch_id="batch",
        time_us=5,
        size=0,
        head=bytes(32),
        drafts=list(drafts),
    )
    return [_stored(each, made) for each, made in zip(sealed, drafts, strict=True)]


def _stored(sealed: engine.SealedEntry, made: engine.EntryDraft) -> Sealed:
    entry = engine.decode_entry(sealed.canonical)
    return Sealed(
        sequence=sealed.sequence,
        copies={name: getattr(entry, name) for name in COPIED},
        canonical=sealed.canonical,
        entry_hash=sealed.entry_hash,
        salt=bytes([sealed.sequence % 256]) * 32,
        payload=f'{{"n":{sealed.sequence}}}'.encode(),
    )


class ChainReader:
    """A `LedgerReader` on a list; `chunk_rows` makes its chunks small."""

    def __init__(self, chain: Sequence[Sealed], *, chunk_rows: int = 2) -> None:
        self.chain = list(chain)
        last_hash = chain[-1].entry_hash if chain else bytes(32)
        self.stated = Head(ORIGIN, 0, len(chain), last_hash, len(chain)) if chain else None
        self._chunk_rows = chunk_rows

    def damage(self, sequence: int, **changes: object) -> None:
        """Change a stored entry."""
        changed = replace(self.chain[sequence - 1], **changes)  # type: ignore[arg-type]  # any
        self.chain[sequence - 1] = changed

    async def page(
        self, identity_id: str | None, filters: Filters, after: int, count: int
    ) -> Sequence[Sealed]:
        """Only the identity is looked at."""
        return [
            each
            for each in self.chain
            if identity_id in (None, each.copies["identity_id"]) and each.sequence > after
        ][:count]

    async def get(self, identity_id: str | None, entry_id: str) -> Sealed | None:
        """One of the identity's."""
        found = await self.page(identity_id, Filters(), 0, len(self.chain))
        return next((each for each in found if each.copies["entry_id"] == entry_id), None)

    async def head(self) -> Head | None:
        """What the head row says."""
        return self.stated

    async def chunk(self, after: int, last: int, count: int) -> Sequence[Sealed]:
        """The next few."""
        wanted = [each for each in self.chain if after < each.sequence <= last]
        return wanted[: min(count, self._chunk_rows)]
