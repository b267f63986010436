"""RateLimitService over gRPC. Decodes, calls, encodes; decides nothing."""

from __future__ import annotations

import grpc

from chenu.api.governance.v1 import rate_limit_service_pb2 as pb
from chenu.api.governance.v1 import rate_limit_service_pb2_grpc as pb_grpc
from chenu_server.governance.limits.convert import identity_limit_of, provider_limit_of
from chenu_server.governance.limits.service import LimitService
from chenu_server.infra.rpc.context import current_caller

Context = grpc.aio.ServicerContext[object, object]


class RateLimitServicer(pb_grpc.RateLimitServiceServicer):
    """Serves `RateLimitService`."""

    def __init__(self, limits: LimitService) -> None:
        self._limits = limits

    async def GetRateLimits(  # noqa: N802 - the wire name
        self, request: pb.GetRateLimitsRequest, context: Context
    ) -> pb.GetRateLimitsResponse:
        """The caller's identity's limits and what is used of them."""
        state = await self._limits.identity(current_caller().identity_id)
        return pb.GetRateLimitsResponse(limit=identity_limit_of(self._limits.limit, state))

    async def ListRateLimits(  # noqa: N802 - the wire name
        self, request: pb.ListRateLimitsRequest, context: Context
    ) -> pb.ListRateLimitsResponse:
        """Every provider's slots and every blocked identity."""
        providers = await self._limits.providers()
        blocked = await self._limits.blocked()
        return pb.ListRateLimitsResponse(
            providers=[provider_limit_of(state) for state in providers],
            blocked=[identity_limit_of(self._limits.limit, state) for state in blocked],
        )
