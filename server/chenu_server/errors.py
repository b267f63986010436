"""Refusals and failures that a caller may see: one class per reason.

A refusal that changes what is stored is a value inside its command; it becomes
one of these at the service's edge.

Generated from `proto/` by `make proto`: change it there.
"""

from __future__ import annotations

from typing import Final

from chenu_server.reasons import Reason
from chenu_server.refusal import Asking as Asking
from chenu_server.refusal import ChenuError as ChenuError
from chenu_server.refusal import Retryable as Retryable
from chenu_server.refusal import TokenRefused as TokenRefused
from chenu_server.values import dataclass


@dataclass(eq=False)
class TokenMissing(TokenRefused):
    """The call carries no bearer token."""

    reason = Reason.TOKEN_MISSING


@dataclass(eq=False)
class TokenInvalid(TokenRefused):
    """The token does not verify."""

    reason = Reason.TOKEN_INVALID


@dataclass(eq=False)
class TokenExpired(TokenRefused):
    """The token's time is over."""

    reason = Reason.TOKEN_EXPIRED


@dataclass(eq=False)
class RoleRequired(ChenuError):
    """The caller lacks the role, or is not the type of principal, that the rpc needs."""

    reason = Reason.ROLE_REQUIRED
    role: str
    principal_type: str = ""


@dataclass(eq=False)
class IdentityBoundaryViolation(ChenuError):
    """The call reached for something outside its identity."""

    reason = Reason.IDENTITY_BOUNDARY_VIOLATION
    violation_id: str


@dataclass(eq=False)
class PolicyDenied(ChenuError):
    """A policy forbids the query, or none permits it."""

    reason = Reason.POLICY_DENIED
    policies: tuple[str, ...]


@dataclass(eq=False)
class CheckpointPending(Asking):
    """A person must approve before the query runs."""

    reason = Reason.CHECKPOINT_PENDING
    request_id: str
    checkpoint_id: str
    types: tuple[str, ...]
    action: str
    action_digest: str
    expires_at: str


@dataclass(eq=False)
class CheckpointRejected(ChenuError):
    """A person said no."""

    reason = Reason.CHECKPOINT_REJECTED
    checkpoint_id: str


@dataclass(eq=False)
class CheckpointExpired(ChenuError):
    """Nobody decided in time, or the approval was not used in time."""

    reason = Reason.CHECKPOINT_EXPIRED
    checkpoint_id: str


@dataclass(eq=False)
class CheckpointCancelled(ChenuError):
    """The checkpoint was withdrawn together with its query."""

    reason = Reason.CHECKPOINT_CANCELLED
    checkpoint_id: str


@dataclass(eq=False)
class CheckpointAlreadyResolved(ChenuError):
    """Someone else resolved the checkpoint first."""

    reason = Reason.CHECKPOINT_ALREADY_RESOLVED
    checkpoint_id: str
    winner: str
    state: str


@dataclass(eq=False)
class SelfApproval(ChenuError):
    """The checkpoint needs somebody else."""

    reason = Reason.SELF_APPROVAL
    checkpoint_id: str


@dataclass(eq=False)
class QueryState(ChenuError):
    """The query is in a state in which this cannot be done."""

    reason = Reason.QUERY_STATE
    request_id: str
    state: str


@dataclass(eq=False)
class BudgetExhausted(ChenuError):
    """A budget cannot cover the query's dearest bound, or the amount of a reservation."""

    reason = Reason.BUDGET_EXHAUSTED
    scope: str
    budget_id: str = ""


@dataclass(eq=False)
class BudgetRequired(ChenuError):
    """No budget applies, and this server runs nothing without one."""

    reason = Reason.BUDGET_REQUIRED


@dataclass(eq=False)
class PriceUnknown(ChenuError):
    """No price is known for any model that fits, so the cost has no bound."""

    reason = Reason.PRICE_UNKNOWN
    models: tuple[str, ...] = ()


@dataclass(eq=False)
class BudgetExists(ChenuError):
    """There is a budget of this scope and period already."""

    reason = Reason.BUDGET_EXISTS
    budget_id: str


@dataclass(eq=False)
class BudgetInUse(ChenuError):
    """Money is reserved on the budget, so it cannot be deleted."""

    reason = Reason.BUDGET_IN_USE
    budget_id: str


@dataclass(eq=False)
class EtagMismatch(ChenuError):
    """The resource has changed since it was read."""

    reason = Reason.ETAG_MISMATCH
    etag: str


@dataclass(eq=False)
class RateLimited(Retryable):
    """This call broke its identity's limit (`limit` names it)."""

    reason = Reason.RATE_LIMITED
    limit: str


@dataclass(eq=False)
class IdentityBlocked(Retryable):
    """The identity broke its limit before and is still blocked."""

    reason = Reason.IDENTITY_BLOCKED


@dataclass(eq=False)
class QueueFull(Retryable):
    """As many calls as may wait for this provider wait already."""

    reason = Reason.QUEUE_FULL
    provider: str


@dataclass(eq=False)
class DeadlineUnreachable(Retryable):
    """The provider has no room before the caller's deadline."""

    reason = Reason.DEADLINE_UNREACHABLE
    provider: str


@dataclass(eq=False)
class ServerOverloaded(Retryable):
    """The server has as much of `resource` in hand as it takes."""

    reason = Reason.SERVER_OVERLOADED
    resource: str


