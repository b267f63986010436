"""What the pipeline offers, and what it needs from governance, storage and providers."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, Protocol

from chenu_server.caller import Caller, Principal
from chenu_server.command import Key, Moment
from chenu_server.engine import Prompt
from chenu_server.errors import CheckpointPending
from chenu_server.pipeline.conversation import Medium, Part
from chenu_server.pipeline.model import (
    Analysis,
    Candidate,
    Encoded,
    LaneReport,
    Outcome,
    QueryRequest,
    Route,
    Snapshot,
    TokenUsage,
)
from chenu_server.pipeline.records import (
    Attempt,
    EventSegment,
    Operation,
    OutputChunk,
    QueryContent,
)
from chenu_server.providers.ports import Provider
from chenu_server.values import dataclass, field
from chenu_server.vocabulary import QueryStatus

# --- governance: what it is asked, and what it answers ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Lane D's question: whether this query may run now, for at most this much."""

    caller: Caller
    request: QueryRequest
    content_digest: bytes
    content: QueryContent
    analysis: Analysis
    snapshot: Snapshot
    encoded: Encoded
    deadline_ms: int
    lanes: tuple[LaneReport, ...]
    lane_started_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Yes, and it is durable: the first candidate of `chain` may be called, now."""

    query: Operation
    attempt: Attempt
    chain: tuple[Candidate, ...]
    output_cap: int
    moment: Moment
    slot_free_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A person must approve first; nothing ran."""

    query: Operation
    pending: CheckpointPending


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """It ended in this command; the query's outcome says why."""

    query: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A slot is all that is missing; nothing was written.

    The times at which the next ones are free ascend; there are none if none was to be taken.
    """

    free_times_us: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The id was used before by this principal for this very request."""

    query: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Another id's query waits for a person with this very action; this id is its name now, too."""

    query: Operation


@dataclass(frozen=True, slots=True)
class Full:
    """As many of the identity's checkpoints are pending as may be; nothing was written."""

    limit: int


@dataclass(frozen=True, slots=True)
class FilesGone:
    """A file of the query is not stored any more; nothing was written."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The id was used for something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotResumable:
    """The query is not approved (any more); nothing was written."""

    query: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt went. `charge_nanousd` is what is posted for it."""

    attempt: Attempt
    usage: TokenUsage
    charge_nanousd: int
    estimated: bool
    failure: str
    duration_us: int
    stop_reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAttempt:
    """An attempt failed before its first token: whether `chain[0]` may be called now."""

    query: Operation
    ended: AttemptEnd
    chain: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class TooDear:
    """The budgets do not cover the first candidate that is left; nothing was written."""


@dataclass(frozen=True, slots=True)
class NotHeld:
    """The money is held no more: another has ended the query. Nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Lane G: how the query ended and what it used. `ended` is None if nothing executes."""

    query: Operation
    status: QueryStatus
    outcome: Outcome
    ended: AttemptEnd | None
    output: tuple[Part, ...]
    execution_us: int
    lane_started_ns: int
    proposing: Proposing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposing:
    """Whose answer proposes calls, as policies see it.

    `providers` are the names of who gave it; `schemas` those of the operator's, by tool, that its
    calls were held to.
    """

    caller: Caller
    request: QueryRequest
    analysis: Analysis
    snapshot: Snapshot
    providers: tuple[str, ...]
    schemas: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """An approved query's question: whether exactly this may run now."""

    caller: Caller
    query: Operation
    request: QueryRequest
    analysis: Analysis
    snapshot: Snapshot
    encoded: Encoded
    deadline_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What lanes A to E would have said; nothing was done."""

    checkpoint_types: tuple[str, ...]
    denial: Outcome
    lanes: tuple[LaneReport, ...]


class Governance(Protocol):
    """Every decision about a query, each one command. `operations/` implements it."""

    async def admit(
        self, admission: Admission, *, take_slot: bool
    ) -> Admitted | Blocked | Closed | Wait | Known | Attached | Full | FilesGone | Conflict:
        """Claim the id, decide, and write all of it, or answer `Wait` and write nothing.

        Without `take_slot`, because others wait, what may run is told to wait too.
        """
        ...

    async def validate(self, admission: Admission) -> Validation:
        """Decide as `admit` would; write one entry so marked and nothing else."""
        ...

    async def retry(self, following: NextAttempt) -> Admitted | TooDear | NotHeld | Wait:
        """Close the failed attempt and admit the first candidate that is left, in one command."""
        ...

    async def consume(
        self, resumption: Resumption, *, take_slot: bool
    ) -> Admitted | Closed | NotResumable | Wait:
        """Use an approval, once, in the command that writes the `execute` entry."""
        ...

    async def settle(self, settlement: Settlement) -> Operation:
        """Post or void the money, store the output, close the query."""
        ...

    async def cancel(self, query: Operation, by: Principal, reason: str) -> Operation:
        """Cancel a query that waits for a person; another is returned as it is."""
        ...

    def dispatched(self, admitted: Admitted, mono_ns: int) -> None:
        """The attempt's first byte left at this monotonic time."""
        ...

    async def hold_back(self, provider: str, told_ns: int, wait_ms: int) -> None:
        """The provider said at this monotonic time that nobody should call it for so long."""
        ...

    async def readmit(self, admitted: Admitted) -> Admitted | Wait:
        """A slot anew, for an attempt that did not go out in time."""
        ...


