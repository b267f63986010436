"""What a provider does with one request, byte for byte, and what is true of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

STREAM = ("content-type", "text/event-stream")
JSON = ("content-type", "application/json")


class Framing(enum.Enum):
    """How the end of a body is told."""

    CHUNKED = "chunked"
    LENGTH = "length"
    CLOSE = "close"  # by nothing but the connection's


class Leave(enum.Enum):
    """How a provider leaves, once it has sent what it sends."""

    IN_ORDER = "in order"
    CLOSED = "closed"  # before the body's end
    RESET = "reset"
    SILENT = "silent"  # it stays, and says nothing more


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One answer. `status` 0: not even a head is sent. `listens`: False, nobody takes the call."""

    body: tuple[bytes, ...] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (STREAM,)
    framing: Framing = Framing.CHUNKED
    leave: Leave = Leave.IN_ORDER
    apart_ms: int = 0
    listens: bool = True
    greeting: bytes = b""  # in the place of a head
    missing_bytes: int = 0  # of a length that is told and never sent

    @property
    def tells_time(self) -> bool:
        """Whether it says when to come back."""
        return any(name.lower().startswith("retry-after") for name, _ in self.headers)


class End(enum.Enum):
    """What an attempt came to."""

    ANSWER = "answer"
    BROKE = "broke"  # it began, or may have; and did not end
    REFUSED = "refused"  # a whole refusal
    BAD_OUTPUT = "bad output"  # whole, but not the JSON that was asked for
    BAD_CALL = "bad call"  # whole, but with a call that must not pass


class Blame(enum.Enum):
    """Whose trouble a failure is."""

    CALLER = "caller"
    OPERATOR = "operator"
    RATE = "rate"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The highest possible counts that were told."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of a script, in the words of the specification."""

    end: End
    failure: str = ""  # the word for it in the log
    blame: Blame = Blame.PROVIDER
    text: str = ""  # what reached the caller of it
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # names and arguments
    json: str = ""
    stop: str = "END"
    tokens: Tokens = field(default_factory=Tokens)
    is_told: bool = True  # whether all that is billed was told
    may_be_billed: bool = True  # False: provably nothing was generated
    retry_after_ms: int | None = None
    problem: str = ""


class Asks(enum.Enum):
    """What the caller wants."""

    TEXT = "text"
    TOOLS = "tools"
    JSON = "json"
    SCHEMA = "json schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault on one wire. `provider` is a record of `records/`."""

    name: str
    provider: str
    script: Script
    truth: Truth
    asks: Asks = Asks.TEXT

    @property
    def marker(self) -> str:
        """What the prompt holds, by which the provider knows the script."""
        return f"{self.provider}:{self.name}"
