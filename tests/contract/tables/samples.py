"""One awkward row of every kind: all text that SQL, JSON or C could trip over."""

from __future__ import annotations

from typing import Final

from chenu_server.command import Row
from chenu_server.governance.budgets import tables as budgets
from chenu_server.governance.budgets.model import (
    Budget,
    BudgetPeriod,
    Hold,
    HoldState,
)
from chenu_server.governance.checkpoints import tables as checkpoints
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.identity import tables as identity
from chenu_server.governance.identity.model import Violation
from chenu_server.governance.limits import tables as limits
from chenu_server.governance.limits.model import Slot
from chenu_server.governance.tools import tables as tools
from chenu_server.governance.tools.model import ToolCall
from chenu_server.pipeline import media_tables as media
from chenu_server.pipeline import tables as pipeline
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.media_records import FileChunk, HeldFile, StoredFile, UsedFile
from chenu_server.pipeline.model import LaneReport, Outcome, TokenUsage
from chenu_server.pipeline.output import DecidedCall, StoredPart
from chenu_server.pipeline.records import (
    Attempt,
    AttemptState,
    EventSegment,
    Operation,
    OutputChunk,
    QueryAlias,
    QueryContent,
)
from chenu_server.reasons import Reason
from chenu_server.vocabulary import (
    CheckpointState,
    CheckpointType,
    EventKind,
    Lane,
    LaneStatus,
    PartKind,
    Period,
    PrincipalType,
    QueryStatus,
    Scope,
    ToolCallState,
    ToolEffect,
    ViolationType,
)

MAPS: Final = (
    *budgets.MAPS,
    budgets.holds_map(pipeline.QUERIES_MAP),
    *limits.MAPS,
    *checkpoints.MAPS,
    *pipeline.MAPS,
    *media.MAPS,
    *identity.MAPS,
    *tools.MAPS,
)

# What is data in SQL, JSON, arrays and C strings, and must never be anything else.
AWKWARD: Final = (
    "l'été \"q\" \\ {a,b} NULL '; DROP TABLE queries;-- \0 \x01 \x1f \u2028 \U0001f512 é"
)
LARGEST: Final = 2**63 - 1
DECIDED: Final = DecidedCall(
    call_id="c",
    effect=ToolEffect.PAYMENT,
    state=ToolCallState.HELD,
    checkpoint_id="k",
    expires_us=LARGEST,
    reason="",
)

