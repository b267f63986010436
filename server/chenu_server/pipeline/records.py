"""What the pipeline stores: one row kind per table. No library but the engine."""

from __future__ import annotations

import enum

from chenu_server.caller import Principal
from chenu_server.command import Key
from chenu_server.engine import Unread
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import LaneReport, Outcome, TokenUsage
from chenu_server.pipeline.output import Heading, StoredPart
from chenu_server.values import dataclass, read_late
from chenu_server.vocabulary import OperationKind, PartKind, PrincipalType, QueryStatus


class AttemptState(enum.StrEnum):
    """`executing` until the provider's answer is settled; `interrupted` by a crash."""

    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked what. Under one id the same of both is the same query, anything else none."""

    principal: Principal
    content_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A governed operation's state. Small: it is written by every command of its life.

    A query is the first kind. Any other has the same row, without what only a model's call has.
    """

    identity_id: str
    request_id: str
    kind: OperationKind = OperationKind.QUERY
    principal_type: PrincipalType
    principal_id: str
    acting_for: tuple[str, ...]
    content_digest: bytes
    status: QueryStatus
    owner_id: str
    deadline_ms: int
    resume_on_approval: bool
    sphere: str
    mode: str
    intents: tuple[str, ...]
    detected_intents: tuple[str, ...]
    thread_id: str
    run_id: str
    labels: tuple[tuple[str, str], ...]
    action_digest: bytes
    context_hash: bytes
    checkpoint_id: str
    provider: str
    model: str
    chain: tuple[str, ...]
    stop_reason: str
    output_cap: int
    usage: TokenUsage
    cost_nanousd: int
    estimated: bool
    attempts: int
    lanes: tuple[LaneReport, ...]
    outcome: Outcome
    event_count: int
    output_length: int
    output_parts: tuple[StoredPart, ...] = ()
    output_format: str = "text"
    route_snapshot: bytes = b""  # 24 bytes: what its route was decided on, or nothing
    created_us: int
    updated_us: int
    ended_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.request_id)

    @property
    def principal(self) -> Principal:
        """Who asked."""
        return Principal(type=self.principal_type, id=self.principal_id)

    @property
    def asked(self) -> Asked:
        """Who asked what."""
        return Asked(self.principal, self.content_digest)


# Every command of a query tells its row, and its caller is shown the last one's reports.
read_late(Operation, "lanes", Unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAlias:
    """Another id of a query: it asked the identical action while that waited for a person.

    It stays one for ever, and never names a query of its own.
    """

    identity_id: str
    request_id: str
    first_request_id: str
    principal_type: PrincipalType
    principal_id: str
    content_digest: bytes
    created_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.request_id)

    @property
    def asked(self) -> Asked:
        """Who asked what under this id: the same action, in words that no approval binds."""
        principal = Principal(type=self.principal_type, id=self.principal_id)
        return Asked(principal, self.content_digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryContent:
    """What a resumed query runs on: the request and lanes A to C, as canonical JSON."""

    identity_id: str
    request_id: str
    request: str
    plan: str

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call of one provider. Written with its `execute` entry before any byte goes out."""

    identity_id: str
    request_id: str
    attempt: int
    state: AttemptState
    provider: str
    model: str
    slot: int
    bound_nanousd: int
    cost_nanousd: int
    estimated: bool
    rates_source: str
    usage: TokenUsage
    failure: str
    admitted_us: int
    ended_us: int
    provider_request_id: str = ""  # how the provider names the call, if it told so
    answered_model: str = ""  # that answered, as the provider names it, likewise

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.request_id, self.attempt)

    @property
    def names(self) -> dict[str, str]:
        """How its provider names the call and what answered it, as far as it told so."""
        told = {
            "provider_request_id": self.provider_request_id,
            "answered_model": self.answered_model,
        }
        return {name: text for name, text in told.items() if text}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSegment:
    """The events that one command committed; dense, starting at `first_sequence`."""

    identity_id: str
    request_id: str
    first_sequence: int
    events: tuple[Event, ...]

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.request_id, self.first_sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputChunk:
    """A piece of a part of an attempt's output, at its byte offset in the part.

    A part has at least one, which is empty if it has no bytes. Its first one alone tells a call's
    name and id, and a thought's proof: signature and redacted text, or nothing.
    """

    identity_id: str
    request_id: str
    attempt: int
    part: int
    offset: int
    text: str
    kind: PartKind = PartKind.TEXT
    name: str = ""
    call_id: str = ""
    proof: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.request_id, self.attempt, self.part, self.offset)

    @property
    def heading(self) -> Heading:
        """What its part is, if it is the first of it."""
        return Heading(self.kind, self.name, self.call_id)
