"""What stands between the wire and a servicer, on a real port."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # no stubs

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.caller import Caller
from chenu_server.errors import BudgetRequired, CheckpointPending, RoleRequired
from chenu_server.infra.rpc.interceptors.identity import check_access
from chenu_server.infra.rpc.methods import Access
from chenu_server.vocabulary import PrincipalType, Role, ViolationType
from tests.unit.identity.samples import NOW_US, principal, token
from tests.unit.rpc.samples import Refusal, Served, bearer, serving

WHO = "/chenu.api.governance.v1.IdentityService/WhoAmI"
VIOLATIONS = "/chenu.api.governance.v1.IdentityService/ListViolations"
RESOLVE = "/chenu.api.governance.v1.CheckpointService/ResolveCheckpoint"
LIMITS = "/chenu.api.governance.v1.RateLimitService/ListRateLimits"
QUERY = "/chenu.api.pipeline.v1.PipelineService/Query"
RUN = "/chenu.api.pipeline.v1.PipelineService/Run"
UNKNOWN_FIELD = b"\xfa\x3f\x01x"  # field 1023, one byte long


async def raising(error: BaseException) -> None:
    """Fail as told."""
    raise error


# --- who calls --------------------------------------------------------------------------------


async def test_a_call_acts_in_its_tokens_only_identity(served: Served) -> None:
    """Most services hold one identity and need no header."""
    await served.call(WHO)

    (caller,) = served.script.callers
    assert ("acme", "svc-1", WHO) == (caller.identity_id, caller.principal.id, caller.method)
    assert caller.peer.startswith("ipv4:127.0.0.1:")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "TOKEN_MISSING"),
        ((("authorization", "Basic dXNlcjpwYXNz"),), "TOKEN_MISSING"),
        ((("authorization", "Bearer "),), "TOKEN_MISSING"),
        ((("authorization", "Bearer abc"),), "TOKEN_INVALID"),
        (bearer() + bearer(), "TOKEN_INVALID"),
        (bearer(token(now_us=NOW_US - 601_000_000)), "TOKEN_EXPIRED"),
    ],
)
async def test_a_call_without_a_good_token_is_unauthenticated(
    served: Served, metadata: tuple[tuple[str, str], ...], reason: str
) -> None:
    """Two tokens are none: another party may have looked at the other one."""
    refusal = await served.refusal(WHO, metadata=metadata)

    assert (grpc.StatusCode.UNAUTHENTICATED, reason) == (refusal.code, refusal.reason)
    assert [] == served.script.callers


async def test_the_token_is_checked_before_the_request(served: Served) -> None:
    """A stranger learns nothing of what a request must look like."""
    refusal = await served.refusal(QUERY, b"\xff\xff\xff", metadata=())

    assert "TOKEN_MISSING" == refusal.reason


@pytest.mark.parametrize(
    ("identities", "named", "kind", "source"),
    [
        (["acme"], "other", ViolationType.SPOOFED_IDENTITY, "acme"),
        (["acme", "beta"], "other", ViolationType.SPOOFED_IDENTITY, "system"),
        (["acme", "beta"], None, ViolationType.MISSING_IDENTITY, "system"),
        (["acme"], "Not An Id", ViolationType.INVALID_IDENTITY, "acme"),
    ],
)
async def test_an_identity_that_the_token_does_not_hold_is_a_violation(
    served: Served, identities: list[str], named: str | None, kind: ViolationType, source: str
) -> None:
    """It is recorded before it is answered, under an id that the caller can quote."""
    held = token({identity: [Role.MEMBER] for identity in identities})
    header = {"x_chenu_identity": named} if named else {}

    refusal = await served.refusal(WHO, metadata=bearer(held, **header))

    ((caller, target, name, recorded),) = served.boundary.refused
    assert "IDENTITY_BOUNDARY_VIOLATION" == refusal.reason
    assert {"violation_id": "violation-1"} == dict(refusal.info.metadata)
    assert (source, "identity", named or "", kind) == (caller.identity_id, target, name, recorded)
    assert frozenset() == caller.roles


async def test_two_identity_headers_are_none(served: Served) -> None:
    """Whichever of the two counted, a proxy in between may have checked the other one."""
    sent = bearer(token({"acme": [Role.MEMBER], "beta": [Role.MEMBER]}))
    twice = (("x-chenu-identity", "acme"), ("x-chenu-identity", "beta"))

    await served.refusal(WHO, metadata=(*sent, *twice))

    assert [ViolationType.INVALID_IDENTITY] == [kind for *_, kind in served.boundary.refused]


async def test_refused_identities_cannot_flood_the_ledger() -> None:
    """Each refusal is a durable entry, so a principal gets as many as it gets calls."""
    async with serving(calls_per_s=1, burst=2) as served:
        spoofed = bearer(x_chenu_identity="other")
        reasons = [(await served.refusal(WHO, metadata=spoofed)).reason for _ in range(3)]

    assert ["IDENTITY_BOUNDARY_VIOLATION"] * 2 + ["RATE_LIMITED"] == reasons
    assert 2 == len(served.boundary.refused)


async def test_the_named_identity_is_the_one_that_counts(served: Served) -> None:
    """A token with several identities says in which it acts."""
    sent = token({"acme": [Role.MEMBER], "beta": [Role.MEMBER]})

    await served.call(WHO, metadata=bearer(sent, x_chenu_identity="beta"))

    assert ["beta"] == [caller.identity_id for caller in served.script.callers]


# --- what they may ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "kind", "roles", "needed"),
    [
        (WHO, "service", {"acme": [Role.AUDITOR]}, {"role": "member"}),
        (VIOLATIONS, "service", {"acme": [Role.MEMBER]}, {"role": "auditor"}),
        (VIOLATIONS, "service", {"system": [Role.AUDITOR]}, {"role": "system_auditor"}),
        (
            RESOLVE,
            "service",
            {"acme": [Role.APPROVER]},
            {"role": "approver", "principal_type": "user"},
        ),
        (
            RESOLVE,
            "agent",
            {"acme": [Role.APPROVER]},
            {"role": "approver", "principal_type": "user"},
        ),
        (RESOLVE, "user", {"acme": [Role.MEMBER]}, {"role": "approver", "principal_type": "user"}),
        (LIMITS, "service", {"acme": [Role.OPERATOR]}, {"role": "operator"}),
        (LIMITS, "service", {"system": [Role.MEMBER]}, {"role": "operator"}),
    ],
)
async def test_an_rpc_needs_the_role_and_type_that_its_option_names(
    served: Served,
    method: str,
    kind: str,
    roles: dict[str, list[Role]],
    needed: dict[str, str],
) -> None:
    """The refusal says what is missing, so that the caller knows whom to ask."""
    sent = token(roles, kind=PrincipalType(kind))

    refusal = await served.refusal(method, metadata=bearer(sent))

    assert (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED") == (refusal.code, refusal.reason)
    assert needed == dict(refusal.info.metadata)
    assert [] == served.script.callers


@pytest.mark.parametrize(
    ("method", "kind", "roles"),
    [
        (VIOLATIONS, "service", {"acme": [Role.AUDITOR]}),
        (VIOLATIONS, "service", {"system": [Role.SYSTEM_AUDITOR]}),
        (RESOLVE, "user", {"acme": [Role.APPROVER]}),
        (LIMITS, "service", {"system": [Role.OPERATOR]}),
    ],
)
async def test_who_has_the_role_and_type_is_served(
    served: Served, method: str, kind: str, roles: dict[str, list[Role]]
) -> None:
    """A check that refuses everybody would pass the test above."""
    await served.call(method, metadata=bearer(token(roles, kind=PrincipalType(kind))))

    assert 1 == len(served.script.callers)


def test_an_rpc_of_the_system_is_refused_elsewhere_whatever_the_role() -> None:
    """Operational state belongs to `system`; the role in another identity is no claim to it."""
    access = Access(
        role=Role.MEMBER,
        system_role=Role.MEMBER,
        principal_type=None,
        system_only=True,
        new_work=False,
    )
    member = Caller(principal=principal(), identity_id="acme", roles=frozenset({Role.MEMBER}))

    with pytest.raises(RoleRequired):
        check_access(access, member)
    check_access(access, replace(member, identity_id="system"))


# --- how much ---------------------------------------------------------------------------------


async def test_a_call_too_many_says_when_it_may_come_again() -> None:
    """The retry time is exact, so a client can wait instead of guessing."""
    async with serving(calls_per_s=1, burst=2) as served:
        await served.call(WHO)
        await served.call(WHO)
        refusal = await served.refusal(WHO)

    delay = refusal.detail(error_details_pb2.RetryInfo).retry_delay.ToMicroseconds()
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED") == (refusal.code, refusal.reason)
    assert {"limit": "calls"} == dict(refusal.info.metadata)
    assert 0 < delay <= 1_000_000


async def test_new_work_is_not_counted_as_a_call() -> None:
    """It has a limit of its own, kept by the pipeline."""
    async with serving(calls_per_s=1, burst=1) as served:
        for _ in range(5):
            await served.call(QUERY)

    assert 5 == len(served.script.callers)


async def test_one_identity_does_not_use_up_anothers_calls() -> None:
    """A noisy neighbour is its own problem."""
    async with serving(calls_per_s=1, burst=1) as served:
        await served.call(WHO)
        await served.call(WHO, metadata=bearer(token({"beta": [Role.MEMBER]})))

    assert ["acme", "beta"] == [caller.identity_id for caller in served.script.callers]


# --- what they sent ---------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"\xff\xff\xff", b"\x12\x02\xc3\x28"], ids=["garbage", "utf-8"])
async def test_bytes_that_are_no_message_are_an_invalid_field(served: Served, sent: bytes) -> None:
    """The transport alone would answer UNKNOWN, which says that the server is broken."""
    refusal = await served.refusal(QUERY, sent)

    assert (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD") == (refusal.code, refusal.reason)
    violation = refusal.detail(error_details_pb2.BadRequest).field_violations[0]
    assert "request" == violation.field


async def test_a_request_over_the_limit_is_refused_and_one_at_it_is_served(served: Served) -> None:
    """The limit is 262,144 bytes, to the byte."""
    overhead = len(pb.QueryRequest(text="x" * 262_000).SerializeToString()) - 262_000
    largest = pb.QueryRequest(text="x" * (262_144 - overhead)).SerializeToString()

    await served.call(QUERY, largest)
    refusal = await served.refusal(QUERY, pb.QueryRequest(text="x" * 262_144).SerializeToString())

    assert 262_144 == len(largest)
    assert "REQUEST_TOO_LARGE" == refusal.reason
    assert {"limit_bytes": "262144"} == dict(refusal.info.metadata)


async def test_attack_strings_are_data(served: Served) -> None:
    """Nothing here interprets text: it arrives byte for byte."""
    text = "\x00'; DROP TABLE ledger_entries; -- ${jndi:ldap://x} <script> \u202e \U0010ffff"

    await served.call(QUERY, pb.QueryRequest(text=text).SerializeToString())

    assert [text] == served.script.texts


@pytest.mark.parametrize(
    ("method", "sent", "field"),
    [
        (QUERY, UNKNOWN_FIELD, "1023"),
        (QUERY, b"\x32" + bytes([len(UNKNOWN_FIELD)]) + UNKNOWN_FIELD, "context_items.1023"),
    ],
)
async def test_new_work_with_an_unknown_field_is_refused(
    served: Served, method: str, sent: bytes, field: str
) -> None:
    """A person would approve, and a retry be compared by, less than what was asked."""
    number = pb.QueryRequest.DESCRIPTOR.fields_by_name["context_items"].number
    sent = bytes([number << 3 | 2]) + sent[1:] if "." in field else sent

    refusal = await served.refusal(method, sent)

    assert ("INVALID_FIELD", field) == (refusal.reason, refusal.info.metadata["field"])


async def test_other_calls_may_have_fields_of_a_newer_contract(served: Served) -> None:
    """A newer client reads from an older server."""
    await served.call(WHO, UNKNOWN_FIELD)

    assert 1 == len(served.script.callers)


# --- how it ends ------------------------------------------------------------------------------


async def test_a_stream_is_refused_after_what_it_has_sent(served: Served) -> None:
    """Streaming rpcs refuse as unary ones do, and nothing that was sent is lost."""
    served.script.act = lambda: raising(BudgetRequired())
    rpc: Any = served.channel.unary_stream(RUN)
    call = rpc(b"", metadata=bearer(), timeout=20)
    messages = [await call.read() for _ in range(3)]

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    assert [1, 2, 3] == [pb.RunResponse.FromString(sent).event.sequence for sent in messages]
    assert "BUDGET_REQUIRED" == Refusal(caught.value).reason


async def test_an_unexpected_exception_is_internal_and_says_nothing(served: Served) -> None:
    """The caller sees a fixed message; the stack is for whoever reads the log."""
    served.script.act = lambda: raising(ValueError("the secret of row 7"))

    with structlog.testing.capture_logs() as lines:
        refusal = await served.refusal(WHO)

    assert (grpc.StatusCode.INTERNAL, "INTERNAL") == (refusal.code, refusal.reason)
    assert "internal error" == refusal.status.message
    assert [True] == [line["exc_info"] for line in lines if line["event"] == "unexpected_error"]


@pytest.mark.parametrize("method", [WHO, RUN])
async def test_a_client_that_leaves_cancels_the_handler(served: Served, method: str) -> None:
    """What the call holds is freed at once, and the cancellation is not swallowed."""
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    served.script.act = wait
    open_rpc: Any = served.channel.unary_stream if method == RUN else served.channel.unary_unary
    rpc = open_rpc(method)
    call = rpc(b"", metadata=bearer(), timeout=20)
    if method == RUN:
        for _ in range(3):
            await call.read()
    await asyncio.wait_for(started.wait(), 10)
    call.cancel()

    await asyncio.wait_for(cancelled.wait(), 10)
    assert method == WHO or await asyncio.wait_for(served.script.closed.wait(), 10)


async def test_the_deadline_of_the_call_reaches_the_service(served: Served) -> None:
    """A query is refused at once when its caller will not wait long enough."""
    await served.call(WHO)

    (remaining_ms,) = served.script.deadlines_ms
    assert remaining_ms is not None
    assert 0 < remaining_ms < 30_000  # the transport rounds up


async def test_a_call_continues_its_callers_trace(served: Served) -> None:
    """One trace shows the caller's span and ours."""
    traceparent = f"00-{'ab' * 16}-{'cd' * 8}-01"

    await served.call(WHO, metadata=bearer(traceparent=traceparent))
    await served.call(WHO)

    first, second = served.script.traces
    assert "ab" * 16 == first
    assert 32 == len(second)
    assert first != second


