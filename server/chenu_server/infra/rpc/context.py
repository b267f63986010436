"""The call that is being served, for whoever serves it.

A task that a call starts inherits its context: what it logs carries the call's trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final

from chenu_server.caller import Caller
from chenu_server.engine import monotonic_ns
from chenu_server.governance.identity.model import VerifiedToken
from chenu_server.values import dataclass, field


def nothing_kept() -> Callable[[], None]:
    """A request that is not large counts for nothing."""
    return _nothing


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Call:
    """One RPC. The layers fill in what they find out; a servicer only reads.

    `deadline_ns` is on the monotonic clock; None when the client set none. `taken_sequence` is the
    last event that the reader of a stream has taken; its servicer keeps it. A large request counts
    among those that are held until the end of its call; whoever holds it for longer takes that
    over with `keep_body`, and calls what it returns.
    """

    method: str
    peer: str
    headers: Mapping[str, str]
    started_ns: int
    deadline_ns: int | None
    trace_id: str = ""
    span_id: str = ""
    token: VerifiedToken | None = None
    caller: Caller | None = None
    taken_sequence: int = 0
    keep_body: Callable[[], Callable[[], None]] = nothing_kept
    logged: bool = field(default=False, repr=False)

    def remaining_ms(self) -> int | None:
        """Milliseconds to the client's deadline, not below zero; None when it set none."""
        if self.deadline_ns is None:
            return None
        return max(0, (self.deadline_ns - monotonic_ns()) // 1_000_000)


CALL: Final[ContextVar[Call]] = ContextVar("chenu_call")


def current_call() -> Call:
    """The call that this task serves, or was started by.

    Raises:
        LookupError: None; the code runs outside any call.
    """
    return CALL.get()


def current_caller() -> Caller:
    """Who calls, in which identity. Every rpc but health and reflection has a caller.

    Raises:
        LookupError: None; the code runs outside any authenticated call.
    """
    caller = CALL.get().caller
    if caller is None:
        raise LookupError("this call is open to anyone and has no caller")
    return caller


def current_token() -> VerifiedToken:
    """What the caller's token says, beyond who calls.

    Raises:
        LookupError: None; the code runs outside any authenticated call.
    """
    token = CALL.get().token
    if token is None:
        raise LookupError("this call is open to anyone and has no token")
    return token
