"""Proposed calls: what the SDK repeats by itself, and what it must not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu import errors
from chenu.aio import Client
from chenu.api.pipeline.v1 import tool_call_pb2
from chenu.api.pipeline.v1 import tool_call_service_pb2 as pb
from chenu.api.pipeline.v1 import tool_call_service_pb2_grpc as pb_grpc
from tests.unit.sdk.gateway import Context, status, unexplained

RELEASED = tool_call_pb2.ToolCallRecord(
    call_id="t", state=tool_call_pb2.TOOL_CALL_STATE_RELEASED, tool="look"
)
TAKEN = pb.TakeToolCallResponse(call=RELEASED, arguments_json='{"a": "é"}', release="h.p.s")
KEYS = pb.GetReleaseKeysResponse(issuer="gate", keys=[pb.ReleaseKey(kid="k")], jwks_json="{}")
AWAY = {
    "a server that is away": unexplained(grpc.StatusCode.UNAVAILABLE),
    "a ledger that takes nothing": status(grpc.StatusCode.UNAVAILABLE, "GOVERNANCE_UNAVAILABLE"),
}


class Executions(pb_grpc.ToolCallServiceServicer):
    """Refuses as often as it has refusals, then answers; counts what it was asked."""

    def __init__(self) -> None:
        self.refusals: Iterator[object] = iter(())
        self.asked = 0

    async def GetToolCall(  # noqa: N802 - the wire name
        self, request: pb.GetToolCallRequest, context: Context
    ) -> pb.GetToolCallResponse:
        """The call."""
        await self._count(context)
        return pb.GetToolCallResponse(call=RELEASED)

    async def TakeToolCall(  # noqa: N802 - the wire name
        self, request: pb.TakeToolCallRequest, context: Context
    ) -> pb.TakeToolCallResponse:
        """The call, its arguments and its release."""
        await self._count(context)
        return TAKEN

    async def RedeemRelease(  # noqa: N802 - the wire name
        self, request: pb.RedeemReleaseRequest, context: Context
    ) -> pb.RedeemReleaseResponse:
        """An answer."""
        await self._count(context)
        return pb.RedeemReleaseResponse(call_id="t")

    async def GetReleaseKeys(  # noqa: N802 - the wire name
        self, request: pb.GetReleaseKeysRequest, context: Context
    ) -> pb.GetReleaseKeysResponse:
        """One key."""
        await self._count(context)
        return KEYS

    async def _count(self, context: Context) -> None:
        self.asked += 1
        for refusal in self.refusals:
            await context.abort_with_status(rpc_status.to_status(refusal))


@pytest.fixture
async def executions() -> Executions:
    """A service without refusals."""
    return Executions()


@pytest.fixture
async def client(executions: Executions) -> AsyncIterator[Client]:
    """A client of that service."""
    server = grpc.aio.server()
    pb_grpc.add_ToolCallServiceServicer_to_server(executions, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with Client(f"127.0.0.1:{port}", token="a-token") as connected:
        yield connected
    await server.stop(None)


@pytest.mark.parametrize("why", AWAY)
async def test_a_call_is_taken_again_where_the_server_was_away(
    client: Client, executions: Executions, why: str
) -> None:
    """The contract says that a repeat gives the same bytes, so nobody has to write the loop."""
    executions.refusals = iter([AWAY[why]] * 2)

    assert (TAKEN, 3) == (await client.tool_calls.take("t"), executions.asked)


@pytest.mark.parametrize("why", AWAY)
async def test_a_release_is_redeemed_once_for_each_call_of_the_method(
    client: Client, executions: Executions, why: str
) -> None:
    """A repeat that nobody sees would turn a lost answer into one that says no, for good."""
    executions.refusals = iter([AWAY[why]])

    with pytest.raises((errors.ConnectionLost, errors.Unavailable)):
        await client.tool_calls.redeem("h.p.s", tool="look", audience="files", arguments_json="{}")
    assert 1 == executions.asked


async def test_what_waits_for_a_person_is_told_as_such(
    client: Client, executions: Executions
) -> None:
    """Who asked waits for the checkpoint that the refusal names, and takes the call again."""
    pending = status(
        grpc.StatusCode.FAILED_PRECONDITION,
        "CHECKPOINT_PENDING",
        checkpoint_id="c-1",
        request_id="t",
    )
    executions.refusals = iter([pending])

    with pytest.raises(errors.CheckpointPending) as caught:
        await client.tool_calls.take("t")
    assert ("c-1", 1) == (caught.value.checkpoint_id, executions.asked)
    assert TAKEN == await client.tool_calls.take("t")


@pytest.mark.parametrize(
    "reason", ["RELEASE_USED", "RELEASE_EXPIRED", "RELEASE_INVALID", "TOOL_CALL_CANCELLED"]
)
async def test_a_no_is_a_conflict_with_its_reason(
    client: Client, executions: Executions, reason: str
) -> None:
    """An executor that acts on the class executes nothing, whichever it is."""
    executions.refusals = iter([status(grpc.StatusCode.FAILED_PRECONDITION, reason)])

    with pytest.raises(errors.Conflict) as caught:
        await client.tool_calls.redeem("h.p.s", tool="look", audience="files", arguments_json="{}")
    assert (reason, 1) == (caught.value.reason, executions.asked)


async def test_what_is_read_is_read_again_where_the_server_was_away(
    client: Client, executions: Executions
) -> None:
    """The record and the keys themselves, as other methods give theirs."""
    away = AWAY["a server that is away"]
    executions.refusals = iter([away])
    call = await client.tool_calls.get("t")
    executions.refusals = iter([away])
    keys = await client.tool_calls.release_keys()

    assert (RELEASED, KEYS, 4) == (call, keys, executions.asked)
