"""Refusals as gRPC statuses, in one table: every leaf of `ChenuError` has one row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu.api.errors.v1 import error_reason_pb2 as pb
from chenu_server import errors

DOMAIN: Final = "chenu"
DETAILS_BYTES_MAX: Final = 4_096
# Percent-encoded in one header and base64 in another, beside 4 KiB of details, this many bytes
# keep the trailers below the 8 KiB that clients accept by default.
MESSAGE_BYTES_MAX: Final = 400
# gRPC's own retries (gRFC A6) know statuses, not reasons; this header tells them more.
PUSHBACK: Final = "grpc-retry-pushback-ms"
NEVER: Final = "-1"

Cut = Callable[[str], str]
_Status = grpc.StatusCode

STATUS_OF: Final[
    dict[type[errors.ChenuError], tuple[grpc.StatusCode, pb.ErrorReason.ValueType]]
] = {
    errors.TokenMissing: (_Status.UNAUTHENTICATED, pb.ERROR_REASON_TOKEN_MISSING),
    errors.TokenInvalid: (_Status.UNAUTHENTICATED, pb.ERROR_REASON_TOKEN_INVALID),
    errors.TokenExpired: (_Status.UNAUTHENTICATED, pb.ERROR_REASON_TOKEN_EXPIRED),
    errors.RoleRequired: (_Status.PERMISSION_DENIED, pb.ERROR_REASON_ROLE_REQUIRED),
    errors.BoundaryViolation: (
        _Status.PERMISSION_DENIED,
        pb.ERROR_REASON_IDENTITY_BOUNDARY_VIOLATION,
    ),
    errors.PolicyDenied: (_Status.PERMISSION_DENIED, pb.ERROR_REASON_POLICY_DENIED),
    errors.CheckpointPending: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_CHECKPOINT_PENDING),
    errors.CheckpointRejected: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_CHECKPOINT_REJECTED),
    errors.CheckpointExpired: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_CHECKPOINT_EXPIRED),
    errors.CheckpointCancelled: (
        _Status.FAILED_PRECONDITION,
        pb.ERROR_REASON_CHECKPOINT_CANCELLED,
    ),
    errors.CheckpointAlreadyResolved: (
        _Status.ABORTED,
        pb.ERROR_REASON_CHECKPOINT_ALREADY_RESOLVED,
    ),
    errors.CheckpointLimit: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_CHECKPOINT_LIMIT),
    errors.QueryState: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_QUERY_STATE),
    errors.BudgetExhausted: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_BUDGET_EXHAUSTED),
    errors.BudgetFrozen: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_BUDGET_FROZEN),
    errors.BudgetRequired: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_BUDGET_REQUIRED),
    errors.PriceUnknown: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_PRICE_UNKNOWN),
    errors.BudgetExists: (_Status.ALREADY_EXISTS, pb.ERROR_REASON_BUDGET_EXISTS),
    errors.BudgetInUse: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_BUDGET_IN_USE),
    errors.EtagMismatch: (_Status.ABORTED, pb.ERROR_REASON_ETAG_MISMATCH),
    errors.RateLimited: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_RATE_LIMITED),
    errors.IdentityBlocked: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_IDENTITY_BLOCKED),
    errors.QueueFull: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_QUEUE_FULL),
    errors.DeadlineUnreachable: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_DEADLINE_UNREACHABLE),
    errors.ServerOverloaded: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_SERVER_OVERLOADED),
    errors.NoRoute: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_NO_ROUTE),
    errors.ProviderUnavailable: (_Status.UNAVAILABLE, pb.ERROR_REASON_PROVIDER_UNAVAILABLE),
    errors.ProviderRejected: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_PROVIDER_REJECTED),
    errors.StreamTruncated: (_Status.DATA_LOSS, pb.ERROR_REASON_STREAM_TRUNCATED),
    errors.ToolCallInvalid: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_TOOL_CALL_INVALID),
    errors.OutputInvalid: (_Status.FAILED_PRECONDITION, pb.ERROR_REASON_OUTPUT_INVALID),
    errors.ExecutionInterrupted: (_Status.ABORTED, pb.ERROR_REASON_EXECUTION_INTERRUPTED),
    errors.QueryCancelled: (_Status.CANCELLED, pb.ERROR_REASON_QUERY_CANCELLED),
    errors.DeadlineExceeded: (_Status.DEADLINE_EXCEEDED, pb.ERROR_REASON_DEADLINE_EXCEEDED),
    errors.GovernanceUnavailable: (_Status.UNAVAILABLE, pb.ERROR_REASON_GOVERNANCE_UNAVAILABLE),
    errors.RequestIdConflict: (_Status.ALREADY_EXISTS, pb.ERROR_REASON_REQUEST_ID_CONFLICT),
    errors.InvalidField: (_Status.INVALID_ARGUMENT, pb.ERROR_REASON_INVALID_FIELD),
    errors.RequestTooLarge: (_Status.INVALID_ARGUMENT, pb.ERROR_REASON_REQUEST_TOO_LARGE),
    errors.NotFound: (_Status.NOT_FOUND, pb.ERROR_REASON_NOT_FOUND),
    errors.SlowConsumer: (_Status.RESOURCE_EXHAUSTED, pb.ERROR_REASON_SLOW_CONSUMER),
    errors.InternalError: (_Status.INTERNAL, pb.ERROR_REASON_INTERNAL),
}


def reason_of(error: errors.ChenuError) -> str:
    """The `ErrorInfo.reason` of an error: the enum's name without its prefix."""
    return pb.ErrorReason.Name(STATUS_OF[type(error)][1]).removeprefix("ERROR_REASON_")