BUDGET: Final = Budget(
    budget_id="b",
    identity_id="ali'ce",
    scope=Scope.SPHERE,
    scope_value='per"sonal\\',
    period=Period.WEEKLY,
    limit_nanousd=10**18,
    granted_nanousd=7,
    deleted=True,
    version=LARGEST,
    created_us=1,
    updated_us=2,
)
PERIOD: Final = BudgetPeriod(
    budget_id="b",
    period_start_us=1_700_000_000_000_000,
    identity_id="ali'ce",
    posted_nanousd=LARGEST,
    reserved_nanousd=3,
    overrun_nanousd=4,
    overrun_seen_nanousd=3,
    frozen_us=LARGEST,
)
HOLD: Final = Hold(
    identity_id="ali'ce",
    request_id="r",
    state=HoldState.HELD,
    amount_nanousd=5,
    posted_nanousd=6,
    overrun_nanousd=7,
    estimated=True,
    legs=(("b", 0), ("é{}", 1_700_000_000_000_000)),
    owner_id="o",
    expires_us=8,
    created_us=9,
    ended_us=10,
)
SLOT: Final = Slot(ledger_number=0, provider="anthropic", slot=99, free_at_us=2**62)
CHECKPOINT: Final = Checkpoint(
    identity_id="ali'ce",
    checkpoint_id="c",
    request_id="r",
    types=(CheckpointType.CROSS_SPHERE, CheckpointType.DESTRUCTIVE_ACTION),
    state=CheckpointState.APPROVED,
    action=AWKWARD,
    target=AWKWARD,
    action_digest=bytes(range(32)),
    question_en=AWKWARD,
    question_fr=AWKWARD,
    preview=AWKWARD,
    provider="anthropic",
    model="claude",
    max_cost_nanousd=LARGEST,
    requested_by_type=PrincipalType.AGENT,
    requested_by="agent-7",
    acting_for=("bob", 'c"d'),
    lifetime_us=1,
    created_us=2,
    expires_us=3,
    use_before_us=4,
    resolved_us=5,
    resolved_by="carol",
    decision_id="d",
    reason=AWKWARD,
    consumed_us=6,
)
USAGE: Final = TokenUsage(
    input_tokens=1,
    output_tokens=2,
    cache_read_tokens=3,
    cache_write_tokens=4,
    cache_write_hour_tokens=5,
)
QUERY: Final = Operation(
    identity_id="ali'ce",
    request_id="r",
    principal_type=PrincipalType.SERVICE,
    principal_id="svc\\",
    acting_for=("bob",),
    content_digest=bytes(32),
    status=QueryStatus.FAILED,
    owner_id="o",
    deadline_ms=300_000,
    resume_on_approval=True,
    sphere="scholar",
    mode="generation",
    intents=("delete", "send"),
    detected_intents=("payment",),
    thread_id=AWKWARD,
    run_id=AWKWARD,
    labels=(("a", AWKWARD), (AWKWARD, "")),
    action_digest=bytes([255] * 32),
    context_hash=b"'\\\0" + bytes(29),
    checkpoint_id="c",
    provider="anthropic",
    model="claude",
    chain=("anthropic/claude", AWKWARD),
    stop_reason=AWKWARD,
    output_cap=1_024,
    usage=USAGE,
    cost_nanousd=LARGEST,
    estimated=True,
    attempts=3,
    lanes=(
        LaneReport(lane=Lane.A_INTENT, status=LaneStatus.COMPLETED, duration_us=7, summary=AWKWARD),
        LaneReport(lane=Lane.G_AUDIT, status=LaneStatus.SKIPPED, duration_us=0),
    ),
    outcome=Outcome(
        reason=Reason.POLICY_DENIED, message=AWKWARD, error=(("policies", AWKWARD), ("a", ""))
    ),
    event_count=17,
    output_length=LARGEST,
    output_parts=(
        StoredPart(PartKind.REASONING, "", 0),
        StoredPart(PartKind.TOOL_CALL, AWKWARD, LARGEST),
        StoredPart(PartKind.TOOL_CALL, "pay", 0, DECIDED),
    ),
    output_format="json",
    created_us=1,
    updated_us=2,
    ended_us=3,
)
CALL: Final = ToolCall(
    identity_id="ali'ce",
    call_id="c",
    query_id="r",
    part=2,
    tool="pay",
    effect=ToolEffect.PAYMENT,
    audience="l'été {a,b} NULL '; DROP TABLE queries;--",
    schema_sha256=bytes(range(32)),
    salt=bytes(32),
    taken_us=1,
    expires_us=LARGEST,
    key_id="k",
    redeemed_us=2,
)
ALIAS: Final = QueryAlias(
    identity_id="ali'ce",
    request_id="r2",
    first_request_id="r",
    principal_type=PrincipalType.SERVICE,
    principal_id="svc\\",
    content_digest=b"\0'\\" + bytes(29),
    created_us=LARGEST,
)
CONTENT: Final = QueryContent(
    identity_id="ali'ce", request_id="r", request='{"text":"\\u0000 \'é"}', plan="{}"
)
ATTEMPT: Final = Attempt(
    identity_id="ali'ce",
    request_id="r",
    attempt=2,
    state=AttemptState.INTERRUPTED,
    provider="anthropic",
    model="claude",
    slot=99,
    bound_nanousd=LARGEST,
    cost_nanousd=5,
    estimated=True,
    rates_source="operator",
    usage=USAGE,
    failure="timeout",
    admitted_us=6,
    ended_us=7,
    provider_request_id=AWKWARD,
    answered_model=AWKWARD,
)
SEGMENT: Final = EventSegment(
    identity_id="ali'ce",
    request_id="r",
    first_sequence=4,
    events=(
        Event(sequence=4, kind=EventKind.LANE_START, time_us=LARGEST, body={"lane": AWKWARD}),
        Event(
            sequence=5,
            kind=EventKind.PIPELINE_COMPLETE,
            time_us=9,
            body={"n": LARGEST, "on": True, "of": None, "in": ["a", AWKWARD], "by": {"k": 1}},
        ),
    ),
)
CHUNK: Final = OutputChunk(
    identity_id="ali'ce",
    request_id="r",
    attempt=1,
    part=127,
    offset=LARGEST,
    text=AWKWARD,
    kind=PartKind.TOOL_CALL,
    name=AWKWARD,
    call_id=AWKWARD,
    proof=(AWKWARD, ""),
)

VIOLATION: Final = Violation(
    violation_id="v",
    ledger_number=2**31 - 1,
    source_identity="ali'ce",
    principal_type=PrincipalType.AGENT,
    principal_id="agent\\",
    type=ViolationType.SPOOFED_IDENTITY,
    target_kind="query",
    target_id="l'été \\",
    method="/chenu",
    peer="ipv4:1",
    time_us=LARGEST,
)

ROWS: Final[tuple[Row, ...]] = (
    BUDGET,
    PERIOD,
    HOLD,
    SLOT,
    CHECKPOINT,
    QUERY,
    ALIAS,
    CONTENT,
    ATTEMPT,
    SEGMENT,
    CHUNK,
    StoredFile(identity_id="ali'ce", sha256=bytes(range(32)), size=LARGEST),
    FileChunk(identity_id="ali'ce", sha256=b"", offset=LARGEST, data=bytes(range(256))),
    HeldFile(hold_id="h", sha256=b"\0", identity_id="ali'ce", owner_id="o"),
    UsedFile(identity_id="ali'ce", sha256=bytes(32), request_id="r"),
    VIOLATION,
    CALL,
)
