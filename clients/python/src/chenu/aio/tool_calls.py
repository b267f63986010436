"""Calls that a model proposed: what may be executed, and how its executor finds out."""

from __future__ import annotations

from chenu.aio.connection import CALL_TIMEOUT_S, Connection
from chenu.aio.requests import made
from chenu.api.pipeline.v1 import (
    tool_call_pb2,
    tool_call_service_pb2,
    tool_call_service_pb2_grpc,
)


class ToolCalls:
    """`ToolCallService`. Ids are those of `answer.tool_calls`, not those of the answer's parts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> tool_call_service_pb2_grpc.ToolCallServiceAsyncStub:
        return self._connection.stub(tool_call_service_pb2_grpc.ToolCallServiceStub)

    async def get(
        self, call_id: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> tool_call_pb2.ToolCallRecord:
        """One proposed call as it stands, without its arguments."""
        request = made(tool_call_service_pb2.GetToolCallRequest, call_id=call_id)
        answer = await self._connection.unary(self._stub.GetToolCall, request, timeout_s)
        return answer.call

    async def take(
        self, call_id: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> tool_call_service_pb2.TakeToolCallResponse:
        """
        Take a call that nothing holds: its exact arguments, and a release for who executes it.

        May be repeated, and is by itself where the server is unavailable: until `expire_time` the
        answer is the same, byte for byte. Only who asked the query may.

        Raises:
            CheckpointPending: A person must approve first; then the same call again.
            PolicyDenied, CheckpointEnded: No, for good.
            Conflict: It was withdrawn, its release has expired, or somebody else asked its query.
        """
        request = made(tool_call_service_pb2.TakeToolCallRequest, call_id=call_id)
        return await self._connection.unary(self._stub.TakeToolCall, request, timeout_s)

    async def redeem(
        self,
        release: str,
        *,
        tool: str,
        audience: str,
        arguments_json: str,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> tool_call_service_pb2.RedeemReleaseResponse:
        """
        Use a release up, for an executor that keeps no store: execute once this has returned.

        `tool` and `arguments_json` are what is about to be executed, the arguments byte for byte
        as they were handed over; `audience` is the executor's own name.

        Never repeated by itself. Where the answer is lost (`ConnectionLost`, `Unavailable`) it is
        unknown whether the release is used up. You may call again: an answer then is the only one,
        and `RELEASE_USED` says that the lost call, or somebody else, has used it up, so that
        nothing may be executed.

        Raises:
            Conflict: It is no release for this, has expired, or was redeemed before; see `reason`.
        """
        request = made(
            tool_call_service_pb2.RedeemReleaseRequest,
            release=release,
            tool=tool,
            audience=audience,
            arguments_json=arguments_json,
        )
        return await self._connection.unary(self._stub.RedeemRelease, request, timeout_s)

    async def release_keys(
        self, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> tool_call_service_pb2.GetReleaseKeysResponse:
        """The public keys that releases are signed with, one by one and as a JWK set."""
        request = tool_call_service_pb2.GetReleaseKeysRequest()
        return await self._connection.unary(self._stub.GetReleaseKeys, request, timeout_s)
