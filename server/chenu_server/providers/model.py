"""What goes to a provider and what comes back. No library but the engine."""

from __future__ import annotations

import asyncio
import enum

from chenu_server.engine import Prompt
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What one model is asked."""

    model: str
    prompt: Prompt
    output_cap: int
    declared: tuple[tuple[str, str], ...] = ()  # tools that may be called: name, JSON schema
    format: str = "text"  # or `json`, or `json_schema`
    schema: str = ""  # what the output satisfies, where the format is `json_schema`


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; the five classes do not overlap.

    Not `exact`: something that is billed was not told, or what was told cannot be. The cost of
    these is then the least that the call may have cost.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0  # for the provider's usual time
    cache_write_hour_tokens: int = 0
    exact: bool = True

    @property
    def prompt_tokens(self) -> int:
        """All that the model was given, seen before or not."""
        written = self.cache_write_tokens + self.cache_write_hour_tokens
        return self.input_tokens + self.cache_read_tokens + written


@dataclass(frozen=True, slots=True)
class PartDelta:
    """A piece of a part of the answer, never empty.

    Parts are numbered from 0 in the order in which they begin.
    """

    part: int
    kind: str  # `text` or `reasoning`
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A whole call of a declared tool. `arguments` are a JSON object that satisfies its schema."""

    part: int  # calls are numbered after all other parts
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the provider wants back, unchanged, with a part of reasoning.

    It is a signature, or the thought itself for its own eyes alone; then the part has no text.
    """

    part: int
    signature: str
    redacted: str


STOP_REASONS = ("stop", "length", "refusal", "tool_calls", "pause", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The provider's own terminator was seen. Exactly one, last."""

    usage: Usage
    stop_reason: str  # one of STOP_REASONS, whatever the wire calls it
    model: str  # that answered, as the provider names it; empty if it did not
    request_id: str = ""  # the provider's own, likewise
    calls: tuple[ToolCall, ...] = ()
    proofs: tuple[Proof, ...] = ()
    json: str | None = None  # the output that was asked for, without a fence around it


ProviderEvent = PartDelta | Finished


class Retry(enum.Enum):
    """What the caller may do after a failure."""

    ELSEWHERE = "elsewhere"  # the next candidate may work: 5xx, 401, timeout, connection, cut
    LATER = "later"  # the same provider may work later: 429 (also tried elsewhere)
    NEVER = "never"  # the request itself was refused: 400, 413, 422, moderation


class Billing(enum.Enum):
    """What a failed attempt may have cost."""

    FREE = "free"  # no byte left, or a complete 4xx/5xx came back
    UNKNOWN = "unknown"  # it may have run: charge its bound, marked as estimated
    TOLD = "told"  # the answer was whole: charge what it told of its tokens, as for a success


@dataclass(eq=False, kw_only=True)
class ProviderFailure(Exception):
    """An attempt that did not finish. `detail` is safe to show: no key, no header, no body."""

    retry: Retry
    billing: Billing
    kind: str  # http_500, credit, timeout, connection, truncated, malformed, not_an_answer ...
    detail: str
    retry_after_ms: int | None = None
    holds_back: bool = False  # until then, everybody: it said so as one that has too much to do
    needs_operator: bool = False  # the key, the account, the URL or the model's name is wrong
    usage: Usage | None = None  # what the answer had told of its tokens before it broke
    model: str = ""  # that answered, and the provider's request id, as `Finished` has them
    request_id: str = ""
    problem: str = ""  # of a call or an output: what is wrong with it, such as `schema`
    subject: str = ""  # the tool that was called, as the model named it

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer had told of itself before it was left; the names are as in `Finished`."""

    usage: Usage
    model: str
    request_id: str


class Interrupted(asyncio.CancelledError):
    """A call was left by this side, and what its answer had told till then."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self.told = told


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices in nano-USD per million tokens, and which table they came from."""

    input: int
    output: int
    cache_read: int
    cache_write: int  # kept for the provider's usual time, some minutes
    cache_write_hour: int
    source: str
    steps: tuple[RateStep, ...] = ()  # by length; those of a step have none of their own

    def of_prompt(self, tokens: int) -> Rates:
        """What all tokens of a call cost whose prompt has so many, those before a step too."""
        return next((step.rates for step in reversed(self.steps) if tokens > step.above), self)

    @property
    def dearest_input(self) -> int:
        """The dearest rate at which an input token can be billed.

        An hour's write is not among them: only a request can ask for it (`ttl` of Anthropic's
        `cache_control`), and none here does. Reserving for it would raise every bound for nothing.
        """
        return max(self.input, self.cache_read, self.cache_write)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStep:
    """The rates of prompts that have more tokens than this."""

    above: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """Which images a model takes, and what it counts one as.

    That is `base_tokens`, and `cell_millitokens` thousandths for each cell of `cell_edge` pixels
    along its edge, of which it has from `cells_min` to `cells_max`.
    """

    max: int  # in one request
    bytes_max: int
    edge_max: int  # in pixels
    base_tokens: int
    cell_edge: int
    cell_millitokens: int
    cells_min: int
    cells_max: int
    urls: bool = False  # whether its provider fetches for itself


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """Which documents a model takes; one counts as its whole context window."""

    max: int  # in one request
    bytes_max: int
    urls: bool = False  # whether its provider fetches for itself


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One model of the catalogue. What is not known of it is None, and keeps it from being used.

    `refuses` are the parameters that it turns down though its wire has a place for them. A model
    of which no rule for images, or documents, is known is asked with none, whatever it can see.
    """

    provider: str
    name: str
    context_tokens: int | None
    output_tokens_max: int | None
    capabilities: tuple[str, ...]
    quality: int
    speed: int
    tier: str
    regions: tuple[str, ...]
    rates: Rates | None
    aliases: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()  # what its wire carries and this model does not take
    images: ImageLimits | None = None
    documents: DocumentLimits | None = None
    instance_of: str = ""  # the record that its provider is an instance of

    @property
    def maker(self) -> str:
        """The provider whose model it is, whatever that one's instance is called."""
        return self.instance_of or self.provider

    @property
    def is_complete(self) -> bool:
        """Whether its limits are known, without which no request can be fitted into it."""
        return self.context_tokens is not None and self.output_tokens_max is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRecord:
    """One provider of the catalogue: data, not code.

    `base_url` is empty where each customer has an address of its own: the settings name it then.
    Several instances of a provider are records of their own, each under its own name.
    """

    name: str
    title: str
    wire: str
    base_url: str
    auth: str
    tier: str
    models: tuple[ModelRecord, ...]
    instance_of: str = ""  # the record that this is an instance of
    region: str = ""  # where an instance runs, if the operator says so
    base_url_example: str = ""
    query: tuple[tuple[str, str], ...] = ()  # added to the address of each call
    headers: tuple[tuple[str, str], ...] = ()  # sent with each call; never a secret
    models_path: str | None = (
        None  # of its list, from `base_url`; None: its wire's, "": it has none
    )
    lists_all: bool = True  # False: more can be called than it lists
    request_id_header: str = "x-request-id"  # of an answer: how the provider names the call
    output_cap_field: str = "max_tokens"  # newer OpenAI models want `max_completion_tokens`
    stream_options: bool = True  # False: usage comes unasked, and the field is refused
    terminator: bool = True  # False: its streams just end; a cut one cannot be told from a whole
    connect_timeout_ms: int = 10_000
    # Long, as a model may think unseen: who gives up on an answer may pay for it and asks again.
    # Two candidates can be silent for so long within a query's default deadline of 300 s.
    first_event_timeout_ms: int = 120_000
    between_events_timeout_ms: int = 30_000
