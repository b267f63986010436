"""The Rust engine, as Python sees it. `mypy.stubtest` holds this to the truth.

Every time is Unix time in microseconds, every amount nano-USD, every rate nano-USD per million
tokens. A refusal is a return value. A caller's mistake is a `ValueError`, an integer that does
not fit its type an `OverflowError`. All classes are frozen; those with state are thread-safe.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, final

__all__ = [
    "Analysis",
    "AnswerFault",
    "AnswerForm",
    "AnswerPiece",
    "AnswerTold",
    "AnswerUsage",
    "Arrival",
    "Batch",
    "BoundaryVerdict",
    "CallBuckets",
    "CallLimits",
    "CallVerdict",
    "CanonicalRequest",
    "Catalogue",
    "ChainVerifier",
    "Clock",
    "Command",
    "Completions",
    "Decision",
    "Destination",
    "Ending",
    "EntryDraft",
    "ExportVerifier",
    "FairQueue",
    "IdentityWindows",
    "Intake",
    "LedgerEntry",
    "MediaLimits",
    "ModelRecord",
    "PolicyQuery",
    "PolicySet",
    "PolicyVerdict",
    "Prompt",
    "Refusal",
    "RouteQuery",
    "RouteRules",
    "RowReader",
    "RowReaders",
    "Rows",
    "Rules",
    "Scored",
    "SealedEntry",
    "Shape",
    "Signal",
    "Signals",
    "SqliteSession",
    "Unread",
    "Upstream",
    "UpstreamCall",
    "WindowState",
    "analyze",
    "answered_message",
    "asked_message",
    "check_schemas",
    "choose_identity",
    "cost",
    "decode_entry",
    "digest",
    "encode_list",
    "export_line",
    "export_tail",
    "failpoints_armed",
    "has_certificates",
    "has_sqlite",
    "is_json_object",
    "look",
    "owns",
    "period_start",
    "query_message",
    "refusal_of",
    "role_allowed",
    "seal",
    "sensitivity_of",
    "snapshot_message",
    "sqlite_entry_point",
    "stop_reason",
    "tables",
    "unfenced",
    "wire_offers",
]

# Canonical bytes

def encode_list(items: Sequence[object]) -> bytes:
    """Encode a list so that no two lists of the same shape share an encoding.

    A count (u32, big-endian), then each item after its length (u32, big-endian). Items as `digest`
    takes them.
    """

def digest(tag: str, fields: Sequence[object]) -> bytes:
    """SHA-256 over the length-prefixed `tag` and the encoded list of `fields`; 32 bytes.

    A field is a text (as UTF-8), bytes, an int (8 bytes), a float (its 8 bytes of IEEE 754), a bool
    (1 byte), None (nothing), or a list or tuple of such, at most 16 deep.

    Raises:
        ValueError: A field is of another type, or does not fit.
    """

# The ledger

@final
class EntryDraft:
    """An entry before it has a number, a time and a predecessor."""

    def __new__(
        cls,
        *,
        entry_id: str,
        decision: str,
        action: str,
        identity_id: str,
        principal_type: str,
        principal_id: str,
        acting_for: Sequence[str],
        resource_kind: str,
        resource_id: str,
        reason: str,
        salt: bytes,
        payload: bytes,
    ) -> EntryDraft:
        """Take the entry's fields.

        `salt` is 32 random bytes, kept and erased with `payload`, which is UTF-8 text.
        """

@final
class SealedEntry:
    """An entry as it is stored."""

    @property
    def sequence(self) -> int:
        """Its number; the first entry of a ledger has 1."""
    @property
    def canonical(self) -> bytes:
        """Its canonical bytes."""
    @property
    def payload_digest(self) -> bytes:
        """SHA-256 over salt and payload."""
    @property
    def prev_hash(self) -> bytes:
        """The hash of the entry before it; 32 zero bytes for the first."""
    @property
    def entry_hash(self) -> bytes:
        """Its own hash, SHA-256 over a zero byte and the canonical bytes (an RFC 6962 leaf)."""

@final
class LedgerEntry:
    """An entry as it was decided, read from its canonical bytes."""

    @property
    def origin(self) -> str:
        """Names the database that the chain began in."""
    @property
    def ledger_number(self) -> int:
        """Which of the origin's ledgers this is."""
    @property
    def sequence(self) -> int:
        """Counts from 1 without a gap."""
    @property
    def entry_id(self) -> str:
        """The entry's UUID; other rows refer to it."""
    @property
    def batch_id(self) -> str:
        """The UUID of the transaction that wrote it."""
    @property
    def time_us(self) -> int:
        """The transaction's time."""
    @property
    def decision(self) -> str:
        """What was decided."""
    @property
    def action(self) -> str:
        """What it was decided about."""
    @property
    def identity_id(self) -> str:
        """The identity that the decision belongs to."""
    @property
    def principal_type(self) -> str:
        """`user`, `service` or `agent`."""
    @property
    def principal_id(self) -> str:
        """Who acted."""
    @property
    def acting_for(self) -> list[str]:
        """On whose behalf, nearest first."""
    @property
    def resource_kind(self) -> str:
        """What kind of thing it was done to."""
    @property
    def resource_id(self) -> str:
        """Which one."""
    @property
    def reason(self) -> str:
        """Why it was decided so; empty when the decision says it."""
    @property
    def payload_digest(self) -> bytes:
        """SHA-256 over salt and payload."""
    @property
    def prev_hash(self) -> bytes:
        """The hash of the entry before it."""

def seal(
    *,
    origin: str,
    ledger_number: int,
    batch_id: str,
    time_us: int,
    size: int,
    head: bytes,
    drafts: Sequence[EntryDraft],
) -> list[SealedEntry]:
    """Number, chain and hash `drafts` after the entry with number `size` and hash `head`.

    Raises:
        ValueError: A payload is not UTF-8, or `head` is not 32 bytes. Then none is sealed.
    """

def decode_entry(canonical: bytes) -> LedgerEntry:
    """Read an entry from its canonical bytes.

    Raises:
        ValueError: The bytes are not what any entry encodes to.
    """

def export_line(
    *,
    sequence: int,
    canonical: bytes,
    entry_hash: bytes,
    salt: bytes | None,
    payload: bytes | None,
) -> str:
    """Write the JSON line of a stored entry, without its newline.

    `salt` and `payload` are both None once they are erased. What is damaged is written as it is
    stored, in hex if need be, so that the line does not verify.
    """

