"""A failed call as an exit status and a message: what happened, why, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.output import note_json, visible

if TYPE_CHECKING:
    from chenu import errors

# What the exit status is, and what to do next, by reason. "" is a call that the transport lost.
_ACTIONS: Final[Mapping[str, tuple[ExitCode, str]]] = {
    "": (ExitCode.UNAVAILABLE, "check --target and that the server runs"),
    "TOKEN_MISSING": (
        ExitCode.UNAUTHENTICATED,
        "set CHENUCLI_TOKEN; for development, `chenu token issue` makes a token",
    ),
    "TOKEN_INVALID": (ExitCode.UNAUTHENTICATED, "ask your issuer for a new token"),
    "TOKEN_EXPIRED": (ExitCode.UNAUTHENTICATED, "ask your issuer for a new token"),
    "ROLE_REQUIRED": (ExitCode.DENIED, "ask who administers the identity for the role"),
    "IDENTITY_BOUNDARY_VIOLATION": (
        ExitCode.DENIED,
        "check the id, and --identity if your token holds several",
    ),
    "POLICY_DENIED": (
        ExitCode.DENIED,
        "ask for something else, or ask an operator about the policy",
    ),
    "CHECKPOINT_PENDING": (
        ExitCode.BLOCKED,
        "`chenu checkpoints approve {checkpoint_id}`, then `chenu watch --continue {request_id}`",
    ),
    "CHECKPOINT_REJECTED": (
        ExitCode.STOPPED,
        "`chenu checkpoints get {checkpoint_id}` shows why",
    ),
    "CHECKPOINT_EXPIRED": (ExitCode.STOPPED, "ask again"),
    "CHECKPOINT_CANCELLED": (ExitCode.STOPPED, "ask again"),
    "CHECKPOINT_ALREADY_RESOLVED": (
        ExitCode.CONFLICT,
        "`chenu checkpoints get {checkpoint_id}` shows the decision",
    ),
    "CHECKPOINT_LIMIT": (ExitCode.BUSY, "decide some of `chenu checkpoints list`, then repeat it"),
    "QUERY_STATE": (ExitCode.CONFLICT, "`chenu queries get {request_id}` shows it"),
    "BUDGET_EXHAUSTED": (
        ExitCode.BUDGET,
        "lower --max-output-tokens, or ask a budget_admin to raise the limit",
    ),
    "BUDGET_FROZEN": (
        ExitCode.BUDGET,
        "find out what was billed, then `chenu budgets unfreeze`, as a budget_admin",
    ),
    "BUDGET_REQUIRED": (ExitCode.BUDGET, "`chenu budgets create`, as a budget_admin"),
    "PRICE_UNKNOWN": (
        ExitCode.BUDGET,
        "ask an operator to set the prices, or name another --model",
    ),
    "BUDGET_EXISTS": (ExitCode.CONFLICT, "`chenu budgets update {budget_id}`"),
    "BUDGET_IN_USE": (ExitCode.CONFLICT, "try again when its queries have ended"),
    "ETAG_MISMATCH": (ExitCode.CONFLICT, "read the budget again, then repeat"),
    "RATE_LIMITED": (ExitCode.BUSY, "try again later"),
    "IDENTITY_BLOCKED": (ExitCode.BUSY, "try again later"),
    "QUEUE_FULL": (ExitCode.BUSY, "try again later"),
    "DEADLINE_UNREACHABLE": (ExitCode.BUSY, "try again later, or with a longer --timeout"),
    "SERVER_OVERLOADED": (ExitCode.BUSY, "try again later"),
    "NO_ROUTE": (ExitCode.PROVIDER, "`chenu route` explains every exclusion"),
    "PROVIDER_UNAVAILABLE": (ExitCode.PROVIDER, "ask again later"),
    "PROVIDER_REJECTED": (ExitCode.PROVIDER, "change the request, or name another --model"),
    "STREAM_TRUNCATED": (ExitCode.PROVIDER, "ask again; what was used is charged"),
    "TOOL_CALL_INVALID": (
        ExitCode.PROVIDER,
        "ask again, or name another --model; what was used is charged",
    ),
    "OUTPUT_INVALID": (
        ExitCode.PROVIDER,
        "ask again, or name another --model; what was used is charged",
    ),
    "EXECUTION_INTERRUPTED": (
        ExitCode.STOPPED,
        "decide whether a second run does harm, then ask again",
    ),
    "QUERY_CANCELLED": (ExitCode.STOPPED, "ask again"),
    "DEADLINE_EXCEEDED": (ExitCode.STOPPED, "ask again with a longer --timeout"),
    "GOVERNANCE_UNAVAILABLE": (ExitCode.UNAVAILABLE, "try again with the same --request-id"),
    "REQUEST_ID_CONFLICT": (ExitCode.CONFLICT, "leave --request-id out, or make a new one"),
    "INVALID_FIELD": (ExitCode.USAGE, "correct it; see --help"),
    "REQUEST_TOO_LARGE": (ExitCode.USAGE, "send less"),
    "NOT_FOUND": (ExitCode.NOT_FOUND, "list what there is"),
    "SLOW_CONSUMER": (ExitCode.UNAVAILABLE, "`chenu watch` again"),
    "INTERNAL": (ExitCode.FAILED, "report it with the time of the call"),
}
_UNKNOWN: Final = (ExitCode.FAILED, "this version does not know the reason; update chenu")


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def exit_code_of(error: errors.ChenuError) -> ExitCode:
    """The exit status that says what kind of failure it was."""
    return _ACTIONS.get(error.reason, _UNKNOWN)[0]


def next_step(error: errors.ChenuError) -> str:
    """What to do about it."""
    if error.retry_after is not None:
        return f"try again in {error.retry_after.total_seconds():.3f} s"
    return _ACTIONS.get(error.reason, _UNKNOWN)[1].format_map(_Known(error.metadata))


def as_text(error: errors.ChenuError) -> str:
    """The failure for people."""
    return f"chenu: {visible(str(error))}\nnext: {visible(next_step(error))}"


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


def refused(code: ExitCode, message: str, do: str, *, as_json: bool) -> typer.Exit:
    """Say why a command that calls no server ends with `code`; raise what this returns."""
    if not as_json:
        return fail(code, f"{visible(message)}; {do}")
    told = {"reason": code.name, "status": "", "message": message, "metadata": {}}
    note_json({"error": told | {"fields": [], "retry_after_ms": None, "next": do}})
    return typer.Exit(code)
