"""Refusals as gRPC statuses: each reason names its own, and some have details of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu_server import errors
from chenu_server.reason import Retry
from chenu_server.refusal import ChenuError, Retryable

DOMAIN: Final = "chenu"
DETAILS_BYTES_MAX: Final = 4_096
# Percent-encoded in one header and base64 in another, beside 4 KiB of details, this many bytes
# keep the trailers below the 8 KiB that clients accept by default.
MESSAGE_BYTES_MAX: Final = 400
# gRPC's own retries (gRFC A6) know statuses, not reasons; this header tells them more.
PUSHBACK: Final = "grpc-retry-pushback-ms"
NEVER: Final = "-1"

Cut = Callable[[str], str]


def to_status(error: ChenuError, now_us: int, left_s: float | None = None) -> grpc.Status:
    """The status that a client sees, its details together at most 4 KiB.

    `now_us` is the batches' time, `left_s` how long the call may still take; None: for ever.
    Long texts are cut evenly until the details fit; ids and digests are shorter than the smallest
    cut, so they always arrive whole.
    """
    code = grpc.StatusCode[error.reason.status]
    for longest in (DETAILS_BYTES_MAX, 1_000, 400, 160, 64):
        details = [_packed(it) for it in _details(error, now_us, partial(_cut, bytes_max=longest))]
        if sum(detail.ByteSize() for detail in details) <= DETAILS_BYTES_MAX:
            break
    message = _cut(str(error), MESSAGE_BYTES_MAX)
    status: Any = rpc_status.to_status(
        status_pb2.Status(code=code.value[0], message=message, details=details)
    )
    trailers = (*status.trailing_metadata, *_pushback(error, left_s))
    result: grpc.Status = status._replace(trailing_metadata=trailers)
    return result


def _pushback(error: ChenuError, left_s: float | None) -> Iterator[tuple[str, str]]:
    """When a client's retry policy may make the call again; nothing: as it likes.

    A wait that outlasts the call would end it as DEADLINE_EXCEEDED and hide the reason, so such
    a call is not to be made again at all. Whole milliseconds are rounded up: never too early.
    """
    if error.reason.retry is Retry.NO:
        yield PUSHBACK, NEVER
    elif isinstance(error, Retryable):
        wait_ms = -(-max(0, error.retry_after_us) // 1_000)
        yield PUSHBACK, str(wait_ms) if left_s is None or wait_ms < left_s * 1_000 else NEVER


def _details(error: ChenuError, now_us: int, cut: Cut) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=error.reason.value,
        domain=DOMAIN,
        metadata={name: cut(value) for name, value in error.metadata().items()},
    )
    if isinstance(error, Retryable):
        yield _retry_info(error.retry_after_us)
    # For another `request_id`: this one has its outcome, so its time is no pushback.
    elif isinstance(error, errors.ProviderUnavailable) and error.retry_at_us:
        yield _retry_info(error.retry_at_us - now_us)
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
    # The ellipsis has three bytes, and a character that is cut in two is left out.
    return encoded[: bytes_max - 3].decode("utf-8", errors="ignore") + "…"