def export_tail(origin: str, ledger_number: int, size: int, head: bytes) -> str:
    """Write the last line of an export, without its newline."""

def has_certificates(pem: bytes) -> bool:
    """Whether a file of certificates has any that can be read."""

@final
class ChainVerifier:
    """Follows one stored chain from its first entry."""

    def __new__(cls, origin: str | None, ledger_number: int) -> ChainVerifier:
        """Start before the first entry; without an `origin` the first entry's counts."""
    def entry(
        self, canonical: bytes, entry_hash: bytes, salt: bytes | None, payload: bytes | None
    ) -> str | None:
        """Check the next entry: None when it holds, else why not; then it is not followed."""
    def finish(self) -> str | None:
        """End the chain: None when every missing payload was erased by a later entry, else why not.

        If it does not hold, `size` and `head` are those before the first entry that fails.
        """
    @property
    def size(self) -> int:
        """How many entries held so far."""
    @property
    def head(self) -> bytes:
        """The hash of the last entry that held; 32 zero bytes before the first."""

@final
class ExportVerifier:
    """Reads an export line by line and says whether all of it holds."""

    def __new__(cls) -> ExportVerifier: ...
    def line(self, line: bytes) -> str | None:
        r"""Check the next line, given with its newline: None when it holds, else why not.

        Split the file behind each `b"\n"` and nowhere else.
        """
    def finish(self) -> str | None:
        """End the export: None when its last line was there, else why not."""
    @property
    def entries(self) -> int:
        """How many entries held so far."""
    @property
    def head(self) -> bytes:
        """The hash of the last entry that held."""

# Limits

@final
class Arrival:
    """The answer to an arrival."""

    @property
    def verdict(self) -> Literal["admitted", "limited", "blocked", "full"]:
        """What became of it; only an admitted call is counted."""
    @property
    def retry_after_us(self) -> int:
        """After this long the call is admitted if nobody came in between; 0 when admitted."""

@final
class WindowState:
    """How much of its windows an identity has used."""

    @property
    def used(self) -> int:
        """Admissions in the window."""
    @property
    def burst_used(self) -> int:
        """Admissions in the burst's window."""
    @property
    def blocked_until_us(self) -> int:
        """End of the block; 0 when not blocked."""

@final
class IdentityWindows:
    """Exact sliding windows for each identity: a limit, a burst, and a block for who breaks them.

    No span of `window_us` holds more than `limit` admissions, and nothing is refused while there
    is room. The same holds for the burst.
    """

    def __new__(
        cls,
        *,
        limit: int,
        window_us: int,
        burst: int,
        burst_window_us: int,
        block_us: int,
        keys_max: int,
    ) -> IdentityWindows:
        """Start with no history.

        A `limit`, `burst` or `block_us` of 0 is off. At most `keys_max` identities are remembered;
        those with nothing left to remember make room.
        """
    def arrive(self, identity: str, now_us: int) -> Arrival:
        """Count a call if there is room; the one that breaks a limit blocks the identity."""
    def give_back(self, identity: str, arrived_us: int) -> None:
        """Take back one admission at `arrived_us`, if it is still counted."""
    def restore(self, identity: str, times_us: Sequence[int]) -> None:
        """Add admissions that were stored before a restart, in any order."""
    def put(self, identity: str, admissions_us: Sequence[int], blocked_until_us: int) -> None:
        """Take what is kept of the identity in the place of what is known of it here."""
    def kept(self, identity: str) -> tuple[list[int], int]:
        """Tell what is to be kept of the identity: its admissions, and the end of its block."""
    def state(self, identity: str, now_us: int) -> WindowState:
        """Tell what the identity has used."""
    def reset(self, identity: str) -> None:
        """Forget the identity's admissions and its block."""

@final
class CallBuckets:
    """A rate with a burst for each key (GCRA)."""

    def __new__(cls, *, rate_per_s: int, burst: int, keys_max: int) -> CallBuckets:
        """Start with every bucket full. A rate of 0 is off.

        Raises:
            ValueError: `burst` is 0.
        """
    def take(self, key: str, now_us: int) -> int:
        """Take one call: 0 when admitted, else the exact microseconds to wait."""

@final
class FairQueue:
    """Who waits for one provider: identities take turns, each in its own order.

    An identity that was idle is served before the backlog of those that were not.
    """

    def __new__(cls, *, waiting_max: int) -> FairQueue:
        """Start empty; at most `waiting_max` calls wait."""
    def join(self, identity: str, ticket: int) -> int | None:
        """Let a call wait: its place from 0, or None when the queue is full.

        A ticket that waits already keeps its place.
        """
    def leave(self, ticket: int) -> None:
        """Let a call go without service; the identity's later calls move up."""
    def next(self) -> int | None:
        """Tell whose turn it is."""
    def take(self) -> int | None:
        """Serve the call whose turn it is."""
    def place(self, ticket: int) -> int | None:
        """Tell how many calls are served before this one if nobody else comes or leaves."""
    def __len__(self) -> int: ...

# The identity boundary

@final
class BoundaryVerdict:
    """The identity that a call acts in, or why there is none."""

    @property
    def identity(self) -> str | None:
        """The identity; None with a violation."""
    @property
    def violation(
        self,
    ) -> Literal["spoofed_identity", "invalid_identity", "missing_identity"] | None:
        """Why there is none."""

def choose_identity(held: Sequence[str], named: str | None) -> BoundaryVerdict:
    """Tell the identity that a call acts in: the one it named, or the only one its token holds."""

def owns(identity: str, resource_identity: str | None) -> bool:
    """Whether a resource belongs to `identity`; one that is not there never does."""

def role_allowed(required: str, roles: Sequence[str]) -> bool:
    """Whether the required role is among `roles`; no role implies another."""

# Budgets

def cost(tokens_and_rates: Sequence[tuple[int, int]]) -> int:
    """Sum tokens times rates, exactly, rounded up once.

    Raises:
        ValueError: Something is negative or the cost does not fit 64 bits.
    """

def period_start(period: str, now_us: int) -> int:
    """Return the start of a budget's period that holds `now_us`; both in Unix microseconds, UTC.

    Raises:
        ValueError: There is no such period.
    """

# Routes

