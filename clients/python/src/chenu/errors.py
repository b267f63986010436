"""Every refusal as a typed error. Act on its class or its `reason`, never on its message.

    try:
        answer = await client.pipeline.query("Delete all archived items")
    except errors.CheckpointPending as pending:
        print("waits for a person at", pending.checkpoint_id)
    except errors.RateRefused as refused:
        await asyncio.sleep(refused.retry_after.total_seconds())

Only `Unavailable`, `ConnectionLost` and refusals with a `retry_after` are worth repeating, with the
same `request_id`. Classes group reasons that a caller treats alike; `FAMILIES` is the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.names import name_of
from chenu.reasons import REASONS

DOMAIN: Final = "chenu"


@dataclass(eq=False)
class ChenuError(Exception):
    """A call that did not do what was asked. `str()` is a sentence for people."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    """The name of an `ErrorReason` without its prefix; empty when the transport failed."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The keys that the reason documents."""
    retry_after: timedelta | None = None
    """After this the same call succeeds if nobody came in between. None: no time is known."""
    fields: tuple[tuple[str, str], ...] = ()
    """(field, what is wrong with it) of each field that was refused."""

    def __str__(self) -> str:
        return f"{self.message} [{self.reason or self.code.name}]"

    def listed(self, key: str) -> tuple[str, ...]:
        """A metadata value that is a list."""
        return tuple(part for part in self.metadata.get(key, "").split(",") if part)


class Unauthenticated(ChenuError):
    """The token is missing, not valid or expired: get a new one."""


class PermissionDenied(ChenuError):
    """The caller may not do this; repeating it changes nothing."""


class RoleRequired(PermissionDenied):
    """The token lacks `role` in this identity, or only a `principal_type` may."""

    @property
    def role(self) -> str:
        """The role that is needed."""
        return self.metadata.get("role", "")

    @property
    def principal_type(self) -> str:
        """The only type of principal that may; empty if any may."""
        return self.metadata.get("principal_type", "")


class BoundaryViolation(PermissionDenied):
    """The call reached for something outside its identity; it was recorded."""

    @property
    def violation_id(self) -> str:
        """The record's UUID."""
        return self.metadata.get("violation_id", "")


class PolicyDenied(PermissionDenied):
    """A policy forbids it, or none permits it."""

    @property
    def policies(self) -> tuple[str, ...]:
        """The ids of the policies."""
        return self.listed("policies")


class SelfApproval(PermissionDenied):
    """Somebody else has to decide on the checkpoint than who asked for its action."""

    @property
    def checkpoint_id(self) -> str:
        """The checkpoint's UUID."""
        return self.metadata.get("checkpoint_id", "")


class CheckpointError(ChenuError):
    """A checkpoint stands, or stood, in the way."""

    @property
    def checkpoint_id(self) -> str:
        """The checkpoint's UUID."""
        return self.metadata.get("checkpoint_id", "")


class CheckpointPending(CheckpointError):
    """A person must approve first. Nothing ran."""

    @property
    def request_id(self) -> str:
        """What waits: a query to `resume` once it is approved; of other calls, repeat the same."""
        return self.metadata.get("request_id", "")

    @property
    def types(self) -> tuple[str, ...]:
        """Why a person must look, such as `destructive_action`."""
        return self.listed("types")

    @property
    def action_digest(self) -> bytes:
        """The 32 bytes that an approval is bound to."""
        return bytes.fromhex(self.metadata.get("action_digest", ""))

    @property
    def expires_at(self) -> datetime | None:
        """When the checkpoint expires."""
        text = self.metadata.get("expires_at", "")
        return datetime.fromisoformat(text) if text else None


class CheckpointEnded(CheckpointError):
    """The checkpoint was rejected, expired or cancelled: the query will not run."""


class CheckpointAlreadyResolved(CheckpointError):
    """Someone else resolved it first."""

    @property
    def winner(self) -> str:
        """Who did."""
        return self.metadata.get("winner", "")

    @property
    def state(self) -> str:
        """How: `approved` or `rejected`."""
        return self.metadata.get("state", "")


class CheckpointLimit(ChenuError):
    """As many checkpoints wait for a person as may; decide some, then repeat the call."""


class BudgetRefused(ChenuError):
    """No budget covers the query, one is frozen, or no price is known."""


