"""What is asked of governed operations: a command, its answer, and who decides it.

The kernel (`core_rs/operation`) decides; here is what goes in and comes out. A command says what it
asks as plain values, and what an answer means to who submitted it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from chenu_server import engine
from chenu_server.values import dataclass

T_co = TypeVar("T_co", covariant=True)

Key = tuple[Hashable, ...]


class Row(Protocol):
    """One row of one table: a frozen dataclass with a primary key."""

    @property
    def key(self) -> Key:
        """The primary key's values, in the table's order."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """The batch's time: max(database clock after the lock, last entry's time).

    `now_us` is Unix time in microseconds; `mono_ns` is this process's monotonic clock when
    `now_us` was read, so that a later monotonic reading maps onto the batch's clock.
    """

    now_us: int
    mono_ns: int

    def at(self, mono_ns: int) -> int:
        """The batch clock's microseconds at a monotonic reading of the same process."""
        return self.now_us + (mono_ns - self.mono_ns) // 1_000


class EntryDraft(NamedTuple):
    """A ledger entry before it is numbered and hashed. `payload` is canonical JSON text."""

    decision: str
    action: str
    identity_id: str
    principal_type: str
    principal_id: str
    acting_for: tuple[str, ...]
    resource_kind: str
    resource_id: str
    reason: str
    payload: str


class Answer(NamedTuple):
    """What the kernel answers: which answer it is, the rows that it shows, and all else by name."""

    kind: str
    rows: tuple[Any, ...]
    more: Mapping[str, Any]
    moment: Moment


class Command(Protocol[T_co]):
    """One governed decision. Its writes commit with it or not at all."""

    def asked(self) -> engine.Command:
        """What the kernel decides. Made when it is submitted, in the event loop."""
        ...

    def outcome(self, answer: Answer) -> T_co:
        """The answer to this very command. A refusal is an outcome."""
        ...


class Writer(Protocol):
    """The only way to a governed write."""

    @property
    def healthy(self) -> bool:
        """Whether decisions can be recorded now, as far as is known.

        While it is, a command that could not be recorded is itself at fault.
        """
        ...

    async def submit(self, command: Command[Any]) -> Any:
        """The command's outcome, after its commit.

        Raises:
            GovernanceUnavailable: It could not be recorded; nothing of it happened.
        """
        ...

    def note(self, command: Command[Any]) -> None:
        """Decide a command ahead of the next batch, without an answer and without forcing one.

        It is committed within `note_delay_ms` at the latest; a crash before that loses it.
        """
        ...
