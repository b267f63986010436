"""What is read of the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from chenu_server.engine import LedgerEntry
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """Where the stored chain ends. `stored` is the highest sequence that any row has."""

    origin: str
    ledger_number: int
    size: int
    last_hash: bytes
    stored: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry as it is stored. Salt and payload are None once they are erased.

    `copies` are the fields that stand beside the canonical bytes to search by, by name.
    """

    sequence: int
    copies: Mapping[str, str | int]
    canonical: bytes
    entry_hash: bytes
    salt: bytes | None
    payload: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """What is told of an entry whose canonical bytes are damaged: the columns beside them."""

    ledger_number: int
    sequence: int
    entry_id: str
    batch_id: str
    time_us: int
    decision: str
    action: str
    identity_id: str
    principal_type: str
    principal_id: str
    resource_kind: str
    resource_id: str
    reason: str
    acting_for: tuple[str, ...] = ()
    payload_digest: bytes = b""
    prev_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it is read: its canonical bytes decoded, its payload beside it."""

    entry: LedgerEntry | Damaged
    entry_hash: bytes
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which entries are asked for; every filter that is set must hold.

    Empty text, and 0 for a time, mean: not set. `end_us` is the first moment that is out.
    """

    resource_kind: str = ""
    resource_id: str = ""
    principal_id: str = ""
    action: str = ""
    decision: str = ""
    start_us: int = 0
    end_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the ledger is whole: how far it holds, and the first thing that does not.

    `failed_sequence` is 0 and `failure` empty when all of it holds.
    """

    entries: int
    head: bytes
    failed_sequence: int = 0
    failure: str = ""

    @property
    def holds(self) -> bool:
        """Whether every check held."""
        return not self.failure
