"""A failed call as an exit status and a message: what happened, why, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chenu import errors
from chenu_server.cli.exit_codes import ExitCode

# The first class that an error is an instance of decides.
_EXIT_CODES: Final[tuple[tuple[type[errors.ChenuError], ExitCode], ...]] = (
    (errors.Unauthenticated, ExitCode.UNAUTHENTICATED),
    (errors.PermissionDenied, ExitCode.DENIED),
    (errors.CheckpointPending, ExitCode.BLOCKED),
    (errors.CheckpointEnded, ExitCode.STOPPED),
    (errors.CheckpointAlreadyResolved, ExitCode.CONFLICT),
    (errors.BudgetRefused, ExitCode.BUDGET),
    (errors.RateRefused, ExitCode.BUSY),
    (errors.NoRoute, ExitCode.PROVIDER),
    (errors.ProviderFailed, ExitCode.PROVIDER),
    (errors.QueryStopped, ExitCode.STOPPED),
    (errors.Conflict, ExitCode.CONFLICT),
    (errors.InvalidRequest, ExitCode.USAGE),
    (errors.NotFound, ExitCode.NOT_FOUND),
    (errors.SlowConsumer, ExitCode.UNAVAILABLE),
    (errors.Unavailable, ExitCode.UNAVAILABLE),
    (errors.ConnectionLost, ExitCode.UNAVAILABLE),
)

_NEXT: Final[Mapping[str, str]] = {
    "": "check --target and that the server runs",
    "TOKEN_MISSING": "set CHENU_TOKEN; for development, `chenu token issue` makes a token",
    "TOKEN_INVALID": "ask your issuer for a new token",
    "TOKEN_EXPIRED": "ask your issuer for a new token",
    "ROLE_REQUIRED": "ask who administers the identity for the role",
    "IDENTITY_BOUNDARY_VIOLATION": "check the id, and --identity if your token holds several",
    "POLICY_DENIED": "ask for something else, or ask an operator about the policy",
    "CHECKPOINT_PENDING": "`chenu checkpoints approve {checkpoint_id}`, then"
    " `chenu watch --continue {request_id}`",
    "CHECKPOINT_REJECTED": "`chenu checkpoints get {checkpoint_id}` shows why",
    "CHECKPOINT_EXPIRED": "ask again",
    "CHECKPOINT_CANCELLED": "ask again",
    "CHECKPOINT_ALREADY_RESOLVED": "`chenu checkpoints get {checkpoint_id}` shows the decision",
    "QUERY_STATE": "`chenu queries get {request_id}` shows it",
    "BUDGET_EXHAUSTED": "lower --max-output-tokens, or ask a budget_admin to raise the limit",
    "BUDGET_REQUIRED": "`chenu budgets create`, as a budget_admin",
    "PRICE_UNKNOWN": "ask an operator to set the prices, or name another --model",
    "BUDGET_EXISTS": "`chenu budgets update {budget_id}`",
    "BUDGET_IN_USE": "try again when its queries have ended",
    "ETAG_MISMATCH": "read the budget again, then repeat",
    "NO_ROUTE": "`chenu route` explains every exclusion",
    "PROVIDER_UNAVAILABLE": "ask again later",
    "PROVIDER_REJECTED": "change the request, or name another --model",
    "STREAM_TRUNCATED": "ask again; what was used is charged",
    "EXECUTION_INTERRUPTED": "decide whether a second run does harm, then ask again",
    "QUERY_CANCELLED": "ask again",
    "DEADLINE_EXCEEDED": "ask again with a longer --timeout",
    "GOVERNANCE_UNAVAILABLE": "try again with the same --request-id",
    "REQUEST_ID_CONFLICT": "leave --request-id out, or make a new one",
    "INVALID_FIELD": "correct it; see --help",
    "REQUEST_TOO_LARGE": "send less",
    "INTERNAL": "report it with the time of the call",
}


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def exit_code_of(error: errors.ChenuError) -> ExitCode:
    """The exit status that says what kind of failure it was."""
    for family, code in _EXIT_CODES:
        if isinstance(error, family):
            return code
    return ExitCode.FAILED


def next_step(error: errors.ChenuError) -> str:
    """What to do about it; empty if there is nothing to say."""
    if error.retry_after is not None:
        return f"try again in {error.retry_after.total_seconds():.3f} s"
    return _NEXT.get(error.reason, "").format_map(_Known(error.metadata))


def as_text(error: errors.ChenuError) -> str:
    """The failure for people, one line or two."""
    step = next_step(error)
    return f"chenu: {error}" + (f"\nnext: {step}" if step else "")


def as_object(error: errors.ChenuError) -> dict[str, Any]:
    """The failure for programs."""
    after = error.retry_after
    return {
        "error": {
            "reason": error.reason,
            "status": error.code.name,
            "message": error.message,
            "metadata": dict(error.metadata),
            "fields": [{"field": name, "problem": problem} for name, problem in error.fields],
            "retry_after_ms": None if after is None else int(after.total_seconds() * 1_000),
            "next": next_step(error),
        }
    }