@final
class ModelRecord:
    """A model of the catalogue."""

    def __new__(
        cls,
        *,
        provider: str,
        instance_of: str,
        model: str,
        aliases: Sequence[str],
        wire: str,
        name_bytes: int,
        quality: int,
        speed: int,
        output_rate: int,
        dearest_input_rate: int | None,
        rate_steps: Sequence[tuple[int, int, int]],
        context_tokens: int,
        output_tokens_max: int,
        capabilities: Sequence[str],
        regions: Sequence[str],
        locked_role: str | None,
    ) -> ModelRecord:
        """Take the record's fields.

        `instance_of` is the provider that `provider` is an instance of, empty if it is none.
        `name_bytes` are what its name takes in a body. `quality` is 0 to 100, `speed` output tokens
        a second. A `dearest_input_rate` of None is an unknown price. `rate_steps` are, each, a
        length of the prompt in tokens, and the dearest rates of input and of output beyond it.
        `regions` are all in which it may process data. `locked_role` is served by records with that
        lock alone; they serve other roles too.
        """

@final
class RouteRules:
    """What an operator sets of routes."""

    def __new__(
        cls,
        *,
        task_defaults: Sequence[tuple[str, str]],
        role_defaults: Sequence[tuple[str, str]],
        weights: Sequence[tuple[int, int, int]],
        nova: tuple[str, str] | None,
    ) -> RouteRules:
        """Take default providers by task type and by agent role, and the weights.

        `weights` are four, of balanced, cost, quality and speed: what quality, speed and cost
        count, in parts of their sum. `nova` are provider and model that the role `nova` is locked
        to; without them it has no model.
        """

@final
class RouteQuery:
    """What a query asks of the router."""

    def __new__(
        cls,
        *,
        task_type: str,
        agent_role: str,
        strategy: str,
        preferred_provider: str | None,
        preferred_model: str | None,
        overrides: Sequence[int],
        capabilities: Sequence[str],
        cost_ceiling: int | None,
        allowed_providers: Sequence[str],
        forbidden_providers: Sequence[str],
        regions: Sequence[str],
        body_bytes: Sequence[int],
        extra_tokens: Sequence[int],
        media_tokens: Sequence[int | None],
        output_cap: int,
    ) -> RouteQuery:
        """Take the query's fields.

        Empty `capabilities`, `allowed_providers` and `regions` ask nothing. `overrides` are indexes
        of models that are tried before any default. `body_bytes`, without a model's name, and
        `extra_tokens` have one item for each of the catalogue's wires. `media_tokens` has one for
        each model where the query holds files: what they count as there, None where they are not
        taken; else it is empty.

        Raises:
            ValueError: `strategy` is not balanced, cost, quality, speed or specific.
        """

@final
class Signal:
    """What is known of one provider at the time of a decision."""

    def __new__(
        cls,
        *,
        health: str,
        breaker: str,
        latency_ms: int,
        error_per_mille: int,
        room_per_mille: int,
    ) -> Signal:
        """Take what is known; neutral are `unknown`, `closed`, 0, 0 and 1,000.

        `latency_ms` is the average time to the first event, `room_per_mille` what is free of the
        rate window.

        Raises:
            ValueError: `health` is not unknown, healthy, degraded or unhealthy, or `breaker` not
                closed, half_open or open.
        """

@final
class Signals:
    """What is known of a catalogue's providers."""

@final
class Scored:
    """A candidate and why it stands where it stands; factors and score are 0 to 1,000."""

    @property
    def index(self) -> int:
        """Its index in the catalogue."""
    @property
    def score(self) -> int:
        """The weighted mean of its factors, times its provider's standing."""
    @property
    def quality(self) -> int:
        """Its quality against the best candidate's."""
    @property
    def speed(self) -> int:
        """Its speed against the fastest candidate's."""
    @property
    def cost(self) -> int:
        """The cheapest candidate's bound against its own; 1,000 when free."""
    @property
    def preference(self) -> str:
        """Why it stands before others: model, provider, override, role, task or score."""
    @property
    def bound(self) -> int:
        """The most that an attempt can cost."""
    @property
    def body_bytes(self) -> int:
        """Length of its body."""
    @property
    def extra_tokens(self) -> int:
        """What its wire adds for images and tools."""
    @property
    def dearest_input_rate(self) -> int:
        """The rate of input that its bound is made of."""
    @property
    def output_rate(self) -> int:
        """That of output."""

@final
class Decision:
    """Which models may answer, and why not the others."""

    def best(self, count: int) -> list[Scored]:
        """The best candidates, at most `count`, in the order in which they are tried."""
    @property
    def candidates(self) -> list[Scored]:
        """All that the constraints leave, in that order."""
    @property
    def exclusions(self) -> list[tuple[int, str]]:
        """The other records' indexes, each with the first constraint that excludes it."""
    @property
    def dearest_bound(self) -> int:
        """The largest bound over the candidates; 0 if there are none."""
    @property
    def price_unknown_only(self) -> bool:
        """Whether no record fits, but some would if its price were known."""
    @property
    def unknown_preferred(self) -> str | None:
        """A preferred model or provider that the catalogue does not know; then all is empty."""

@final
class Catalogue:
    """All models, and what an operator has set of routes."""

    def __new__(cls, records: Sequence[ModelRecord], rules: RouteRules) -> Catalogue:
        """Take the records, by whose index decisions name them.

        Raises:
            ValueError: A strategy's weights are all 0.
        """
    @property
    def wires(self) -> list[str]:
        """The wires of the models, in the order in which a query gives its sizes."""
    def signals(self, known: Sequence[tuple[str, Signal]]) -> Signals:
        """What is known of the providers; one that is not named has neutral signals."""
    def route(self, query: RouteQuery, signals: Signals) -> Decision:
        """Decide which models may answer, best first.

        Raises:
            ValueError: `body_bytes` or `extra_tokens` have not one item for each wire.
        """
    def basis(self, query: RouteQuery) -> tuple[tuple[int, int, int], str | None, str | None]:
        """Weights of quality, speed and cost; the providers that role and task prefer."""

# Policies

@final
class PolicySet:
    """The Cedar policies in force, checked against their schema."""

    def __new__(
        cls,
        *,
        schema: str,
        shipped: Sequence[tuple[str, str]],
        operator: Sequence[tuple[str, str]],
        tools: Sequence[tuple[str, str]] = ...,
    ) -> PolicySet:
        """Check and take policy files, pairs of file name and text, and tools, pairs of name and
        JSON schema.

        Raises:
            ValueError: A file does not parse or validate, a policy has no unique `@id` or an
                unknown `@checkpoint`, an operator's policy is no `forbid`, or a tool's schema is
                not one of an object.
        """
    @property
    def policy_ids(self) -> list[str]:
        """The ids of all policies."""
    @property
    def revision(self) -> str:
        """SHA-256 over the canonical set, in hex: the same policies have the same revision."""
    def evaluate(self, query: PolicyQuery) -> PolicyVerdict:
        """Decide whether the query is allowed, and what a person must approve first."""
    def evaluate_call(
        self, query: PolicyQuery, *, name: str, effect: str, arguments: bytes
    ) -> CallVerdict:
        """Decide whether a call that a model proposes to the query may be released.

        `effect` is read, write, delete, send, transfer or payment, and the arguments are one JSON
        object. What cannot be told to the policies exactly waits for a person; it never passes.
        """

