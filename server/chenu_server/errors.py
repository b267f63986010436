"""Refusals and failures that a caller may see. No transport, no storage: see infra/rpc/errors.py.

One class per reason of `chenu.api.errors.v1.ErrorReason`. A refusal that changes what is stored
is a value inside its unit of work; it becomes one of these at the service's edge.
"""

from __future__ import annotations

from datetime import UTC, datetime

from chenu_server.refusal import ChenuError as ChenuError
from chenu_server.refusal import Retry as Retry
from chenu_server.refusal import Retryable as Retryable
from chenu_server.values import dataclass

# --- who is calling ---------------------------------------------------------------------------


@dataclass(eq=False)
class TokenRefused(ChenuError):
    """Why a token was refused. For the log alone: a caller who guesses must not learn from it."""

    hidden = frozenset({"check", "issuer", "key_id", "subject"})
    check: str = ""
    issuer: str = ""
    key_id: str = ""
    subject: str = ""


@dataclass(eq=False)
class TokenMissing(TokenRefused):
    """The call carries no bearer token."""

    def __str__(self) -> str:
        return "no bearer token; send `authorization: Bearer <token>`"


@dataclass(eq=False)
class TokenInvalid(TokenRefused):
    """The token does not verify. The message does not say which check failed."""

    def __str__(self) -> str:
        return "the token is not valid for this server; ask your issuer for a new one"


@dataclass(eq=False)
class TokenExpired(TokenRefused):
    """The token's time is over."""

    def __str__(self) -> str:
        return "the token has expired; ask your issuer for a new one"


@dataclass(eq=False)
class RoleRequired(ChenuError):
    """The caller lacks the role, or is not the type of principal, that the rpc needs."""

    role: str
    principal_type: str = ""

    def __str__(self) -> str:
        if self.principal_type:
            return f"only a principal of type {self.principal_type!r} with role {self.role!r} may"
        return f"role {self.role!r} is needed in this identity"


@dataclass(eq=False)
class BoundaryViolation(ChenuError):
    """The call reached for something outside its identity; recorded under `violation_id`."""

    violation_id: str

    def __str__(self) -> str:
        return f"outside the caller's identity; recorded as {self.violation_id}"


# --- the decision -----------------------------------------------------------------------------


@dataclass(eq=False)
class PolicyDenied(ChenuError):
    """A policy forbids it, or none permits it."""

    policies: tuple[str, ...]

    def __str__(self) -> str:
        return f"denied by policy {', '.join(self.policies)}"


@dataclass(eq=False)
class CheckpointPending(ChenuError):
    """A person must approve first. The 423 of this service."""

    hidden = frozenset({"question", "question_fr"})
    request_id: str
    checkpoint_id: str
    types: tuple[str, ...]
    action: str
    action_digest: str
    expires_at: str
    question: str
    question_fr: str
    http_status: int = 423
    options: tuple[str, ...] = ("approve", "reject")

    def __str__(self) -> str:
        return f"waits for a person at checkpoint {self.checkpoint_id}: {self.question}"


@dataclass(eq=False)
class CheckpointRejected(ChenuError):
    """A person said no."""

    checkpoint_id: str

    def __str__(self) -> str:
        return f"checkpoint {self.checkpoint_id} was rejected"


@dataclass(eq=False)
class CheckpointExpired(ChenuError):
    """Nobody decided in time, or the approval was not used in time."""

    checkpoint_id: str

    def __str__(self) -> str:
        return f"checkpoint {self.checkpoint_id} has expired; ask again with a new request_id"


@dataclass(eq=False)
class CheckpointCancelled(ChenuError):
    """The checkpoint was withdrawn together with its query."""

    checkpoint_id: str

    def __str__(self) -> str:
        return f"checkpoint {self.checkpoint_id} was cancelled"


@dataclass(eq=False)
class CheckpointAlreadyResolved(ChenuError):
    """Someone else resolved it first."""

    checkpoint_id: str
    winner: str
    state: str

    def __str__(self) -> str:
        return f"checkpoint {self.checkpoint_id} is already {self.state} by {self.winner}"