# --- the rest of what the pipeline needs ------------------------------------------------------


class NewWorkLimit(Protocol):
    """Counts new work per identity; refuses by raising."""

    def arrive(self, identity_id: str) -> int:
        """
        Count one call here; the token to give it back.

        Raises:
            RateLimited: This call broke the limit.
            IdentityBlocked: The identity is still blocked.
        """
        ...

    def counting(self, identity_id: str, token: int) -> Awaitable[int]:
        """
        Begin to count it at every process that shares the limit; awaited, the token from then on.

        Raises:
            RateLimited, IdentityBlocked: When it is awaited; as `arrive`, by what came to all.
            GovernanceUnavailable, ServerOverloaded: Likewise: they cannot be asked now.
        """
        ...

    def give_back(self, identity_id: str, token: int) -> None:
        """Uncount a call whose id proved known."""
        ...


class Boundary(Protocol):
    """Refuses and records what reaches outside its identity."""

    async def refuse(self, caller: Caller, *, kind: str, id: str) -> NoReturn:
        """
        Record a `cross_identity_access` and refuse it.

        Raises:
            IdentityBoundaryViolation: Always.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFilter:
    """Which queries a page shows; `before` is the last one of the page before."""

    statuses: tuple[QueryStatus, ...]
    before: tuple[int, str] | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """All that is stored of a query's log, at one moment. Events and output are in order."""

    query: Operation | None
    segments: Sequence[EventSegment]
    chunks: Sequence[OutputChunk]


class HeldCalls(Protocol):
    """Ends what an answer proposed and nobody has released."""

    async def cancel(self, query: Operation, by: Principal, reason: str) -> None:
        """
        Cancel its calls that wait for a person, or for their approval to be used.

        Raises:
            GovernanceUnavailable: It cannot be recorded; some of them may have ended.
        """
        ...


class Stops(Protocol):
    """Tells the process that runs a query that somebody wants it to end."""

    def is_other(self, owner_id: str) -> bool:
        """Whether an owner is another process."""
        ...

    async def stop(self, owner_id: str, key: Key) -> None:
        """
        Have it stopped.

        Raises:
            GovernanceUnavailable: Nobody can be told now.
        """
        ...


class QueryStore(Protocol):
    """Queries as they are stored, read outside any command."""

    async def get(self, identity_id: str, request_id: str) -> Operation | None:
        """One query, by any of its ids, or None."""
        ...

    async def page(self, identity_id: str, wanted: QueryFilter) -> Sequence[Operation]:
        """Newest first."""
        ...

    async def whole(self, identity_id: str, request_id: str) -> Stored:
        """A query's row, by any of its ids, all its events and output: of one moment."""
        ...

    async def chunks(self, identity_id: str, request_id: str) -> Sequence[OutputChunk]:
        """The stored output, in order."""
        ...

    async def content(self, identity_id: str, request_id: str) -> QueryContent | None:
        """What the query was asked, or None."""
        ...

    async def pending(self, query: Operation) -> CheckpointPending:
        """The refusal that a blocked query answers."""
        ...

    async def free_times(self, provider: str, count: int) -> tuple[int, ...]:
        """When the first `count` slots of a provider are free, ascending."""
        ...


class Files(Protocol):
    """Where the images and documents of queries are stored."""

    def held(self, identity_id: str, files: Sequence[Medium]) -> AbstractAsyncContextManager[None]:
        """
        Files, one at least, are stored inside the block, and afterwards if a query uses them.

        Raises:
            GovernanceUnavailable, ServerOverloaded: They cannot be stored now.
        """
        ...

    def filled(
        self, identity_id: str, request: QueryRequest
    ) -> AbstractAsyncContextManager[QueryRequest]:
        """
        A stored request with the bytes of its files, which count as held inside the block.

        Raises:
            GovernanceUnavailable: One of them cannot be read.
            ServerOverloaded: There is no room for them.
        """
        ...


class Router(Protocol):
    """Which models may answer, best first."""

    def route(
        self,
        request: QueryRequest,
        prompt: Prompt,
        *,
        output_cap: int,
        ceiling: int,
        explained: bool,
    ) -> Route:
        """
        The chain, and if it is to be `explained` or there is none, why; a `ceiling` of 0 is none.

        Raises:
            NotFound: The preferred provider or model is not in the catalogue.
        """
        ...


Providers = Mapping[str, Provider]
