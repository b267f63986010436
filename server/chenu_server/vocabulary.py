"""The contract's closed lists of words.

Generated from `proto/` by `make proto`: change it there.
"""

from __future__ import annotations

from chenu_server.word import Word


class PrincipalType(Word):
    """What kind of caller a token was issued to."""

    USER = "user", 1
    SERVICE = "service", 2
    AGENT = "agent", 3


class Role(Word):
    """A right that a token gives its holder inside one identity."""

    MEMBER = "member", 1
    APPROVER = "approver", 2
    BUDGET_ADMIN = "budget_admin", 3
    AUDITOR = "auditor", 4
    OPERATOR = "operator", 5
    SYSTEM_AUDITOR = "system_auditor", 6


class ViolationType(Word):
    """How a boundary was crossed."""

    CROSS_IDENTITY_ACCESS = "cross_identity_access", 1
    MISSING_IDENTITY = "missing_identity", 2
    INVALID_IDENTITY = "invalid_identity", 3
    SPOOFED_IDENTITY = "spoofed_identity", 4


class Intent(Word):
    """What a text asks for."""

    QUERY = "query", 1
    CREATE = "create", 2
    UPDATE = "update", 3
    DELETE = "delete", 4
    SEND = "send", 5
    ANALYZE = "analyze", 6
    TRANSFER = "transfer", 7
    PAYMENT = "payment", 8


class Sphere(Word):
    """One of the nine areas inside an identity."""

    PERSONAL = "personal", 1
    BUSINESS = "business", 2
    GOVERNMENT = "government", 3
    CREATIVE = "creative", 4
    COMMUNITY = "community", 5
    SOCIAL = "social", 6
    ENTERTAINMENT = "entertainment", 7
    TEAM = "team", 8
    SCHOLAR = "scholar", 9


class OperationKind(Word):
    """What kind of operation is governed."""

    QUERY = "query", 1
    RESERVATION = "reservation", 2
    TOOL_CALL = "tool.call", 3


class CheckpointType(Word):
    """Why a person must look."""

    EXECUTION_APPROVAL = "execution_approval", 1
    DATA_ACCESS = "data_access", 2
    SCOPE_ELEVATION = "scope_elevation", 3
    BUDGET_APPROVAL = "budget_approval", 4
    CROSS_SPHERE = "cross_sphere", 5
    DESTRUCTIVE_ACTION = "destructive_action", 6
    IDENTITY_BOUNDARY = "identity_boundary", 7


class CheckpointState(Word):
    """Where a checkpoint stands."""

    PENDING = "pending", 1
    APPROVED = "approved", 2
    REJECTED = "rejected", 3
    EXPIRED = "expired", 4
    CANCELLED = "cancelled", 5


class Decision(Word):
    """Yes or no."""

    APPROVE = "approve", 1
    REJECT = "reject", 2


class ContentKind(Word):
    """What a piece of content is."""

    TEXT = "text", 1
    CONTEXT_ITEM = "context_item", 2
    SYSTEM = "system", 3
    FACTS = "facts", 4
    TOOL_CALL = "tool_call", 5
    TOOL_RESULT = "tool_result", 6
    REASONING = "reasoning", 7
    IMAGE = "image", 8
    DOCUMENT = "document", 9


class Scope(Word):
    """Which queries, and which reservations of services, a budget covers."""

    GLOBAL = "global", 1
    IDENTITY = "identity", 2
    SPHERE = "sphere", 3
    THREAD = "thread", 4
    AGENT = "agent", 5
    PROVIDER = "provider", 6


class Period(Word):
    """When a budget's amounts start again at zero, in UTC."""

    DAILY = "daily", 1
    WEEKLY = "weekly", 2
    MONTHLY = "monthly", 3
    TOTAL = "total", 4


class ReservationState(Word):
    """Where a reservation of a service stands."""

    BLOCKED = "blocked", 1
    APPROVED = "approved", 2
    HELD = "held", 3
    POSTED = "posted", 4
    VOIDED = "voided", 5
    EXPIRED = "expired", 6
    REJECTED = "rejected", 7
    REFUSED = "refused", 8

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (
            ReservationState.POSTED,
            ReservationState.VOIDED,
            ReservationState.EXPIRED,
            ReservationState.REJECTED,
            ReservationState.REFUSED,
        )


class Mode(Word):
    """What a query's text is."""

    COMMAND = "command", 1
    GENERATION = "generation", 2


