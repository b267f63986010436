"""What can be asked of a provider's slots.

A provider that takes N requests in any window has N slots. A call takes one before it goes out,
and the slot is free again a window after its dispatch, so no span of a window's length ever holds
more than N dispatches. Until the dispatch is known the slot is held as if it came as late as it
may; `Dispatched` then lowers that. The rules themselves are `decide/slots.rs` of the kernel.
"""

from __future__ import annotations

from functools import lru_cache

from chenu_server import asking, engine
from chenu_server.command import Answer
from chenu_server.governance.limits.model import ProviderLimit, Slot
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True)
class NoSlot:
    """No slot is free. The times at which the next ones will be, soonest first, at least one."""

    free_times_us: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dispatched:
    """The call of this slot went out. For `Writer.note`; without it the slot frees later.

    `dispatched_ns` is the process's monotonic clock at the dispatch: the batch maps it onto its
    own time, so that a step of the clock since the admission does not shorten the window.
    """

    slot: Slot
    limit: ProviderLimit
    dispatched_ns: int

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = {"Dispatched": {"slot": self.slot, "dispatched_ns": self.dispatched_ns}}
        return engine.Command(plain, _rules(self.slot, self.limit))

    def outcome(self, answer: Answer) -> None:
        """Nobody waits for it."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A provider has said when to come back. No slot of it is given out before that time.

    `told_ns` is the process's monotonic clock when it said so, from which `wait_us` counts.
    """

    ledger_number: int
    provider: str
    told_ns: int
    wait_us: int

    def asked(self) -> engine.Command:
        """For the kernel."""
        told = {"provider": self.provider, "told_ns": self.told_ns, "wait_us": self.wait_us}
        return engine.Command({"HoldBack": told}, asking.rules_of_ledger(self.ledger_number))

    def outcome(self, answer: Answer) -> None:
        """Its slots are held back, unless they are held for longer already."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """A provider is called in another way, and what held it back was told to the old one."""

    ledger_number: int
    provider: str

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = {"LetGo": {"provider": self.provider}}
        return engine.Command(plain, asking.rules_of_ledger(self.ledger_number))

    def outcome(self, answer: Answer) -> None:
        """Its slots are given out again."""


@dataclass(frozen=True, slots=True)
class Readmitted:
    """A call did not go out in time and asks again."""

    slot: Slot
    limit: ProviderLimit

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = {"Readmit": {"slot": self.slot}}
        return engine.Command(plain, _rules(self.slot, self.limit))

    def outcome(self, answer: Answer) -> Slot | NoSlot:
        """The same slot for as long as a new admission would hold it, or another."""
        if answer.kind == "Slot":
            slot: Slot = answer.rows[0]
            return slot
        return NoSlot(tuple(answer.more["free_times_us"]))


def _rules(slot: Slot, limit: ProviderLimit) -> engine.Rules:
    return _rules_of(slot.ledger_number, slot.provider, limit)


# One for each provider that has a limit: a note of each call asks for it.
@lru_cache(maxsize=1_024)
def _rules_of(ledger_number: int, provider: str, limit: ProviderLimit) -> engine.Rules:
    return asking.rules(ledger_number=ledger_number, limits={provider: limit})
