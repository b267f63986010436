"""One case per rpc: which role it needs, and how it is made to reach over an identity's boundary.

Written by hand and not read from the contract: what two people wrote down must agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from google.protobuf.message import Message

from chenu.api.governance.v1 import action_pb2
from chenu.api.governance.v1 import audit_service_pb2 as audit
from chenu.api.governance.v1 import budget_service_pb2 as budgets
from chenu.api.governance.v1 import checkpoint_service_pb2 as checkpoints
from chenu.api.governance.v1 import identity_service_pb2 as identity
from chenu.api.governance.v1 import rate_limit_service_pb2 as limits
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pipeline
from chenu.api.pipeline.v1 import router_service_pb2 as router
from chenu.api.pipeline.v1 import tool_call_service_pb2 as tool_calls
from chenu_server.vocabulary import Role

PIPELINE: Final = "/chenu.api.pipeline.v1.PipelineService/"
ROUTER: Final = "/chenu.api.pipeline.v1.RouterService/"
CHECKPOINTS: Final = "/chenu.api.governance.v1.CheckpointService/"
BUDGETS: Final = "/chenu.api.governance.v1.BudgetService/"
LIMITS: Final = "/chenu.api.governance.v1.RateLimitService/"
IDENTITY: Final = "/chenu.api.governance.v1.IdentityService/"
TOOL_CALLS: Final = "/chenu.api.pipeline.v1.ToolCallService/"
AUDIT: Final = "/chenu.api.governance.v1.AuditService/"

MISSING: Final = str(uuid4())
QUERY: Final = pipeline.QueryRequest(text="Which day is it?")
BUDGET: Final = budgets.CreateBudgetRequest(
    scope=budgets.BUDGET_SCOPE_IDENTITY,
    period=budgets.BUDGET_PERIOD_DAILY,
    limit_nanousd=10**15,
)


@dataclass(frozen=True)
class BoundaryCase:
    """How an rpc reaches over the boundary: with the id of a thing of `kind`, or, as `identity`,
    with a header that names one the token does not hold.
    """

    kind: str
    request: Callable[[str], Message]


@dataclass(frozen=True)
class RoleCase:
    """The role that an rpc needs in an identity, in `system` if it is another, and of a person."""

    role: Role
    in_system: Role | None = None
    system_only: bool = False
    person: bool = False


def _resolve(checkpoint_id: str) -> checkpoints.ResolveCheckpointRequest:
    return checkpoints.ResolveCheckpointRequest(
        checkpoint_id=checkpoint_id,
        decision_id=str(uuid4()),
        decision=checkpoints.CHECKPOINT_DECISION_APPROVE,
    )


def _resolve_all(checkpoint_id: str) -> Message:
    decision = _resolve(checkpoint_id)
    decision.expected_action_digest = bytes(32)
    return checkpoints.ResolveCheckpointsRequest(decisions=[decision])


def _same(request: Message) -> BoundaryCase:
    return BoundaryCase("identity", lambda _: request)


def _query(make: Callable[..., Message]) -> BoundaryCase:
    return BoundaryCase("query", lambda it: make(request_id=it))


def _budget(make: Callable[..., Message]) -> BoundaryCase:
    return BoundaryCase("budget", lambda it: make(budget_id=it))


def _reserve() -> Message:
    target = action_pb2.Target(operation="sms.send")
    return budgets.ReserveRequest(request_id=str(uuid4()), amount_nanousd=1, target=target)


def _reservation(make: Callable[..., Message]) -> BoundaryCase:
    return BoundaryCase("reservation", lambda it: make(request_id=it))


def _checkpoint(make: Callable[..., Message]) -> BoundaryCase:
    return BoundaryCase("checkpoint", lambda it: make(checkpoint_id=it))


_MEMBER: Final = RoleCase(Role.MEMBER)
_BUDGETS: Final = RoleCase(Role.BUDGET_ADMIN, in_system=Role.OPERATOR)
_AUDIT: Final = RoleCase(Role.AUDITOR, in_system=Role.SYSTEM_AUDITOR)
_LEDGER: Final = RoleCase(Role.SYSTEM_AUDITOR, system_only=True)

ROLE_CASES: Final[dict[str, RoleCase]] = {
    f"{PIPELINE}Query": _MEMBER,
    f"{PIPELINE}Run": _MEMBER,
    f"{PIPELINE}Watch": _MEMBER,
    f"{PIPELINE}Continue": _MEMBER,
    f"{PIPELINE}GetQuery": _MEMBER,
    f"{PIPELINE}ListQueries": _MEMBER,
    f"{PIPELINE}CancelQuery": _MEMBER,
    f"{PIPELINE}ListIntents": _MEMBER,
    f"{ROUTER}Route": _MEMBER,
    f"{ROUTER}ListProviders": _MEMBER,
    f"{ROUTER}GetProvider": _MEMBER,
    f"{TOOL_CALLS}GetToolCall": _MEMBER,
    f"{TOOL_CALLS}TakeToolCall": _MEMBER,
    f"{TOOL_CALLS}RedeemRelease": _MEMBER,
    f"{TOOL_CALLS}GetReleaseKeys": _MEMBER,
    f"{CHECKPOINTS}GetCheckpoint": _MEMBER,
    f"{CHECKPOINTS}GetCheckpointContent": _MEMBER,
    f"{CHECKPOINTS}ListCheckpoints": _MEMBER,
    f"{CHECKPOINTS}CountPendingCheckpoints": _MEMBER,
    f"{CHECKPOINTS}WatchCheckpoints": _MEMBER,
    f"{CHECKPOINTS}ResolveCheckpoint": RoleCase(Role.APPROVER, person=True),
    f"{CHECKPOINTS}ResolveCheckpoints": RoleCase(Role.APPROVER, person=True),
    f"{CHECKPOINTS}CancelCheckpoint": _MEMBER,
    f"{BUDGETS}CreateBudget": _BUDGETS,
    f"{BUDGETS}GetBudget": _BUDGETS,
    f"{BUDGETS}ListBudgets": _BUDGETS,
    f"{BUDGETS}UpdateBudget": _BUDGETS,
    f"{BUDGETS}UnfreezeBudget": _BUDGETS,
    f"{BUDGETS}DeleteBudget": _BUDGETS,
    f"{BUDGETS}Reserve": _MEMBER,
    f"{BUDGETS}Post": _MEMBER,
    f"{BUDGETS}Void": _MEMBER,
    f"{BUDGETS}GetReservation": _MEMBER,
    f"{LIMITS}GetRateLimits": _MEMBER,
    f"{LIMITS}ListRateLimits": RoleCase(Role.OPERATOR, system_only=True),
    f"{IDENTITY}WhoAmI": _MEMBER,
    f"{IDENTITY}ListViolations": _AUDIT,
    f"{AUDIT}ListEntries": _AUDIT,
    f"{AUDIT}GetEntry": _AUDIT,
    f"{AUDIT}VerifyLedger": _LEDGER,
    f"{AUDIT}ExportEntries": _LEDGER,
}

BOUNDARY_CASES: Final[dict[str, BoundaryCase]] = {
    f"{PIPELINE}Query": _same(QUERY),
    f"{PIPELINE}Run": _same(pipeline.RunRequest(query=QUERY)),
    f"{PIPELINE}Watch": _query(pipeline.WatchRequest),
    f"{PIPELINE}Continue": _query(pipeline.ContinueRequest),
    f"{PIPELINE}GetQuery": _query(pipeline.GetQueryRequest),
    f"{PIPELINE}ListQueries": _same(pipeline.ListQueriesRequest()),
    f"{PIPELINE}CancelQuery": _query(pipeline.CancelQueryRequest),
    f"{PIPELINE}ListIntents": _same(pipeline.ListIntentsRequest()),
    f"{ROUTER}Route": _same(router.RouteRequest(text="Which day is it?")),
    f"{ROUTER}ListProviders": _same(router.ListProvidersRequest()),
    f"{ROUTER}GetProvider": _same(router.GetProviderRequest(name="groq")),
    f"{TOOL_CALLS}GetToolCall": BoundaryCase(
        "tool_call", lambda it: tool_calls.GetToolCallRequest(call_id=it)
    ),
    f"{TOOL_CALLS}TakeToolCall": BoundaryCase(
        "tool_call", lambda it: tool_calls.TakeToolCallRequest(call_id=it)
    ),
    # Only a release names a call here, and none is signed by hand.
    f"{TOOL_CALLS}RedeemRelease": _same(tool_calls.RedeemReleaseRequest(release="none")),
    f"{TOOL_CALLS}GetReleaseKeys": _same(tool_calls.GetReleaseKeysRequest()),
    f"{CHECKPOINTS}GetCheckpoint": _checkpoint(checkpoints.GetCheckpointRequest),
    f"{CHECKPOINTS}GetCheckpointContent": _checkpoint(checkpoints.GetCheckpointContentRequest),
    f"{CHECKPOINTS}ListCheckpoints": _same(checkpoints.ListCheckpointsRequest()),
    f"{CHECKPOINTS}CountPendingCheckpoints": _same(checkpoints.CountPendingCheckpointsRequest()),
    f"{CHECKPOINTS}WatchCheckpoints": _same(checkpoints.WatchCheckpointsRequest()),
    f"{CHECKPOINTS}ResolveCheckpoint": BoundaryCase("checkpoint", _resolve),
    f"{CHECKPOINTS}ResolveCheckpoints": BoundaryCase("checkpoint", _resolve_all),
    f"{CHECKPOINTS}CancelCheckpoint": _checkpoint(checkpoints.CancelCheckpointRequest),
    f"{BUDGETS}CreateBudget": _same(BUDGET),
    f"{BUDGETS}GetBudget": _budget(budgets.GetBudgetRequest),
    f"{BUDGETS}ListBudgets": _same(budgets.ListBudgetsRequest()),
    f"{BUDGETS}UpdateBudget": _budget(budgets.UpdateBudgetRequest),
    f"{BUDGETS}UnfreezeBudget": _budget(budgets.UnfreezeBudgetRequest),
    f"{BUDGETS}DeleteBudget": _budget(budgets.DeleteBudgetRequest),
    f"{BUDGETS}Reserve": BoundaryCase("identity", lambda _: _reserve()),
    f"{BUDGETS}Post": _reservation(budgets.PostRequest),
    f"{BUDGETS}Void": _reservation(budgets.VoidRequest),
    f"{BUDGETS}GetReservation": _reservation(budgets.GetReservationRequest),
    f"{LIMITS}GetRateLimits": _same(limits.GetRateLimitsRequest()),
    f"{LIMITS}ListRateLimits": _same(limits.ListRateLimitsRequest()),
    f"{IDENTITY}WhoAmI": _same(identity.WhoAmIRequest()),
    f"{IDENTITY}ListViolations": _same(identity.ListViolationsRequest()),
    f"{AUDIT}ListEntries": _same(audit.ListEntriesRequest()),
    f"{AUDIT}GetEntry": BoundaryCase("ledger_entry", lambda it: audit.GetEntryRequest(entry_id=it)),
    f"{AUDIT}VerifyLedger": _same(audit.VerifyLedgerRequest()),
    f"{AUDIT}ExportEntries": _same(audit.ExportEntriesRequest()),
}

RESOURCE_RPCS: Final = sorted(
    name for name, case in BOUNDARY_CASES.items() if case.kind != "identity"
)
EVERY_RPC: Final = sorted(BOUNDARY_CASES)
# What a valid request is refused for, where nobody can make one that is not by hand.
UNSERVED: Final = {f"{TOOL_CALLS}RedeemRelease": "RELEASE_INVALID"}
# Served until its caller leaves.
ENDLESS: Final = f"{CHECKPOINTS}WatchCheckpoints"


def valid_request(name: str) -> Message:
    """A request that this rpc understands; its id, if it takes one, belongs to nobody."""
    return BOUNDARY_CASES[name].request(MISSING)