async def test_a_pending_checkpoint_tells_clients_not_to_retry(served: Served) -> None:
    """A client's own retries would ask a person again and again."""
    pending = CheckpointPending(
        request_id="r",
        checkpoint_id="c",
        types=("destructive_action",),
        action="nova.query",
        action_digest="ab" * 32,
        expires_at="2026-01-01T00:00:00Z",
        question="Delete?",
        question_fr="Supprimer ?",
    )
    served.script.act = lambda: raising(pending)

    refusal = await served.refusal(QUERY)

    trailers = dict(refusal.error.trailing_metadata() or ())
    assert "-1" == trailers["grpc-retry-pushback-ms"]
    assert "423" == refusal.info.metadata["http_status"]


async def test_every_call_is_logged_once_with_how_it_ended(served: Served) -> None:
    """Also one that a layer outside the log refused; never with its token."""
    with structlog.testing.capture_logs() as lines:
        await served.call(QUERY)
        served.script.act = lambda: raising(BudgetRequired())
        await served.refusal(QUERY)
        await served.refusal(QUERY, metadata=())

    calls = [line for line in lines if line["event"] == "call"]
    assert ["OK", "BUDGET_REQUIRED", "TOKEN_MISSING"] == [line["outcome"] for line in calls]
    assert ["acme", "acme", ""] == [line["identity"] for line in calls]
    assert "eyJ" not in str(lines)