@dataclass(eq=False)
class CheckpointLimit(ChenuError):
    """As many of the identity's checkpoints are pending as may be; nothing was recorded."""

    limit: int

    def __str__(self) -> str:
        return f"{self.limit} checkpoints of this identity wait for a person already"


@dataclass(eq=False)
class QueryState(ChenuError):
    """The query is in a state in which this cannot be done."""

    request_id: str
    state: str

    def __str__(self) -> str:
        return f"query {self.request_id} is {self.state}"


# --- money ------------------------------------------------------------------------------------


@dataclass(eq=False)
class BudgetExhausted(ChenuError):
    """A budget cannot cover the query's dearest bound. No amount is shown."""

    scope: str
    budget_id: str = ""

    def __str__(self) -> str:
        return f"the {self.scope} budget cannot cover this query"


@dataclass(eq=False)
class BudgetFrozen(ChenuError):
    """An overrun of more than 1 % has frozen a budget; a person or its period's end lifts it."""

    scope: str
    budget_id: str = ""

    def __str__(self) -> str:
        return f"the {self.scope} budget was overrun and is frozen; a budget_admin can unfreeze it"


@dataclass(eq=False)
class BudgetRequired(ChenuError):
    """No budget applies, and this server runs nothing without one."""

    def __str__(self) -> str:
        return "no budget applies to this query; a budget_admin can create one"


@dataclass(eq=False)
class PriceUnknown(ChenuError):
    """No price is known for any model that fits, so its cost has no bound."""

    models: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "no price is known for the models that fit; an operator can set one"


@dataclass(eq=False)
class BudgetExists(ChenuError):
    """There is a budget of this scope and period already."""

    budget_id: str

    def __str__(self) -> str:
        return f"budget {self.budget_id} covers this scope and period already; update it instead"


@dataclass(eq=False)
class BudgetInUse(ChenuError):
    """Money is reserved on the budget, so it cannot go."""

    budget_id: str

    def __str__(self) -> str:
        return f"budget {self.budget_id} holds reservations; try again when they have ended"


@dataclass(eq=False)
class EtagMismatch(ChenuError):
    """The resource has changed since it was read."""

    etag: str

    def __str__(self) -> str:
        return "it has changed since it was read; read it again and repeat"


# --- rate -------------------------------------------------------------------------------------


@dataclass(eq=False)
class RateLimited(Retryable):
    """This call broke its identity's limit; the identity is blocked for a while."""

    limit: str

    def __str__(self) -> str:
        return f"over the {self.limit} limit; retry in {self.retry_after_us / 1e6:.3f} s"


@dataclass(eq=False)
class IdentityBlocked(Retryable):
    """The identity broke its limit before and is still blocked."""

    def __str__(self) -> str:
        return f"this identity is blocked for {self.retry_after_us / 1e6:.3f} s more"


@dataclass(eq=False)
class QueueFull(Retryable):
    """As many calls as may wait for this provider wait already."""

    provider: str

    def __str__(self) -> str:
        return f"the queue for {self.provider} is full"


@dataclass(eq=False)
class DeadlineUnreachable(Retryable):
    """The provider has no room before the caller's deadline."""

    provider: str

    def __str__(self) -> str:
        wait_s = self.retry_after_us / 1e6
        return f"{self.provider} has no room before the deadline; retry in {wait_s:.3f} s"


@dataclass(eq=False)
class ServerOverloaded(Retryable):
    """The server has as much in hand as it takes."""

    resource: str

    def __str__(self) -> str:
        return f"the server has no room for more {self.resource}"


# --- routes and providers -----------------------------------------------------------------------


@dataclass(eq=False)
class NoRoute(ChenuError):
    """No model satisfies the hard constraints. At most 8 exclusions are told."""

    exclusions: tuple[str, ...]
    count: int
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        lacking = f"; some lack {', '.join(self.missing)}" if self.missing else ""
        return f"no model fits; {self.count} were excluded{lacking}"


