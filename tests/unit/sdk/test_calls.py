"""Every rpc of the contract has its method in the SDK, and the method sends what it was given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from chenu.aio import Client
from chenu.aio.channel import FILES
from chenu.api.governance.v1 import (
    audit_service_pb2,
    budget_service_pb2,
    checkpoint_pb2,
    checkpoint_service_pb2,
    identity_service_pb2,
    rate_limit_service_pb2,
)
from chenu.api.pipeline.v1 import (
    event_pb2,
    message_pb2,
    pipeline_service_pb2,
    router_service_pb2,
    tool_call_service_pb2,
)
from tests.unit.contract.test_proto import methods

Calling = Callable[[Client], Awaitable[object] | AsyncIterator[object]]
WHOLE_LEDGER = audit_service_pb2.ListEntriesRequest(resource_kind="query")
QUERY = pipeline_service_pb2.QueryRequest(request_id="q", text="t")
RESERVE = budget_service_pb2.ReserveRequest(request_id="r", amount_nanousd=9)
AFTER = event_pb2.Cursor(sequence=3, attempt=1, offset=5)

CALLS: list[tuple[str, Calling, Message]] = [
    ("PipelineService/Query", lambda c: c.pipeline.query(QUERY), QUERY),
    (
        "PipelineService/Run",
        lambda c: aiter(c.pipeline.run(QUERY, give_up_s=0)),
        pipeline_service_pb2.RunRequest(query=QUERY),
    ),
    (
        "PipelineService/Watch",
        lambda c: aiter(c.pipeline.watch("q", after=AFTER, give_up_s=0)),
        pipeline_service_pb2.WatchRequest(request_id="q", after=AFTER),
    ),
    (
        "PipelineService/Continue",
        lambda c: aiter(c.pipeline.resume("q", after=AFTER, give_up_s=0)),
        pipeline_service_pb2.ContinueRequest(request_id="q", after=AFTER),
    ),
    (
        "PipelineService/GetQuery",
        lambda c: c.pipeline.get("q"),
        pipeline_service_pb2.GetQueryRequest(request_id="q"),
    ),
    (
        "PipelineService/ListQueries",
        lambda c: c.pipeline.list(states=[message_pb2.QUERY_STATE_BLOCKED], page_size=7),
        pipeline_service_pb2.ListQueriesRequest(
            states=[message_pb2.QUERY_STATE_BLOCKED], page_size=7
        ),
    ),
    (
        "PipelineService/CancelQuery",
        lambda c: c.pipeline.cancel("q", reason="late"),
        pipeline_service_pb2.CancelQueryRequest(request_id="q", reason="late"),
    ),
    (
        "PipelineService/ListIntents",
        lambda c: c.pipeline.intents(),
        pipeline_service_pb2.ListIntentsRequest(),
    ),
    (
        "RouterService/Route",
        lambda c: c.router.route(router_service_pb2.RouteRequest(text="t")),
        router_service_pb2.RouteRequest(text="t"),
    ),
    (
        "RouterService/ListProviders",
        lambda c: c.router.providers(),
        router_service_pb2.ListProvidersRequest(),
    ),
    (
        "RouterService/GetProvider",
        lambda c: c.router.provider("groq"),
        router_service_pb2.GetProviderRequest(name="groq"),
    ),
    (
        "ToolCallService/GetToolCall",
        lambda c: c.tool_calls.get("t"),
        tool_call_service_pb2.GetToolCallRequest(call_id="t"),
    ),
    (
        "ToolCallService/TakeToolCall",
        lambda c: c.tool_calls.take("t"),
        tool_call_service_pb2.TakeToolCallRequest(call_id="t"),
    ),
    (
        "ToolCallService/RedeemRelease",
        lambda c: c.tool_calls.redeem("r", tool="look", audience="files", arguments_json="{}"),
        tool_call_service_pb2.RedeemReleaseRequest(
            release="r", tool="look", audience="files", arguments_json="{}"
        ),
    ),
    (
        "ToolCallService/GetReleaseKeys",
        lambda c: c.tool_calls.release_keys(),
        tool_call_service_pb2.GetReleaseKeysRequest(),
    ),
    (
        "CheckpointService/GetCheckpoint",
        lambda c: c.checkpoints.get("c"),
        checkpoint_service_pb2.GetCheckpointRequest(checkpoint_id="c"),
    ),
    (
        "CheckpointService/ListCheckpoints",
        lambda c: c.checkpoints.list(states=[checkpoint_pb2.CHECKPOINT_STATE_PENDING]),
        checkpoint_service_pb2.ListCheckpointsRequest(
            states=[checkpoint_pb2.CHECKPOINT_STATE_PENDING]
        ),
    ),
    (
        "CheckpointService/GetCheckpointContent",
        lambda c: c.checkpoints.content("c", page_bytes=9),
        checkpoint_service_pb2.GetCheckpointContentRequest(checkpoint_id="c", page_bytes=9),
    ),
    (
        "CheckpointService/CountPendingCheckpoints",
        lambda c: c.checkpoints.pending(),
        checkpoint_service_pb2.CountPendingCheckpointsRequest(),
    ),
    (
        "CheckpointService/WatchCheckpoints",
        lambda c: c.checkpoints.watch(),
        checkpoint_service_pb2.WatchCheckpointsRequest(),
    ),
    (
        "CheckpointService/ResolveCheckpoint",
        lambda c: c.checkpoints.approve("c", decision_id="d", expected_action_digest=b"x"),
        checkpoint_service_pb2.ResolveCheckpointRequest(
            checkpoint_id="c",
            decision_id="d",
            decision=checkpoint_service_pb2.CHECKPOINT_DECISION_APPROVE,
            expected_action_digest=b"x",
        ),
    ),
    (
        "CheckpointService/ResolveCheckpoint",
        lambda c: c.checkpoints.reject("c", reason="no", decision_id="d"),
        checkpoint_service_pb2.ResolveCheckpointRequest(
            checkpoint_id="c",
            decision_id="d",
            decision=checkpoint_service_pb2.CHECKPOINT_DECISION_REJECT,
            reason="no",
        ),
    ),
    (
        "CheckpointService/ResolveCheckpoints",
        lambda c: c.checkpoints.resolve(
            [checkpoint_service_pb2.ResolveCheckpointRequest(checkpoint_id="c", decision_id="d")]
        ),
        checkpoint_service_pb2.ResolveCheckpointsRequest(
            decisions=[
                checkpoint_service_pb2.ResolveCheckpointRequest(checkpoint_id="c", decision_id="d")
            ]
        ),
    ),
    (
        "CheckpointService/CancelCheckpoint",
        lambda c: c.checkpoints.cancel("c", reason="late"),
        checkpoint_service_pb2.CancelCheckpointRequest(checkpoint_id="c", reason="late"),
    ),
    (
        "BudgetService/CreateBudget",
        lambda c: c.budgets.create(
            scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
            period=budget_service_pb2.BUDGET_PERIOD_DAILY,
            limit_nanousd=5,
        ),
        budget_service_pb2.CreateBudgetRequest(
            scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
            period=budget_service_pb2.BUDGET_PERIOD_DAILY,
            limit_nanousd=5,
        ),
    ),
    (
        "BudgetService/GetBudget",
        lambda c: c.budgets.get("b"),
        budget_service_pb2.GetBudgetRequest(budget_id="b"),
    ),
    (
        "BudgetService/ListBudgets",
        lambda c: c.budgets.list(page_size=2),
        budget_service_pb2.ListBudgetsRequest(page_size=2),
    ),
    (
        "BudgetService/UpdateBudget",
        lambda c: c.budgets.update("b", limit_nanousd=6, etag="e"),
        budget_service_pb2.UpdateBudgetRequest(budget_id="b", limit_nanousd=6, etag="e"),
    ),
    (
        "BudgetService/Reserve",
        lambda c: c.spending.reserve(RESERVE),
        RESERVE,
    ),
    (
        "BudgetService/Post",
        lambda c: c.spending.post("r", amount_nanousd=7),
        budget_service_pb2.PostRequest(request_id="r", amount_nanousd=7),
    ),
    (
        "BudgetService/Void",
        lambda c: c.spending.void("r", reason="nobody answered"),
        budget_service_pb2.VoidRequest(request_id="r", reason="nobody answered"),
    ),
    (
        "BudgetService/GetReservation",
        lambda c: c.spending.get("r"),
        budget_service_pb2.GetReservationRequest(request_id="r"),
    ),
    (
        "BudgetService/UnfreezeBudget",
        lambda c: c.budgets.unfreeze("b", reason="billed twice"),
        budget_service_pb2.UnfreezeBudgetRequest(budget_id="b", reason="billed twice"),
    ),
    (
        "BudgetService/DeleteBudget",
        lambda c: c.budgets.delete("b", etag="e"),
        budget_service_pb2.DeleteBudgetRequest(budget_id="b", etag="e"),
    ),
    (
        "BudgetService/UnfreezeBudget",
        lambda c: c.budgets.unfreeze("b", reason="a wrong price"),
        budget_service_pb2.UnfreezeBudgetRequest(budget_id="b", reason="a wrong price"),
    ),
    (
        "RateLimitService/GetRateLimits",
        lambda c: c.rate_limits.get(),
        rate_limit_service_pb2.GetRateLimitsRequest(),
    ),
    (
        "RateLimitService/ListRateLimits",
        lambda c: c.rate_limits.list(),
        rate_limit_service_pb2.ListRateLimitsRequest(),
    ),
    (
        "IdentityService/WhoAmI",
        lambda c: c.identity.who_am_i(),
        identity_service_pb2.WhoAmIRequest(),
    ),
    (
        "IdentityService/ListViolations",
        lambda c: c.identity.violations(page_size=3),
        identity_service_pb2.ListViolationsRequest(page_size=3),
    ),
    ("AuditService/ListEntries", lambda c: c.audit.list(WHOLE_LEDGER), WHOLE_LEDGER),
    (
        "AuditService/GetEntry",
        lambda c: c.audit.get("e"),
        audit_service_pb2.GetEntryRequest(entry_id="e"),
    ),
    (
        "AuditService/VerifyLedger",
        lambda c: c.audit.verify(),
        audit_service_pb2.VerifyLedgerRequest(),
    ),
    (
        "AuditService/ExportEntries",
        lambda c: c.audit.export(),
        audit_service_pb2.ExportEntriesRequest(),
    ),
]


class Recorder(grpc.GenericRpcHandler):
    """Takes any call, notes it, and answers with one empty message."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """A handler of whatever method it is."""
        name = handler_call_details.method.rpartition(".")[2]

        async def unary(request: bytes, context: object) -> bytes:
            self.calls.append((name, request))
            return b""

        async def stream(request: bytes, context: object) -> AsyncIterator[bytes]:
            self.calls.append((name, request))
            yield b""

        if streams(name):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(unary)


def streams(name: str) -> bool:
    """Whether the contract says that `Service/Method` answers with a stream."""
    service_name, _, method_name = name.partition("/")
    services = {name: one for file in FILES for name, one in file.services_by_name.items()}
    return bool(services[service_name].methods_by_name[method_name].server_streaming)


@pytest.fixture
async def recorder() -> Recorder:
    """An empty record."""
    return Recorder()


@pytest.fixture
async def recorded(recorder: Recorder) -> AsyncIterator[Client]:
    """A client whose calls are recorded."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((recorder,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with Client(f"127.0.0.1:{port}") as client:
        yield client
    await server.stop(None)


@pytest.mark.parametrize(("name", "call", "request_sent"), CALLS, ids=[name for name, *_ in CALLS])
async def test_a_method_sends_what_it_was_given(
    recorder: Recorder, recorded: Client, name: str, call: Calling, request_sent: Message
) -> None:
    """A wrapper that drops a field would be found by nobody else."""
    calling = call(recorded)
    if isinstance(calling, AsyncIterator):
        await anext(calling, None)
    else:
        await calling

    sent_name, sent = recorder.calls[0]
    assert name == sent_name
    assert request_sent == type(request_sent).FromString(sent)


def test_every_rpc_has_its_method() -> None:
    """An rpc that the SDK leaves out would be called by hand, without its care."""
    contract = {"/".join(name.rsplit(".", 2)[1:]) for name, _, _ in methods()}

    assert contract == {name for name, _, _ in CALLS}