@final
class PolicyQuery:
    """What a principal wants to do, as policies see it."""

    def __new__(
        cls,
        *,
        principal_type: str,
        principal_id: str,
        identity_id: str,
        roles: Sequence[str],
        acting_for: Sequence[str],
        operation: str,
        mode: str,
        intents: Sequence[str],
        detected_intents: Sequence[str],
        sphere: str,
        target_kind: str,
        target_id: str,
        target_sphere: str,
        spheres: Sequence[str],
        cross_sphere: bool,
        sensitivity: str,
        agent_role: str,
        providers: Sequence[str],
        amount_nanousd: int | None,
    ) -> PolicyQuery:
        """Take the query's fields; `principal_type` is user, service or agent.

        With an amount it is no query, but money that is to be reserved.
        """

@final
class PolicyVerdict:
    """What the policies say."""

    @property
    def allowed(self) -> bool:
        """Whether a permit and no forbid applies, and nothing failed."""
    @property
    def denied_by(self) -> list[str]:
        """Ids of the forbids that apply; `default_deny` when no permit does."""
    @property
    def checkpoints(self) -> list[tuple[str, str]]:
        """What a person must approve: checkpoint type and the policy that asks for it."""
    @property
    def errors(self) -> list[str]:
        """What failed in the evaluation; anything that fails denies."""

@final
class CallVerdict:
    """What the policies say about a call: refused, held for a person, or passed."""

    @property
    def allowed(self) -> bool:
        """Whether it may be released: at once, or after its checkpoints."""
    @property
    def denied_by(self) -> list[str]:
        """Ids of the forbids that apply; `default_deny` when no permit does."""
    @property
    def checkpoints(self) -> list[tuple[str, str]]:
        """What a person must approve: checkpoint type and the policy that asks for it."""
    @property
    def errors(self) -> list[str]:
        """What failed in the evaluation; anything that fails denies."""
    @property
    def unrepresentable(self) -> str | None:
        """Which argument could not be told to the policies, and why; a person then decides."""

# Intents

@final
class Analysis:
    """What a text asks for."""

    @property
    def intents(self) -> list[str]:
        """Wire names in a fixed order; `query` when nothing else is asked for."""
    @property
    def confidence(self) -> float:
        """0.3 when nothing was found, else 0.7 to 0.99."""
    @property
    def entities(self) -> list[tuple[str, str]]:
        """Kind (email, date, number, quoted) and value; at most 32."""
    @property
    def keywords(self) -> list[str]:
        """At most 10 words that carry meaning, in lower case."""
    @property
    def sensitivity(self) -> Literal["public", "internal", "confidential", "restricted"]:
        """How sensitive the intents make it."""

def analyze(texts: Sequence[str]) -> Analysis:
    """Find what texts ask for together, in English and French; linear in their length.

    Each is read by itself: an order does not begin in one and end in the next.
    """

def sensitivity_of(intents: Sequence[str]) -> str:
    """How sensitive a query with these intents is.

    Raises:
        ValueError: One of them is no intent.
    """

# --- prompts for providers -----------------------------------------------------------------------

