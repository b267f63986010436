"""Every reason for a refusal or failure, one row each.

Generated from `proto/` by `make proto`: change it there.
"""

from __future__ import annotations

from typing import Final

from chenu_server.reason import ReasonRow, Retry


class Reason(ReasonRow):
    """What `ErrorInfo.reason` says."""

    TOKEN_MISSING = (
        "TOKEN_MISSING",
        1,
        "UNAUTHENTICATED",
        Retry.NO,
        "no bearer token; send `authorization: Bearer <token>`",
        "unauthenticated",
        "set CHENUCLI_TOKEN; for development, `chenu token issue` makes a token",
    )
    TOKEN_INVALID = (
        "TOKEN_INVALID",
        2,
        "UNAUTHENTICATED",
        Retry.NO,
        "the token is not valid for this server; ask your issuer for a new one",
        "unauthenticated",
        "ask your issuer for a new token",
    )
    TOKEN_EXPIRED = (
        "TOKEN_EXPIRED",
        3,
        "UNAUTHENTICATED",
        Retry.NO,
        "the token has expired; ask your issuer for a new one",
        "unauthenticated",
        "ask your issuer for a new token",
    )
    ROLE_REQUIRED = (
        "ROLE_REQUIRED",
        4,
        "PERMISSION_DENIED",
        Retry.NO,
        "only a principal[ of type `{principal_type}`] with role `{role}` in this identity may",
        "denied",
        "ask who administers the identity for the role",
    )
    IDENTITY_BOUNDARY_VIOLATION = (
        "IDENTITY_BOUNDARY_VIOLATION",
        5,
        "PERMISSION_DENIED",
        Retry.NO,
        "outside the caller's identity; recorded as {violation_id}",
        "denied",
        "check the id, and --identity if your token holds several",
    )
    POLICY_DENIED = (
        "POLICY_DENIED",
        6,
        "PERMISSION_DENIED",
        Retry.NO,
        "denied by policy {policies}",
        "denied",
        "ask for something else, or ask an operator about the policy",
    )
    CHECKPOINT_PENDING = (
        "CHECKPOINT_PENDING",
        7,
        "FAILED_PRECONDITION",
        Retry.NO,
        "waits for a person at checkpoint {checkpoint_id}: {question}",
        "blocked",
        "`chenu checkpoints approve {checkpoint_id}`, then `chenu watch --continue {request_id}`",
        {"http_status": "423", "options": "approve,reject"},
    )
    CHECKPOINT_REJECTED = (
        "CHECKPOINT_REJECTED",
        8,
        "FAILED_PRECONDITION",
        Retry.NO,
        "checkpoint {checkpoint_id} was rejected",
        "stopped",
        "`chenu checkpoints get {checkpoint_id}` shows why",
    )
    CHECKPOINT_EXPIRED = (
        "CHECKPOINT_EXPIRED",
        9,
        "FAILED_PRECONDITION",
        Retry.NO,
        "checkpoint {checkpoint_id} has expired; ask again with a new request_id",
        "stopped",
        "ask again",
    )
    CHECKPOINT_CANCELLED = (
        "CHECKPOINT_CANCELLED",
        10,
        "FAILED_PRECONDITION",
        Retry.NO,
        "checkpoint {checkpoint_id} was cancelled",
        "stopped",
        "ask again",
    )
    CHECKPOINT_ALREADY_RESOLVED = (
        "CHECKPOINT_ALREADY_RESOLVED",
        11,
        "ABORTED",
        Retry.NO,
        "checkpoint {checkpoint_id} is already {state} by {winner}",
        "conflict",
        "`chenu checkpoints get {checkpoint_id}` shows the decision",
    )
    SELF_APPROVAL = (
        "SELF_APPROVAL",
        43,
        "PERMISSION_DENIED",
        Retry.NO,
        "checkpoint {checkpoint_id} needs another person than who asked",
        "denied",
        "another approver has to decide",
    )
    QUERY_STATE = (
        "QUERY_STATE",
        12,
        "FAILED_PRECONDITION",
        Retry.NO,
        "query {request_id} is {state}",
        "conflict",
        "`chenu queries get {request_id}` shows it",
    )
    BUDGET_EXHAUSTED = (
        "BUDGET_EXHAUSTED",
        13,
        "RESOURCE_EXHAUSTED",
        Retry.NO,
        "the {scope} budget cannot cover what was asked",
        "budget",
        "lower --max-output-tokens, or ask a budget_admin to raise the limit",
    )
    BUDGET_REQUIRED = (
        "BUDGET_REQUIRED",
        14,
        "FAILED_PRECONDITION",
        Retry.NO,
        "no budget applies; a budget_admin can create one",
        "budget",
        "`chenu budgets create`, as a budget_admin",
    )
    PRICE_UNKNOWN = (
        "PRICE_UNKNOWN",
        15,
        "FAILED_PRECONDITION",
        Retry.NO,
        "no price is known for the models that fit; an operator can set one",
        "budget",
        "ask an operator to set the prices, or name another --model",
    )
    BUDGET_EXISTS = (
        "BUDGET_EXISTS",
        16,
        "ALREADY_EXISTS",
        Retry.NO,
        "budget {budget_id} covers this scope and period already; update it instead",
        "conflict",
        "`chenu budgets update {budget_id}`",
    )
    BUDGET_IN_USE = (
        "BUDGET_IN_USE",
        17,
        "FAILED_PRECONDITION",
        Retry.NO,
        "budget {budget_id} holds reservations; try again when they have ended",
        "conflict",
        "try again when its queries have ended",
    )
    ETAG_MISMATCH = (
        "ETAG_MISMATCH",
        18,
        "ABORTED",
        Retry.NO,
        "it has changed since it was read; read it again and repeat",
        "conflict",
        "read the budget again, then repeat",
    )
    RATE_LIMITED = (
        "RATE_LIMITED",
        19,
        "RESOURCE_EXHAUSTED",
        Retry.AT,
        "over the {limit} limit; retry in {retry_after}",
        "busy",
        "try again later",
    )
    IDENTITY_BLOCKED = (
        "IDENTITY_BLOCKED",
        20,
        "RESOURCE_EXHAUSTED",
        Retry.AT,
        "this identity is blocked for {retry_after} more",
        "busy",
        "try again later",
    )
    QUEUE_FULL = (
        "QUEUE_FULL",
        21,
        "RESOURCE_EXHAUSTED",
        Retry.AT,
        "the queue for {provider} is full",
        "busy",
        "try again later",
    )
    DEADLINE_UNREACHABLE = (
        "DEADLINE_UNREACHABLE",
        22,
        "RESOURCE_EXHAUSTED",
        Retry.AT,
        "{provider} has no room before the deadline; retry in {retry_after}",
        "busy",
        "try again later, or with a longer --timeout",
    )
    SERVER_OVERLOADED = (
        "SERVER_OVERLOADED",
        23,
        "RESOURCE_EXHAUSTED",
        Retry.AT,
        "the server has no room for more {resource}",
        "busy",
        "try again later",
    )
    NO_ROUTE = (
        "NO_ROUTE",
        24,
        "FAILED_PRECONDITION",
        Retry.NO,
        "no model fits; {count} were excluded[; some lack {missing}]",
        "provider",
        "`chenu route` explains every exclusion",
    )
    PROVIDER_UNAVAILABLE = (
        "PROVIDER_UNAVAILABLE",
        25,
        "UNAVAILABLE",
        Retry.NO,
        "no provider answered: {attempts}",
        "provider",
        "ask again later",
    )
    PROVIDER_REJECTED = (
        "PROVIDER_REJECTED",
        26,
        "FAILED_PRECONDITION",
        Retry.NO,
        "{provider} refused the request ({kind})",
        "provider",
        "change the request, or name another --model",
    )
    STREAM_TRUNCATED = (
        "STREAM_TRUNCATED",
        27,
        "DATA_LOSS",
        Retry.NO,
        "{provider} cut the stream after {output_length} bytes",
        "provider",
        "ask again; what was used is charged",
    )
    EXECUTION_INTERRUPTED = (
        "EXECUTION_INTERRUPTED",
        28,
        "ABORTED",
        Retry.NO,
        "the server stopped during execution; it is never run again by itself",
        "stopped",
        "decide whether a second run does harm, then ask again",
        {"outcome_unknown": "true"},
    )
    QUERY_CANCELLED = (
        "QUERY_CANCELLED",
        29,
        "CANCELLED",
        Retry.NO,
        "query {request_id} was cancelled",
        "stopped",
        "ask again",
    )
    DEADLINE_EXCEEDED = (
        "DEADLINE_EXCEEDED",
        30,
        "DEADLINE_EXCEEDED",
        Retry.NO,
        "query {request_id} ran out of time",
        "stopped",
        "ask again with a longer --timeout",
    )
    GOVERNANCE_UNAVAILABLE = (
        "GOVERNANCE_UNAVAILABLE",
        31,
        "UNAVAILABLE",
        Retry.YES,
        "decisions cannot be recorded now, so nothing runs; try again",
        "unavailable",
        "try again with the same --request-id",
    )
    REQUEST_ID_CONFLICT = (
        "REQUEST_ID_CONFLICT",
        32,
        "ALREADY_EXISTS",
        Retry.NO,
        "request_id {request_id} was used for something else; make a new one",
        "conflict",
        "leave --request-id out, or make a new one",
    )
    INVALID_FIELD = (
        "INVALID_FIELD",
        33,
        "INVALID_ARGUMENT",
        Retry.NO,
        "{field}: {problem}",
        "usage",
        "correct it; see --help",
    )
    REQUEST_TOO_LARGE = (
        "REQUEST_TOO_LARGE",
        34,
        "INVALID_ARGUMENT",
        Retry.NO,
        "a request holds at most {limit_bytes} bytes",
        "usage",
        "send less",
    )
    NOT_FOUND = (
        "NOT_FOUND",
        35,
        "NOT_FOUND",
        Retry.NO,
        "there is no {kind} named `{name}`",
        "not_found",
        "list what there is",
    )
    SLOW_CONSUMER = (
        "SLOW_CONSUMER",
        36,
        "RESOURCE_EXHAUSTED",
        Retry.YES,
        "the stream was not read fast enough after event {sequence}",
        "unavailable",
        "`chenu watch` again",
    )
    INTERNAL = (
        "INTERNAL",
        37,
        "INTERNAL",
        Retry.NO,
        "internal error",
        "failed",
        "report it with the time of the call",
    )
    CHECKPOINT_LIMIT = (
        "CHECKPOINT_LIMIT",
        38,
        "RESOURCE_EXHAUSTED",
        Retry.NO,
        "{limit} checkpoints of this identity wait for a person already",
        "busy",
        "decide some of `chenu checkpoints list`, then repeat it",
    )
    BUDGET_FROZEN = (
        "BUDGET_FROZEN",
        39,
        "FAILED_PRECONDITION",
        Retry.NO,
        "the {scope} budget was overrun and is frozen; a budget_admin can unfreeze it",
        "budget",
        "find out what was billed, then `chenu budgets unfreeze`, as a budget_admin",
    )
    TOOL_CALL_INVALID = (
        "TOOL_CALL_INVALID",
        40,
        "FAILED_PRECONDITION",
        Retry.NO,
        "{provider} called the tool `{tool}` wrongly ({problem})",
        "provider",
        "ask again, or name another --model; what was used is charged",
    )
    TOOL_CALL_CANCELLED = (
        "TOOL_CALL_CANCELLED",
        44,
        "FAILED_PRECONDITION",
        Retry.NO,
        "the tool call {call_id} was withdrawn",
        "conflict",
        "it was withdrawn",
    )
    RELEASE_EXPIRED = (
        "RELEASE_EXPIRED",
        45,
        "FAILED_PRECONDITION",
        Retry.NO,
        "the release of tool call {call_id} has expired",
        "conflict",
        "its release has expired; ask again",
    )
    RELEASE_USED = (
        "RELEASE_USED",
        46,
        "FAILED_PRECONDITION",
        Retry.NO,
        "the release of tool call {call_id} was redeemed before",
        "conflict",
        "it was redeemed before",
    )
    RELEASE_INVALID = (
        "RELEASE_INVALID",
        47,
        "FAILED_PRECONDITION",
        Retry.NO,
        "this is no release for that ({problem})",
        "conflict",
        "it is no release for that",
    )
    RELEASE_UNAVAILABLE = (
        "RELEASE_UNAVAILABLE",
        48,
        "FAILED_PRECONDITION",
        Retry.NO,
        "this server has no key to sign releases with",
        "failed",
        "set `tools.release_key_file`",
    )
    OUTPUT_INVALID = (
        "OUTPUT_INVALID",
        41,
        "FAILED_PRECONDITION",
        Retry.NO,
        "{provider} did not answer with the JSON that was asked for ({problem})",
        "provider",
        "ask again, or name another --model; what was used is charged",
    )
    RESERVATION_NOT_HELD = (
        "RESERVATION_NOT_HELD",
        42,
        "FAILED_PRECONDITION",
        Retry.NO,
        "reservation {request_id} is {state}: its money is not held",
        "conflict",
        "`chenu spending get {request_id}` shows it",
    )


BY_NUMBER: Final = {each.number: each for each in Reason}
"""Reasons by their numbers in the contract; none of a newer version."""
