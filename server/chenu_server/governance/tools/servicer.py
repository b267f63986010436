"""ToolCallService over gRPC. Decodes, calls, encodes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from chenu.api.pipeline.v1 import tool_call_service_pb2 as pb
from chenu.api.pipeline.v1 import tool_call_service_pb2_grpc as pb_grpc
from chenu_server.governance.tools import convert
from chenu_server.governance.tools.service import ToolCallService
from chenu_server.infra.rpc.context import current_caller
from chenu_server.infra.rpc.fields import needed_id
from chenu_server.infra.rpc.times import timestamp_of

Context = grpc.aio.ServicerContext[object, object]


class ToolCallServicer(pb_grpc.ToolCallServiceServicer):
    """Serves `ToolCallService`."""

    def __init__(self, calls: ToolCallService, now_us: Callable[[], int]) -> None:
        self._calls = calls
        self._now_us = now_us

    async def GetToolCall(  # noqa: N802 - the wire name
        self, request: pb.GetToolCallRequest, context: Context
    ) -> pb.GetToolCallResponse:
        """One call as it stands."""
        call_id = needed_id(request.call_id, "call_id")
        found = await self._calls.get(current_caller(), call_id)
        return pb.GetToolCallResponse(call=convert.record_of(found))

    async def TakeToolCall(  # noqa: N802 - the wire name
        self, request: pb.TakeToolCallRequest, context: Context
    ) -> pb.TakeToolCallResponse:
        """Its arguments and its release."""
        call_id = needed_id(request.call_id, "call_id")
        taken = await self._calls.take(current_caller(), call_id)
        return pb.TakeToolCallResponse(
            call=convert.record_of(taken.standing),
            arguments_json=taken.arguments,
            release=taken.release,
            expire_time=timestamp_of(taken.standing.call.expires_us),
        )

    async def RedeemRelease(  # noqa: N802 - the wire name
        self, request: pb.RedeemReleaseRequest, context: Context
    ) -> pb.RedeemReleaseResponse:
        """Use a release up."""
        keys, issuer = self._calls.keys, self._calls.issuer
        call_id, identity_id = convert.claims_from(request, keys, issuer, self._now_us)
        redeemed = await self._calls.redeem(current_caller(), call_id, identity_id)
        return convert.redemption_of(redeemed)

    async def GetReleaseKeys(  # noqa: N802 - the wire name
        self, request: pb.GetReleaseKeysRequest, context: Context
    ) -> pb.GetReleaseKeysResponse:
        """The public keys."""
        return convert.keys_of(self._calls.keys, self._calls.issuer)