class _Medium(Protocol):
    @property
    def media_type(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def data(self) -> bytes | None: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

class _Part(Protocol):
    """A piece of a message; what its kind does not have is empty or false."""

    @property
    def kind(self) -> str:
        """`text`, `image`, `document`, `tool_call`, `tool_result` or `reasoning`."""
    @property
    def text(self) -> str:
        """The text, a document's name, a call's arguments as JSON, a result, a thought."""
    @property
    def call_id(self) -> str:
        """The id of a call, and of the call that a result is of."""
    @property
    def name(self) -> str:
        """The tool that a call names."""
    @property
    def is_error(self) -> bool:
        """Whether a result says that the tool failed."""
    @property
    def signature(self) -> str:
        """The provider's proof of a thought, opaque."""
    @property
    def redacted(self) -> str:
        """A thought as the provider sealed it, opaque."""
    @property
    def cached(self) -> bool:
        """Whether the provider should keep the prompt up to this text or result."""
    @property
    def media(self) -> _Medium | None:
        """The file of an image or a document, and of nothing else."""

class _Message(Protocol):
    """What one side says at a time."""

    @property
    def role(self) -> str:
        """`system` (these come first), `user`, `assistant` or `tool`."""
    @property
    def parts(self) -> Sequence[_Part]:
        """What befits the role: results for `tool`; texts, thoughts and calls for `assistant`."""

class _Tool(Protocol):
    """A tool that the model may call."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> str:
        """A JSON schema, sent as it is; empty when the tool takes nothing."""

class _Sampling(Protocol):
    """How the next token is chosen."""

    @property
    def temperature(self) -> float | None: ...
    @property
    def top_p(self) -> float | None: ...
    @property
    def presence_penalty(self) -> float | None: ...
    @property
    def frequency_penalty(self) -> float | None: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def stop(self) -> Sequence[str]: ...

def look(data: bytes) -> tuple[str, int, int] | None:
    """What an image or a document is by its own bytes: media type, width and height in pixels.

    A document has neither and is told 0; None for what a request may not hold, or is broken.
    """

class _ImageLimits(Protocol):
    @property
    def max(self) -> int: ...
    @property
    def bytes_max(self) -> int: ...
    @property
    def edge_max(self) -> int: ...
    @property
    def base_tokens(self) -> int: ...
    @property
    def cell_edge(self) -> int: ...
    @property
    def cell_millitokens(self) -> int: ...
    @property
    def cells_min(self) -> int: ...
    @property
    def cells_max(self) -> int: ...

class _DocumentLimits(Protocol):
    @property
    def max(self) -> int: ...
    @property
    def bytes_max(self) -> int: ...

@final
class MediaLimits:
    """Which images and documents a model takes, and what it counts them as."""

    def __new__(
        cls,
        images: _ImageLimits | None,
        documents: _DocumentLimits | None,
        *,
        context_tokens: int,
    ) -> MediaLimits:
        """None: it takes none of that kind. A document counts as the whole context window."""
    @property
    def image_tokens_max(self) -> int:
        """The most that one image is counted as; 0 if none is taken."""

@final
class CanonicalRequest:
    """A request as its digests and its row know it. The digests' layout: ARCHITECTURE.md §8."""

    def __new__(cls, request: object) -> CanonicalRequest:
        """Reads a `pipeline.model.QueryRequest`, once and field by field."""

    def content_digest(self) -> bytes:
        """SHA-256 over every field but the id: same digest, same request."""

    def context_hash(self, identity_id: str) -> bytes:
        """SHA-256 of lane B's snapshot: identity, sphere, thread, items, conversation."""

    def block_digest(self, number: int) -> bytes:
        """What the delimiter of lane C's context blocks is made of; `number` is its try."""

    def action_digest(
        self,
        *,
        identity_id: str,
        principal: tuple[str, str],
        acting_for: Sequence[str],
        intents: Sequence[str],
        system: str,
        messages: Sequence[_Message] | None,
        output_cap: int,
        context: bytes,
        max_cost_nanousd: int,
    ) -> bytes:
        """
        What an approval is bound to: who does what, with what, within which limits.

        `system` and `messages` are what lane C says to the model; None: the conversation itself.
        """

    def to_json(self) -> str:
        """What its row has: compact JSON, without what is at its default."""

@final
class Prompt:
    """What a model is asked, in words of no provider. The wires are those of `AnswerForm`."""

    def __new__(
        cls,
        messages: Sequence[_Message],
        *,
        tools: Sequence[_Tool] = ...,
        tool_choice: str = "auto",
        tool_choice_name: str = ...,
        parallel_calls: bool | None = None,
        format: str = "text",
        schema_name: str = ...,
        schema: str = ...,
        sampling: _Sampling | None = None,
        effort: str = "",
        budget_tokens: int = 0,
    ) -> Prompt:
        """Take what is asked; arguments and schemas must be valid JSON and are sent as they are.

        `tool_choice` is auto, none, required or named, `format` text, json or json_schema,
        `effort` empty, low, medium or high. A budget of 0 tokens is none.

        Raises:
            ValueError: A word is none of these, or the format json_schema has no schema.
            AttributeError: An attribute is missing.
            TypeError: An attribute holds what cannot be taken: another type, half a character, a
                seed beyond 64 bits.
        """
    def encode(
        self,
        wire: str,
        *,
        model: str,
        output_cap: int,
        cap_field: str,
        stream_options: bool,
    ) -> bytes:
        """The body of a request that streams its answer.

        `cap_field` (`max_tokens` or `max_completion_tokens`) and `stream_options` say what
        `openai_chat` needs. What the wire has no room for is left out. On `anthropic_messages` a
        thinking budget is sent smaller than the cap; what is then below 1,024 is not sent.
        """
    def size(self, wire: str) -> int:
        """A bound of the body's bytes, less those of the model's name with its quotes.

        At most 200 above the truth, whatever the model and the cap. Remembered.
        """
    @property
    def has_files(self) -> bool:
        """Whether it holds files; to `encode` it then takes long, and holds no lock meanwhile."""
    def needs(self) -> list[str]:
        """Words for what a model must be able to do, sorted, such as `functions` or `seed`."""
    def extra_tokens(self, wire: str) -> int:
        """Tokens that a provider of this wire adds to what the body says."""
    def media_tokens(self, limits: Sequence[MediaLimits | None]) -> list[int | None]:
        """What models with these limits count the files as at most; None: it does not take them."""

def wire_offers(wire: str) -> list[str]:
    """Those of the words of `Prompt.needs` that a wire has room for, sorted."""

# --- answers of providers ------------------------------------------------------------------------

@final
class AnswerUsage:
    """Tokens that an answer has told of so far, in classes that do not overlap.

    Where they are not `exact` something that is billed was not told, or what was told cannot be:
    the cost of these is then the least that it may have cost.
    """

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_read_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int:
        """Written for the provider's usual time."""
    @property
    def cache_write_hour_tokens(self) -> int:
        """Written for an hour, at another price."""
    @property
    def exact(self) -> bool: ...

@final
class AnswerFault:
    """Why an answer is none; no text quotes the provider, but `subject`."""

    @property
    def kind(self) -> str:
        """A word such as `truncated`."""
    @property
    def problem(self) -> str:
        """What exactly is wrong with a call or an output, such as `schema`; else empty."""
    @property
    def subject(self) -> str:
        """The tool that was called, as the model named it, shortened and printable; else empty."""
    @property
    def detail(self) -> str: ...
    @property
    def blame(self) -> Literal["caller", "operator", "rate", "provider"]:
        """Whose trouble it is."""
    @property
    def nothing_generated(self) -> bool:
        """Whether it is certain that nothing can be billed."""
    @property
    def is_whole(self) -> bool:
        """Whether the answer had ended, so that what it told of its tokens is final."""

@final
class AnswerPiece:
    """What has come of an answer, all of it before its end. Each look makes a copy.

    Parts of an answer are numbered from 0 in the order in which they begin.
    """

    @property
    def parts(self) -> list[tuple[int, Literal["text", "reasoning"], str]]:
        """Part, kind and text, in order; the text is never empty."""
    @property
    def calls(self) -> list[tuple[int, str, str, str]]:
        """Part, id, name and arguments of whole, valid calls; only with the answer's end."""
    @property
    def proofs(self) -> list[tuple[int, str, str]]:
        """Part, signature and redacted thought; only with the answer's end."""
    @property
    def end(self) -> str | None:
        """How the call has ended, if it has: nothing more will come.

        `whole`: with the answer's terminator, or with the body that was fetched. `refused`, or
        `refused_in_part`: a status other than 200, whose body has come to its end or not. `fault`:
        see there. `encoded`, `not_encoded`: the body calls itself so, and may be so or is not.
        Before there was an answer: `deadline`, `not_connected` (in its time), `no_host`,
        `no_listener`, `no_proxy`, `no_trust`, `no_tls`, `lost`, `not_http`, `no_first_event`.
        Within it: `deadline`, `no_next_event`, `truncated`, `too_large`.
        """
    @property
    def fault(self) -> AnswerFault | None: ...

@final
class AnswerForm:
    """What a provider is asked to answer in, by which its answer is read."""

    def __new__(
        cls,
        wire: str,
        *,
        declared: Sequence[tuple[str, str]],
        format: str,
        schema: str,
        ends_without_terminator: bool,
    ) -> AnswerForm:
        """
        Args:
            declared: Name and JSON schema of each tool that may be called; an empty schema takes
                any object.
            format: `text`, `json` or `json_schema`.

        Raises:
            ValueError: The wire is neither `openai_chat` nor `anthropic_messages`, or the format
                is none.
        """

@final
class AnswerTold:
    """What is known of an answer, however it goes on."""

    @property
    def usage(self) -> AnswerUsage: ...
    @property
    def stop_reason(
        self,
    ) -> Literal["stop", "length", "refusal", "tool_calls", "pause", "other"]: ...
    @property
    def model(self) -> str:
        """As the provider names it; empty if it did not."""
    @property
    def json(self) -> str | None:
        """The JSON that was asked for, once the answer has ended with it."""

@final
class Refusal:
    """What an answer other than 200 means."""

    @property
    def kind(self) -> str:
        """A word such as `rate_limit` or `credit`."""
    @property
    def blame(self) -> Literal["caller", "operator", "rate", "provider"]: ...

def check_schemas(schemas: Sequence[str]) -> tuple[int, str] | None:
    """Which of a request's JSON schemas is not usable, and why, in English; None when all are."""

def is_json_object(text: str) -> bool:
    """Whether a text is one JSON object, as strictly as a model's own arguments are read."""

def unfenced(text: str) -> str:
    """The JSON that a text is, without white space or a markdown fence around it."""

def refusal_of(status: int, body: bytes) -> Refusal:
    """Classify by the status and, where it says more, the JSON body."""

# Stored rows

@final
class Shape:
    """How a column's text is read: JSON, but for a word of a list, which stands as it is.

    What is not of the shape is a `ValueError`, whatever makes it find it so.
    """

    @staticmethod
    def plain() -> Shape:
        """A text, a whole number or a truth value."""
    @staticmethod
    def truth() -> Shape:
        """A truth value, which a database may have as a number."""
    @staticmethod
    def word(members: dict[str, Any]) -> Shape:
        """One of these, by its text."""
    @staticmethod
    def number(members: dict[int, Any]) -> Shape:
        """One of these, by its number."""
    @staticmethod
    def many(each: Shape) -> Shape:
        """A tuple of what all have one shape."""
    @staticmethod
    def record(make: Callable[..., object], shapes: Sequence[Shape]) -> Shape:
        """What `make` returns for a list's values, by position; each has a shape of its own."""
    @staticmethod
    def later(read: Callable[[str], object]) -> Shape:
        """An `Unread` of the value's JSON, for what few ask for."""
    def read(self, text: str) -> Any:
        """Read a column's text."""

@final
class Unread:
    """A JSON text, and what reads it."""

    def read(self) -> Any:
        """Read it. Nothing is kept: each call makes what it says anew."""

@final
class RowReader:
    """Makes the rows of one table."""

    def __new__(cls, make: Callable[..., object], shapes: Sequence[Shape | None]) -> RowReader:
        """Make rows by `make`, by position, of columns: those without a shape as they are."""
    def read(self, values: Sequence[object]) -> Any:
        """Make a row of what a driver gives. None stays None."""

@final
class RowReaders:
    """Makes the rows of all tables."""

    def __new__(cls, readers: dict[str, RowReader]) -> RowReaders:
        """Make them by each table's name."""

# What callers are answered with

class _LaneReport(Protocol):
    """How one lane went; lane and status by their names on the wire."""

    @property
    def lane(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def duration_us(self) -> int: ...
    @property
    def summary(self) -> str: ...

class _Asked(Protocol):
    """What is known of a query before it is recorded; words by their names on the wire."""

    @property
    def request_id(self) -> str: ...
    @property
    def identity_id(self) -> str: ...
    @property
    def principal_type(self) -> str: ...
    @property
    def principal_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def lanes(self) -> Sequence[_LaneReport]:
        """Those that have ended, in any order."""
    @property
    def intents(self) -> Sequence[str]: ...
    @property
    def detected_intents(self) -> Sequence[str]: ...
    @property
    def sphere(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def action_digest(self) -> bytes: ...
    @property
    def context_hash(self) -> bytes: ...
    @property
    def thread_id(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def labels(self) -> Sequence[tuple[str, str]]: ...
    @property
    def route_snapshot(self) -> bytes:
        """As `snapshot_message` takes it."""

class _Usage(Protocol):
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_read_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...
    @property
    def cache_write_hour_tokens(self) -> int: ...

class _StoredPart(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int:
        """In bytes of UTF-8."""

class _QueryRow(_Asked, Protocol):
    """A query's row."""

    @property
    def checkpoint_id(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def chain(self) -> Sequence[str]:
        """`provider/model` in the order in which they are tried."""
    @property
    def stop_reason(self) -> str: ...
    @property
    def output_cap(self) -> int: ...
    @property
    def usage(self) -> _Usage: ...
    @property
    def cost_nanousd(self) -> int: ...
    @property
    def estimated(self) -> bool: ...
    @property
    def event_count(self) -> int: ...
    @property
    def output_length(self) -> int:
        """In bytes of UTF-8, over all parts."""
    @property
    def output_parts(self) -> Sequence[_StoredPart]: ...
    @property
    def output_format(self) -> str:
        """`text` or `json`."""
    @property
    def created_us(self) -> int: ...
    @property
    def updated_us(self) -> int: ...
    @property
    def ended_us(self) -> int:
        """0 before it has ended."""

class _Said(Protocol):
    """A part of an answer; what its kind does not have is empty."""

    @property
    def kind(self) -> str:
        """`text`, `tool_call` or `reasoning`."""
    @property
    def text(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def call_id(self) -> str: ...
    @property
    def signature(self) -> str: ...
    @property
    def redacted(self) -> str: ...

def query_message(row: _QueryRow, *, outcome: bytes) -> bytes:
    """A `chenu.api.pipeline.v1.Query` with all seven lanes. `outcome` is an `Outcome`, or nothing.

    Raises:
        ValueError: A word is none of its list.
        OverflowError: A number does not fit its field.
    """

def asked_message(asked: _Asked) -> bytes:
    """A `Query` of what was only asked about: without times, route and money.

    Raises:
        ValueError: A word is none of its list.
    """

def answered_message(row: _QueryRow, parts: Sequence[_Said] | None, *, bytes_max: int) -> bytes:
    """A `Query` as field 1 and its `Answer` as field 2, of any message that has both.

    With `None` the answer tells nothing of its parts. What does not fit in `bytes_max` is left out
    as a whole, and the answer says so.

    Raises:
        ValueError: A word is none of its list.
        OverflowError: A number does not fit its field.
    """

def snapshot_message(packed: bytes) -> bytes:
    """A `RoutingSnapshot` of the names of catalogue, prices and signals, 8 bytes each."""

def stop_reason(word: str) -> int:
    """The `StopReason` of a provider's word for why it stopped."""

# Governed operations

_Values = tuple[int | bool | str | bytes, ...]
_Fetch = tuple[str, str | None, bool, Rows, list[int]]
_Ran = tuple["Batch", tuple[int, int], int, int, str | None] | tuple[str, str]

def tables() -> list[tuple[str, list[str]]]:
    """The tables of governed rows: the name of each, and its columns in order."""

@final
class Rules:
    """What every decision of a process is made by: `core_rs/operation/src/rules.rs`, by field."""

    def __new__(cls, plain: Mapping[str, object]) -> Rules:
        """Take the fields as plain values.

        Raises:
            ValueError: One is missing or of another kind.
        """

@final
class Command:
    """Something that is asked: `core_rs/operation/src/command`, by its name and its fields."""

    def __new__(cls, plain: Mapping[str, object], rules: Rules) -> Command:
        """Take a mapping of the command's name to its fields; bytes are bytes or their hex.

        Raises:
            ValueError: A field is missing or of another kind.
        """

    @property
    def name(self) -> str:
        """Names its failpoints and metrics."""

    def leave(self) -> None:
        """Nobody waits for it any more: unless it is under way, it is not decided."""

@final
class Completions:
    """What threads without the interpreter have finished, for one event loop to take in."""

    def __new__(cls) -> Completions: ...
    def fileno(self) -> int:
        """What becomes readable once there is something to take in."""

    def send(self, call: Callable[[], object]) -> None:
        """Have the loop call this, from whichever thread."""

    def drain(self) -> None:
        """Call all that has come, in order; what one raises keeps none of the others."""

@final
class Intake:
    """What waits for the writer's thread: commands with a caller, and notes without one.

    Filled by the event loop, emptied by one thread. With each comes what Python knows of it.
    """

    def __new__(
        cls,
        *,
        queue_max: int,
        notes_max: int,
        batch_max: int,
        loop_within_ms: int,
        gather_within_ms: int,
    ) -> Intake:
        """Take how many may wait, how many are taken at once, and how long others are waited for.

        `loop_within_ms` is for the loop to take in a batch's answers, `gather_within_ms` for
        others to join a batch.
        """

    def __len__(self) -> int:
        """How many commands wait."""

    def put(self, command: Command, whose: object) -> bool:
        """Queue a command; False when as many wait as may."""

    def put_note(self, command: Command, whose: object) -> bool:
        """Queue a note for the next batch; False when as many wait as may, and it is lost."""

    def wake_for_notes(self) -> None:
        """Take the notes that still wait, in a batch of their own if need be."""

    def answered(self) -> None:
        """The event loop has taken in the last batch's answers."""

    def close(self) -> None:
        """Let `take` end once everything queued before has been taken."""

    def take(self, within_s: float) -> list[Any] | None:
        """What came with whatever waits now, notes first; None once it is closed and empty.

        The list is empty when the time passed. Never called by two threads.
        """

def failpoints_armed(are: bool) -> None:
    """From now on what is taken is handed to Python before it is begun, or no longer."""

@final
class CallLimits:
    """How long a call may take: in all, to connect, to say something first, and from then on."""

    def __new__(
        cls,
        *,
        timeout_us: int,
        connect_timeout_ms: int,
        first_event_timeout_ms: int,
        between_events_timeout_ms: int,
    ) -> CallLimits: ...

@final
class Destination:
    """Where requests are sent, and the headers that all of them have: read once for all of them."""

    def __new__(cls, url: str, headers: Sequence[tuple[str, str]]) -> Destination:
        """
        Raises:
            ValueError: The URL or a header cannot be sent; neither is quoted.
        """

@final
class Upstream:
    """The connections to one provider: bounded, kept for the next call, without cookies.

    A thread of its own does the calls, one for the process; it never holds the interpreter.
    """

    def __new__(
        cls,
        completions: Completions,
        *,
        proxy: str | None = None,
        proxy_authorization: str | None = None,
        certificates: bytes | None = None,
    ) -> Upstream:
        """Open nothing yet; `completions` is emptied by the loop that calls.

        Args:
            proxy: The URL of what all goes through, without user and password.
            proxy_authorization: The header's value, if the proxy wants one.
            certificates: In PEM, whom to trust instead of whom the machine does.

        Raises:
            ValueError: The proxy's URL is none, or there are no certificates.
            OSError: The process may have no further thread.
        """
    def ask(
        self,
        to: Destination,
        body: bytes,
        form: AnswerForm,
        limits: CallLimits,
        on_dispatch: Callable[[int], object],
    ) -> UpstreamCall:
        """Send a request, once: it is never repeated or redirected, and nothing is decoded of it.

        `on_dispatch` is called when its first byte has left, by the loop's next turn or by the
        next look at the call, with that moment by `time.monotonic_ns`.
        """
    def fetch(self, to: Destination, limits: CallLimits, bytes_max: int) -> UpstreamCall:
        """Get what is no answer of a model, whatever its status: so much of its body is kept.

        Raises:
            ValueError: The URL or a header cannot be sent; neither is quoted.
        """
    def close(self) -> None:
        """Close all connections: calls that are under way fail, and further ones."""

@final
class UpstreamCall:
    """A call on its way. Ends with the object, too."""

    def take(self) -> AnswerPiece | None:
        """What has come since the last look; None if nothing has."""
    def wake(self, future: object) -> bool:
        """Have the future resolved once something has come; False: it has, take it."""
    @property
    def is_settled(self) -> bool:
        """Whether its connection was kept or closed; a moment behind the end of a whole answer."""
    @property
    def dispatched(self) -> bool:
        """Whether its first byte has left."""
    @property
    def status(self) -> int | None:
        """Of the answer, once its head has come."""
    def header(self, name: str) -> str:
        """Of the answer; empty if it has none of that name."""
    @property
    def body(self) -> bytes:
        """What was kept of a refusal, or fetched. Each look makes a copy."""
    def told(self) -> AnswerTold | None:
        """What is known of the answer; None while there is none of status 200."""
    def close(self) -> None:
        """Leave the call: what has not left will not, and a connection not read out is closed."""

@final
class Clock:
    """What is known of the batches' time."""

    def __new__(cls) -> Clock: ...
    def tell(self, clock_us: int, mono_ns: int, last_us: int) -> tuple[int, int, int]:
        """Give a batch its time, Unix microseconds: and how far its clock is behind, and jumped.

        `clock_us` is the database's clock at the monotonic `mono_ns`, `last_us` the time of the
        last batch that recorded anything.
        """

    def at(self, mono_ns: int) -> int | None:
        """Return what a batch's time would be then; None before the first one."""

@final
class Rows:
    """Rows as drivers take them: value by value, or as the parameters of PostgreSQL's statement."""

    def __new__(cls, rows: Sequence[Sequence[object]]) -> Rows:
        """Take rows to be written: one value by value, more of them as an array for each column.

        Raises:
            TypeError, OverflowError: A value is no text, bytes, truth or number of 64 bits.
        """

    @staticmethod
    def arrays(keys: Sequence[Sequence[object]], counts: Sequence[int] | None = None) -> Rows:
        """Take keys to be found: always as arrays, with one of counts if there are any.

        Raises:
            TypeError, OverflowError: As above.
        """

    def __len__(self) -> int: ...
    @property
    def values(self) -> list[_Values]:
        """Value by value."""

    @property
    def parameters(self) -> list[bytes]:
        """As PostgreSQL takes them, in its binary format.

        Raises:
            ValueError: Rows differ in width or in kinds of values, or there is too much.
        """

@final
class Ending:
    """How a batch ends: the head that its entries are sealed behind, who writes, and its own id."""

    def __new__(
        cls,
        *,
        origin: str,
        ledger_number: int,
        size: int,
        head: bytes,
        writer_id: str,
        batch_id: str,
    ) -> Ending:
        """Take what the chain says of itself.

        Raises:
            ValueError: The head is not 32 bytes.
        """

@final
class Batch:
    """Commands that are decided and committed together, on rows as their tables have them."""

    def __new__(cls, now_us: int, mono_ns: int, ledger_number: int) -> Batch:
        """Begin a batch at a time: Unix microseconds, and the monotonic clock at that moment."""

    def copy(self) -> Batch:
        """Return the batch as it stands; what is decided on it is not decided here."""

    def decide(
        self,
        commands: Sequence[Command],
        fetch: Callable[[list[_Fetch]], Sequence[Sequence[Sequence[object]]]],
        ending: Ending | None = None,
    ) -> list[tuple[str, Rows]]:
        """Decide commands behind those before, in order; those that were left are left out.

        Returns what they leave, by table; with `ending`, and if the batch has left anything, the
        rows that end it too, and then no other may follow.

        `fetch` is given table, look-up or None, whether it only counts, keys, and how many rows of
        each; a row of a look-up, and a count, begins with the place of its key. What it raises is
        raised here.

        Raises:
            ValueError: The chain is full, or a text too long for it.
        """

    def leave_out(self) -> None:
        """Leave the next command out: its statements failed."""

    def stands(self, place: int) -> bool:
        """Whether the command at a place was decided, and what it left stands."""

    def take(self, place: int, readers: RowReaders) -> tuple[str, list[Any], Any] | str | None:
        """Tell once what a command came to: kind of answer, rows that it shows, all else.

        A row that is a number is the one at this place among the published ones. A text is the bug
        that the command was dropped for; None: it was left out.
        """

    def has_left_nothing(self) -> bool:
        """Whether neither a row nor an entry was left."""

    def published(self, readers: RowReaders) -> list[Any]:
        """Make the rows that followers of operations are given, in order.

        Where one cannot be read stands the exception that says why.
        """

    def entries(
        self,
    ) -> list[tuple[str, str, str, str, str, tuple[str, ...], str, str, str, str]]:
        """Fields of each ledger entry: from its decision to its payload."""

_Statements = tuple[
    Sequence[str],
    Sequence[str],
    Mapping[str, Sequence[str]],
    Mapping[str, str],
    Mapping[str, str],
]

def sqlite_entry_point() -> int:
    """Return the address that SQLite is to be told of (`sqlite3_auto_extension`)."""

def has_sqlite() -> bool:
    """Whether SQLite has told its functions."""

@final
class SqliteSession:
    """A connection to a file that runs one batch after the other, never taking the interpreter."""

    def __new__(
        cls,
        *,
        file: Path,
        pragmas: Sequence[str],
        tables: Mapping[str, _Statements],
        head: str,
    ) -> SqliteSession:
        """Open an existing file, with the statements of its tables and the one for the head.

        Raises:
            ValueError: It cannot be opened, or SQLite has not told its functions.
        """

    def run(
        self,
        *,
        commands: Sequence[Command],
        names: tuple[int, str, str, str],
        clock: Clock,
        shift_us: int,
        before_commit: Callable[[], object] | None,
    ) -> _Ran:
        """Decide and commit: the batch, its time, how far the clock is behind, and jumped.

        The text behind them is why COMMIT failed, if it did: the batch happened or it did not.
        `names` are the ledger's number, what a new one is called, the writer and the batch;
        `shift_us` is by how much the clock is set wrong. Two texts: what failed before, and why.
        """

    def serve(
        self,
        intake: Intake,
        *,
        names: tuple[int, str, str],
        clock: Clock,
        completions: Completions,
        answer: Callable[[list[Any], Batch, tuple[int, int]], object],
        odd: tuple[bool, int],
        within_s: tuple[float, float, float],
    ) -> tuple[
        Literal["closed", "due", "handed", "ran"],
        tuple[()] | tuple[list[Any]] | tuple[list[Any], str, _Ran],
        float | None,
    ]:
        """Commit batch after batch, until something has to be done otherwise.

        Each is given to `answer`, in the loop that takes in the completions, with its jobs and
        its time. A batch comes back where its clock jumps by more than the microseconds of `odd`,
        or begins or ends to be as far behind, as it says whether it was. `within_s` is the time
        until something else is due, and until it is doubtful whether a commit is possible: from
        now on, and behind a commit.

        Returns:
            Why it ended; the jobs that are left, for "ran" with their batch's id and what `run`
            would have returned; and how many seconds ago the last batch was committed, if one was.
        """

    def close(self) -> None:
        """Close the connection."""
