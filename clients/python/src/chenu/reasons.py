"""The class of `chenu.errors` and the gRPC status of each reason.

Generated from `proto/` by `make proto`: change it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "TOKEN_MISSING": ("Unauthenticated", "UNAUTHENTICATED"),
        "TOKEN_INVALID": ("Unauthenticated", "UNAUTHENTICATED"),
        "TOKEN_EXPIRED": ("Unauthenticated", "UNAUTHENTICATED"),
        "ROLE_REQUIRED": ("RoleRequired", "PERMISSION_DENIED"),
        "IDENTITY_BOUNDARY_VIOLATION": ("BoundaryViolation", "PERMISSION_DENIED"),
        "POLICY_DENIED": ("PolicyDenied", "PERMISSION_DENIED"),
        "CHECKPOINT_PENDING": ("CheckpointPending", "FAILED_PRECONDITION"),
        "CHECKPOINT_REJECTED": ("CheckpointEnded", "FAILED_PRECONDITION"),
        "CHECKPOINT_EXPIRED": ("CheckpointEnded", "FAILED_PRECONDITION"),
        "CHECKPOINT_CANCELLED": ("CheckpointEnded", "FAILED_PRECONDITION"),
        "CHECKPOINT_ALREADY_RESOLVED": ("CheckpointAlreadyResolved", "ABORTED"),
        "SELF_APPROVAL": ("SelfApproval", "PERMISSION_DENIED"),
        "QUERY_STATE": ("Conflict", "FAILED_PRECONDITION"),
        "BUDGET_EXHAUSTED": ("BudgetRefused", "RESOURCE_EXHAUSTED"),
        "BUDGET_REQUIRED": ("BudgetRefused", "FAILED_PRECONDITION"),
        "PRICE_UNKNOWN": ("BudgetRefused", "FAILED_PRECONDITION"),
        "BUDGET_EXISTS": ("Conflict", "ALREADY_EXISTS"),
        "BUDGET_IN_USE": ("Conflict", "FAILED_PRECONDITION"),
        "ETAG_MISMATCH": ("Conflict", "ABORTED"),
        "RATE_LIMITED": ("RateRefused", "RESOURCE_EXHAUSTED"),
        "IDENTITY_BLOCKED": ("RateRefused", "RESOURCE_EXHAUSTED"),
        "QUEUE_FULL": ("RateRefused", "RESOURCE_EXHAUSTED"),
        "DEADLINE_UNREACHABLE": ("RateRefused", "RESOURCE_EXHAUSTED"),
        "SERVER_OVERLOADED": ("RateRefused", "RESOURCE_EXHAUSTED"),
        "NO_ROUTE": ("NoRoute", "FAILED_PRECONDITION"),
        "PROVIDER_UNAVAILABLE": ("ProviderFailed", "UNAVAILABLE"),
        "PROVIDER_REJECTED": ("ProviderFailed", "FAILED_PRECONDITION"),
        "STREAM_TRUNCATED": ("ProviderFailed", "DATA_LOSS"),
        "EXECUTION_INTERRUPTED": ("QueryStopped", "ABORTED"),
        "QUERY_CANCELLED": ("QueryStopped", "CANCELLED"),
        "DEADLINE_EXCEEDED": ("QueryStopped", "DEADLINE_EXCEEDED"),
        "GOVERNANCE_UNAVAILABLE": ("Unavailable", "UNAVAILABLE"),
        "REQUEST_ID_CONFLICT": ("Conflict", "ALREADY_EXISTS"),
        "INVALID_FIELD": ("InvalidRequest", "INVALID_ARGUMENT"),
        "REQUEST_TOO_LARGE": ("InvalidRequest", "INVALID_ARGUMENT"),
        "NOT_FOUND": ("NotFound", "NOT_FOUND"),
        "SLOW_CONSUMER": ("SlowConsumer", "RESOURCE_EXHAUSTED"),
        "INTERNAL": ("ServerFault", "INTERNAL"),
        "CHECKPOINT_LIMIT": ("CheckpointLimit", "RESOURCE_EXHAUSTED"),
        "BUDGET_FROZEN": ("BudgetRefused", "FAILED_PRECONDITION"),
        "TOOL_CALL_INVALID": ("ProviderFailed", "FAILED_PRECONDITION"),
        "TOOL_CALL_CANCELLED": ("Conflict", "FAILED_PRECONDITION"),
        "RELEASE_EXPIRED": ("Conflict", "FAILED_PRECONDITION"),
        "RELEASE_USED": ("Conflict", "FAILED_PRECONDITION"),
        "RELEASE_INVALID": ("Conflict", "FAILED_PRECONDITION"),
        "RELEASE_UNAVAILABLE": ("Conflict", "FAILED_PRECONDITION"),
        "OUTPUT_INVALID": ("ProviderFailed", "FAILED_PRECONDITION"),
        "RESERVATION_NOT_HELD": ("Conflict", "FAILED_PRECONDITION"),
    }
)
