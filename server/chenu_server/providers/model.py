"""What goes to a provider and what comes back. Standard library only."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn: `role` is `user` or `assistant`."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """The provider-neutral request of lane C, for one model."""

    model: str
    system: str
    messages: tuple[Message, ...]
    output_cap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; the four classes do not overlap.

    Not `exact`: something that is billed was not told, or what was told cannot be. The cost of
    these is then the least that the call may have cost.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, never empty."""

    text: str


STOP_REASONS = ("stop", "length", "refusal", "tool_calls", "pause", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The provider's own terminator was seen. Exactly one, last."""

    usage: Usage
    stop_reason: str  # one of STOP_REASONS, whatever the wire calls it
    model: str


ProviderEvent = TextDelta | Finished


class Retry(enum.Enum):
    """What the caller may do after a failure."""

    ELSEWHERE = "elsewhere"  # the next candidate may work: 5xx, 401, timeout, connection, cut
    LATER = "later"  # the same provider may work later: 429 (also tried elsewhere)
    NEVER = "never"  # the request itself was refused: 400, 413, 422, moderation


class Billing(enum.Enum):
    """What a failed attempt may have cost."""

    FREE = "free"  # no byte left, or a complete 4xx/5xx came back
    UNKNOWN = "unknown"  # it may have run: charge its bound, marked as estimated


@dataclass(eq=False, kw_only=True)
class ProviderFailure(Exception):
    """An attempt that did not finish. `detail` is safe to show: no key, no header, no body."""

    retry: Retry
    billing: Billing
    kind: str  # http_500, credit, timeout, connection, truncated, malformed, not_an_answer ...
    detail: str
    retry_after_ms: int | None = None
    needs_operator: bool = False  # the key, the account, the URL or the model's name is wrong
    usage: Usage | None = None  # what the answer had told of its tokens before it broke

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices in nano-USD per million tokens, and which table they came from."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    source: str

    @property
    def dearest_input(self) -> int:
        """The dearest rate at which an input token can be billed."""
        return max(self.input, self.cache_read, self.cache_write)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One model of the catalogue. `rates` is None while no price is known."""

    provider: str
    name: str
    context_tokens: int
    output_tokens_max: int
    capabilities: tuple[str, ...]
    quality: int
    speed: int
    tier: str
    regions: tuple[str, ...]
    rates: Rates | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRecord:
    """One provider of the catalogue: data, not code."""

    name: str
    title: str
    wire: str
    base_url: str
    auth: str
    tier: str
    models: tuple[ModelRecord, ...]
    output_cap_field: str = "max_tokens"  # newer OpenAI models want `max_completion_tokens`
    stream_options: bool = True  # False: usage comes unasked, and the field is refused
    terminator: bool = True  # False: its streams just end; a cut one cannot be told from a whole