class QueryStatus(Word):
    """Where a query stands."""

    PENDING = "pending", 1
    RUNNING = "running", 2
    BLOCKED = "blocked", 3
    APPROVED = "approved", 4
    REJECTED = "rejected", 5
    EXPIRED = "expired", 6
    COMPLETED = "completed", 7
    FAILED = "failed", 8
    CANCELLED = "cancelled", 9

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (
            QueryStatus.REJECTED,
            QueryStatus.EXPIRED,
            QueryStatus.COMPLETED,
            QueryStatus.FAILED,
            QueryStatus.CANCELLED,
        )


class MessageRole(Word):
    """Who speaks."""

    SYSTEM = "system", 1
    USER = "user", 2
    ASSISTANT = "assistant", 3
    TOOL = "tool", 4


class PartKind(Word):
    """What a part is."""

    TEXT = "text", 1
    TOOL_CALL = "tool_call", 2
    TOOL_RESULT = "tool_result", 3
    REASONING = "reasoning", 4
    IMAGE = "image", 5
    DOCUMENT = "document", 6


class ToolEffect(Word):
    """What calling a tool does."""

    READ = "read", 1
    WRITE = "write", 2
    DELETE = "delete", 3
    SEND = "send", 4
    TRANSFER = "transfer", 5
    PAYMENT = "payment", 6


class ToolCallState(Word):
    """Where a proposed call stands."""

    PASSED = "passed", 1
    HELD = "held", 2
    RELEASED = "released", 3
    REFUSED = "refused", 4
    EXPIRED = "expired", 5
    CANCELLED = "cancelled", 6

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (
            ToolCallState.PASSED,
            ToolCallState.RELEASED,
            ToolCallState.REFUSED,
            ToolCallState.EXPIRED,
            ToolCallState.CANCELLED,
        )


class ReleaseBasis(Word):
    """Why a call was released."""

    PERSON = "person", 1
    POLICY = "policy", 2


class Lane(Word):
    """One of the pipeline's seven steps, which run strictly in order."""

    A_INTENT = "lane_a_intent", 1
    B_CONTEXT = "lane_b_context", 2
    C_ENCODING = "lane_c_encoding", 3
    D_GOVERNANCE = "lane_d_governance", 4
    E_CHECKPOINT = "lane_e_checkpoint", 5
    F_EXECUTION = "lane_f_execution", 6
    G_AUDIT = "lane_g_audit", 7


class LaneStatus(Word):
    """Where a lane stands."""

    PENDING = "pending", 1
    RUNNING = "running", 2
    COMPLETED = "completed", 3
    FAILED = "failed", 4
    SKIPPED = "skipped", 5
    BLOCKED = "blocked", 6


class EventKind(Word):
    """Which event it is."""

    PIPELINE_START = "pipeline.start", 1
    LANE_START = "lane.start", 2
    LANE_COMPLETE = "lane.complete", 3
    LANE_ERROR = "lane.error", 4
    LLM_CALL_START = "llm_call.start", 5
    LLM_CALL_DELTA = "llm_call.delta", 6
    LLM_CALL_COMPLETE = "llm_call.complete", 7
    LLM_CALL_ERROR = "llm_call.error", 8
    CHECKPOINT_CREATED = "checkpoint.created", 9
    CHECKPOINT_APPROVED = "checkpoint.approved", 10
    CHECKPOINT_REJECTED = "checkpoint.rejected", 11
    CHECKPOINT_EXPIRED = "checkpoint.expired", 12
    PIPELINE_BLOCKED = "pipeline.blocked", 13
    BUDGET_WARNING = "budget.warning", 14
    BUDGET_EXCEEDED = "budget.exceeded", 15
    RATE_LIMIT_QUEUED = "rate_limit.queued", 16
    RATE_LIMIT_EXCEEDED = "rate_limit.exceeded", 17
    PIPELINE_COMPLETE = "pipeline.complete", 18
    PIPELINE_ERROR = "pipeline.error", 19
    PART_COMPLETE = "part.complete", 20
    TOOL_CALL_PASSED = "tool_call.passed", 21
    TOOL_CALL_HELD = "tool_call.held", 22
    TOOL_CALL_REFUSED = "tool_call.refused", 23

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (EventKind.PIPELINE_COMPLETE, EventKind.PIPELINE_ERROR)