@dataclass(eq=False)
class NoRoute(ChenuError):
    """No model satisfies the hard constraints."""

    reason = Reason.NO_ROUTE
    exclusions: tuple[str, ...]
    count: int
    missing: tuple[str, ...] = ()


@dataclass(eq=False)
class ProviderUnavailable(ChenuError):
    """Every candidate was tried and failed before its first token."""

    reason = Reason.PROVIDER_UNAVAILABLE
    attempts: tuple[str, ...]
    retry_at_us: int = 0


@dataclass(eq=False)
class ProviderRejected(ChenuError):
    """The provider refused the request itself."""

    reason = Reason.PROVIDER_REJECTED
    provider: str
    kind: str


@dataclass(eq=False)
class StreamTruncated(ChenuError):
    """The provider's stream ended without its terminator after text had been sent."""

    reason = Reason.STREAM_TRUNCATED
    provider: str
    output_length: int


@dataclass(eq=False)
class ExecutionInterrupted(ChenuError):
    """The server died after dispatch."""

    reason = Reason.EXECUTION_INTERRUPTED
    request_id: str


@dataclass(eq=False)
class QueryCancelled(ChenuError):
    """The query was cancelled, or abandoned by its caller."""

    reason = Reason.QUERY_CANCELLED
    request_id: str


@dataclass(eq=False)
class DeadlineExceeded(ChenuError):
    """The query's own deadline passed while it ran."""

    reason = Reason.DEADLINE_EXCEEDED
    request_id: str


@dataclass(eq=False)
class GovernanceUnavailable(ChenuError):
    """A decision, or a query's end, cannot be recorded now."""

    reason = Reason.GOVERNANCE_UNAVAILABLE


@dataclass(eq=False)
class RequestIdConflict(ChenuError):
    """The request_id was used for other content, or by another principal of the identity."""

    reason = Reason.REQUEST_ID_CONFLICT
    request_id: str


@dataclass(eq=False)
class InvalidField(ChenuError):
    """A field's value is not one that this rpc takes."""

    reason = Reason.INVALID_FIELD
    field: str
    problem: str


@dataclass(eq=False)
class RequestTooLarge(ChenuError):
    """The request has more bytes than this rpc takes."""

    reason = Reason.REQUEST_TOO_LARGE
    limit_bytes: int


@dataclass(eq=False)
class NotFound(ChenuError):
    """The catalogue, which belongs to no identity, has no such thing."""

    reason = Reason.NOT_FOUND
    kind: str
    name: str


@dataclass(eq=False)
class SlowConsumer(ChenuError):
    """The reader held one message up for longer than the server waits."""

    reason = Reason.SLOW_CONSUMER
    sequence: int


@dataclass(eq=False)
class Internal(ChenuError):
    """A bug."""

    reason = Reason.INTERNAL


@dataclass(eq=False)
class CheckpointLimit(ChenuError):
    """As many of the identity's checkpoints wait for a person as may; `limit` is how many."""

    reason = Reason.CHECKPOINT_LIMIT
    limit: int


@dataclass(eq=False)
class BudgetFrozen(ChenuError):
    """A budget was overrun by more than 1 % of its limit."""

    reason = Reason.BUDGET_FROZEN
    scope: str
    budget_id: str = ""


@dataclass(eq=False)
class ToolCallInvalid(ChenuError):
    """The model called a tool in a way that cannot be passed on."""

    reason = Reason.TOOL_CALL_INVALID
    provider: str
    tool: str
    problem: str


@dataclass(eq=False)
class ToolCallCancelled(ChenuError):
    """The proposed call was withdrawn before it was taken."""

    reason = Reason.TOOL_CALL_CANCELLED
    call_id: str


@dataclass(eq=False)
class ReleaseExpired(ChenuError):
    """The release's time is over."""

    reason = Reason.RELEASE_EXPIRED
    call_id: str


@dataclass(eq=False)
class ReleaseUsed(ChenuError):
    """The release was redeemed before, by this caller or by another."""

    reason = Reason.RELEASE_USED
    call_id: str


@dataclass(eq=False)
class ReleaseInvalid(ChenuError):
    """What was sent is no release of this gateway for this tool, audience and arguments."""

    reason = Reason.RELEASE_INVALID
    problem: str


@dataclass(eq=False)
class ReleaseUnavailable(ChenuError):
    """This server has no key to sign releases with."""

    reason = Reason.RELEASE_UNAVAILABLE


@dataclass(eq=False)
class OutputInvalid(ChenuError):
    """The model's output is not the JSON that was asked for."""

    reason = Reason.OUTPUT_INVALID
    provider: str
    problem: str


@dataclass(eq=False)
class ReservationNotHeld(ChenuError):
    """The reservation's money is not held, so it can be neither spent nor posted."""

    reason = Reason.RESERVATION_NOT_HELD
    request_id: str
    state: str


_OF: Final[dict[Reason, type[ChenuError]]] = {
    found.reason: found
    for found in tuple(globals().values())
    if isinstance(found, type) and issubclass(found, ChenuError) and hasattr(found, "reason")
}


def of(reason: Reason) -> type[ChenuError]:
    """The error of a reason."""
    return _OF[reason]