class RateRefused(ChenuError):
    """There is no room now; `retry_after` says when there is."""


class NoRoute(ChenuError):
    """No model satisfies the hard constraints."""

    @property
    def exclusions(self) -> tuple[str, ...]:
        """At most 8 of `provider/model=reason`."""
        return self.listed("exclusions")


class ProviderFailed(ChenuError):
    """The providers failed, or refused the request. Asking again needs a new `request_id`."""


class QueryStopped(ChenuError):
    """The query was cancelled, ran out of time, or was cut by a crash."""

    @property
    def outcome_unknown(self) -> bool:
        """Whether the provider may have run it all the same."""
        return self.metadata.get("outcome_unknown") == "true"


class Conflict(ChenuError):
    """It does not go with what is stored: read that first."""


class InvalidRequest(ChenuError):
    """A field is not acceptable; see `fields`."""


class NotFound(ChenuError):
    """The catalogue has no such thing."""


class SlowConsumer(ChenuError):
    """A stream was not read fast enough; the SDK re-attaches by itself."""


class Unavailable(ChenuError):
    """Decisions cannot be recorded now: repeat with the same `request_id`."""


class ServerFault(ChenuError):
    """A bug in the server."""


class ConnectionLost(ChenuError):
    """The transport failed, or the call's own deadline passed: no word from the server."""


class InvalidSetting(ChenuError, ValueError):
    """What the client was given cannot be sent: see `setting` and `problem`."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, f"{setting}: {problem}")
        self.setting = setting
        self.problem = problem


class Closed(ChenuError):
    """The client was closed, or the log detached: by this process, not by the server."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.CANCELLED, message)


FAMILIES: Final[Mapping[str, tuple[type[ChenuError], grpc.StatusCode]]] = MappingProxyType(
    {
        reason: (globals()[family], grpc.StatusCode[status])
        for reason, (family, status) in REASONS.items()
    }
)


def from_call(error: grpc.aio.AioRpcError) -> ChenuError:
    """The typed error of a failed call. A reason newer than this SDK is a plain `ChenuError`."""
    details = _details(error)
    info = error_details_pb2.ErrorInfo()
    if not _unpack(details, info) or info.domain != DOMAIN:
        # No word of the server's: a proxy or the transport has answered in its place, and whether
        # anything ran is open.
        return ConnectionLost(error.code(), error.details() or "the call failed")
    retry, bad = error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    family, _ = FAMILIES.get(info.reason, (ChenuError, error.code()))
    return family(
        error.code(),
        error.details() or info.reason,
        info.reason,
        dict(info.metadata),
        retry.retry_delay.ToTimedelta() if _unpack(details, retry) else None,
        tuple((item.field, item.description) for item in bad.field_violations)
        if _unpack(details, bad)
        else (),
    )


def from_outcome(outcome: message_pb2.Outcome) -> ChenuError:
    """The typed error of a query that ended without completing, as its log states it."""
    family, code = FAMILIES.get(outcome.reason, (ChenuError, grpc.StatusCode.UNKNOWN))
    return family(code, outcome.message, outcome.reason, dict(outcome.metadata))


def pending(request_id: str, checkpoint: event_pb2.CheckpointCreated) -> CheckpointPending:
    """The error of a query that waits for a person, as its log states it."""
    metadata = {
        "request_id": request_id,
        "checkpoint_id": checkpoint.checkpoint_id,
        "types": ",".join(name_of(checkpoint_pb2.CheckpointType, one) for one in checkpoint.types),
        "action": checkpoint.action,
        "action_digest": checkpoint.action_digest.hex(),
        "expires_at": checkpoint.expire_time.ToJsonString(),
        "http_status": "423",
        "options": "approve,reject",
    }
    message = f"waits for a person at checkpoint {checkpoint.checkpoint_id}"
    _, code = FAMILIES["CHECKPOINT_PENDING"]
    return CheckpointPending(code, message, "CHECKPOINT_PENDING", metadata)


def _details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    try:
        return rpc_status.from_call(error) or status_pb2.Status()
    except (ValueError, DecodeError):  # a proxy's details that do not fit its status
        return status_pb2.Status()


def _unpack(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo
    | error_details_pb2.RetryInfo
    | error_details_pb2.BadRequest,
) -> bool:
    return any(packed.Unpack(detail) for packed in status.details)