def to_status(error: errors.ChenuError, left_s: float | None = None) -> grpc.Status:
    """The status that a client sees, its details together at most 4 KiB.

    `left_s` is how long the call may still take; None: for ever. Long texts are cut evenly until
    the details fit; ids and digests are shorter than the smallest cut, so they always arrive
    whole.
    """
    code, _ = STATUS_OF[type(error)]
    for longest in (DETAILS_BYTES_MAX, 1_000, 400, 160, 64):
        details = [_packed(it) for it in _details(error, partial(_cut, bytes_max=longest))]
        if sum(detail.ByteSize() for detail in details) <= DETAILS_BYTES_MAX:
            break
    message = _cut(str(error), MESSAGE_BYTES_MAX)
    status: Any = rpc_status.to_status(
        status_pb2.Status(code=code.value[0], message=message, details=details)
    )
    trailers = (*status.trailing_metadata, *_pushback(error, left_s))
    result: grpc.Status = status._replace(trailing_metadata=trailers)
    return result


def _pushback(error: errors.ChenuError, left_s: float | None) -> Iterator[tuple[str, str]]:
    """When a client's retry policy may make the call again; nothing: as it likes.

    A wait that outlasts the call would end it as DEADLINE_EXCEEDED and hide the reason, so such
    a call is not to be made again at all. Whole milliseconds are rounded up: never too early.
    """
    if error.retry is errors.Retry.NO:
        yield PUSHBACK, NEVER
    elif isinstance(error, errors.Retryable):
        wait_ms = -(-max(0, error.retry_after_us) // 1_000)
        yield PUSHBACK, str(wait_ms) if left_s is None or wait_ms < left_s * 1_000 else NEVER


def _details(error: errors.ChenuError, cut: Cut) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=reason_of(error),
        domain=DOMAIN,
        metadata={name: cut(value) for name, value in error.metadata().items()},
    )
    if isinstance(error, errors.Retryable):
        yield _retry_info(error.retry_after_us)
    elif isinstance(error, errors.ProviderUnavailable) and error.retry_at_us:
        yield _retry_info(error.retry_at_us - time.time_ns() // 1_000)
    elif isinstance(error, errors.BudgetExhausted):
        quota = {"subject": cut(_budget_named(error)), "description": cut(str(error))}
        yield error_details_pb2.QuotaFailure(violations=[quota])
    elif isinstance(error, errors.BudgetFrozen):
        frozen = {"subject": cut(_budget_named(error)), "description": cut(str(error))}
        yield error_details_pb2.PreconditionFailure(violations=[{"type": "BUDGET", **frozen}])
    elif isinstance(error, errors.CheckpointPending):
        yield from _checkpoint_details(error, cut)
    elif isinstance(error, errors.InvalidField):
        yield _bad_request(cut(error.field), cut(error.problem))
    elif isinstance(error, errors.RequestTooLarge):
        yield _bad_request("request", str(error))


def _retry_info(delay_us: int) -> Message:
    delay = duration_pb2.Duration()
    delay.FromMicroseconds(max(0, delay_us))
    info: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return info


def _budget_named(error: errors.BudgetExhausted | errors.BudgetFrozen) -> str:
    """Which budget, never how much of it: amounts are for a `budget_admin` alone."""
    return f"{error.scope}:{error.budget_id}" if error.budget_id else error.scope


def _checkpoint_details(error: errors.CheckpointPending, cut: Cut) -> Iterator[Message]:
    question = cut(error.question)
    condition = {
        "type": "CHECKPOINT",
        "subject": cut(error.checkpoint_id),
        "description": question,
    }
    yield error_details_pb2.PreconditionFailure(violations=[condition])
    yield error_details_pb2.LocalizedMessage(locale="en", message=question)
    yield error_details_pb2.LocalizedMessage(locale="fr", message=cut(error.question_fr))


def _bad_request(field: str, problem: str) -> Message:
    violation = {"field": field, "description": problem}
    refused: Message = error_details_pb2.BadRequest(field_violations=[violation])
    return refused


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _cut(text: str, bytes_max: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many bytes of UTF-8."""
    encoded = text.encode("utf-8", errors="replace")
    if len(encoded) <= bytes_max:
        return encoded.decode("utf-8")
    return encoded[: bytes_max - 3].decode("utf-8", errors="ignore") + "…"