@dataclass(eq=False)
class ProviderUnavailable(ChenuError):
    """Every candidate of the chain was tried and failed before its first token.

    `retry_at_us` is Unix time, and known only where all of them were throttled.
    """

    hidden = frozenset({"retry_at_us"})
    attempts: tuple[str, ...]
    retry_at_us: int = 0

    def metadata(self) -> dict[str, str]:
        """As the base, with the time as RFC 3339."""
        if not self.retry_at_us:
            return ChenuError.metadata(self)
        retry_at = datetime.fromtimestamp(self.retry_at_us / 1e6, UTC).isoformat()
        return ChenuError.metadata(self) | {"retry_at": retry_at}

    def __str__(self) -> str:
        return f"no provider answered: {', '.join(self.attempts)}"


@dataclass(eq=False)
class ProviderRejected(ChenuError):
    """The provider refused the request itself; another try would be refused too."""

    provider: str
    kind: str

    def __str__(self) -> str:
        return f"{self.provider} refused the request ({self.kind})"


@dataclass(eq=False)
class StreamTruncated(ChenuError):
    """The provider's stream ended without its terminator after text had been sent."""

    provider: str
    output_length: int

    def __str__(self) -> str:
        return f"{self.provider} cut the stream after {self.output_length} bytes"


@dataclass(eq=False)
class ToolCallInvalid(ChenuError):
    """The model called a tool in a way that cannot be passed on; its answer is whole, and charged.

    `problem` is `undeclared`, `provider_executed`, `arguments`, `schema`, `cut` or `duplicate_id`.
    """

    provider: str
    tool: str
    problem: str

    def __str__(self) -> str:
        return f"{self.provider} called the tool {self.tool!r} wrongly ({self.problem})"


@dataclass(eq=False)
class OutputInvalid(ChenuError):
    """The output is not the JSON that was asked for; the answer is whole, and charged.

    `problem` is `not_json`, `schema`, `cut` or `too_large`.
    """

    provider: str
    problem: str

    def __str__(self) -> str:
        return f"{self.provider} did not answer with the JSON that was asked for ({self.problem})"


@dataclass(eq=False)
class ExecutionInterrupted(ChenuError):
    """The server died after dispatch; whether the provider ran it is unknown."""

    request_id: str
    outcome_unknown: bool = True

    def metadata(self) -> dict[str, str]:
        """As the base, with the flag in the wire's spelling."""
        return {"request_id": self.request_id, "outcome_unknown": "true"}

    def __str__(self) -> str:
        return "the server stopped during execution; it is never run again by itself"


@dataclass(eq=False)
class QueryCancelled(ChenuError):
    """The query was cancelled by its caller, or abandoned by it."""

    request_id: str

    def __str__(self) -> str:
        return f"query {self.request_id} was cancelled"


@dataclass(eq=False)
class DeadlineExceeded(ChenuError):
    """The query's own deadline passed while it ran."""

    request_id: str

    def __str__(self) -> str:
        return f"query {self.request_id} ran out of time"


# --- the rest ---------------------------------------------------------------------------------


@dataclass(eq=False)
class GovernanceUnavailable(ChenuError):
    """The decision cannot be recorded, so the answer is no."""

    retry = Retry.YES

    def __str__(self) -> str:
        return "decisions cannot be recorded now, so nothing runs; try again"


@dataclass(eq=False)
class RequestIdConflict(ChenuError):
    """The id was used for other content, or by another principal."""

    request_id: str

    def __str__(self) -> str:
        return f"request_id {self.request_id} was used for something else; make a new one"


@dataclass(eq=False)
class InvalidField(ChenuError):
    """A field's value is not one that this rpc takes."""

    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


@dataclass(eq=False)
class RequestTooLarge(ChenuError):
    """The request has more bytes than this rpc takes."""

    limit_bytes: int

    def __str__(self) -> str:
        return f"a request holds at most {self.limit_bytes} bytes"


@dataclass(eq=False)
class NotFound(ChenuError):
    """No such thing in the catalogue, which belongs to no identity."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"there is no {self.kind} named {self.name!r}"


@dataclass(eq=False)
class SlowConsumer(ChenuError):
    """The reader of a stream did not keep up; attach again at its cursor."""

    retry = Retry.YES
    sequence: int

    def __str__(self) -> str:
        return f"the stream was not read fast enough after event {self.sequence}"


@dataclass(eq=False)
class InternalError(ChenuError):
    """A bug. The caller sees a fixed message; the stack stands in the log."""

    def __str__(self) -> str:
        return "internal error"
