"""How much room there is."""

from __future__ import annotations

from chenu.aio.connection import CALL_TIMEOUT_S, Connection
from chenu.api.governance.v1 import rate_limit_service_pb2, rate_limit_service_pb2_grpc


class RateLimits:
    """`RateLimitService`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> rate_limit_service_pb2_grpc.RateLimitServiceAsyncStub:
        return self._connection.stub(rate_limit_service_pb2_grpc.RateLimitServiceStub)

    async def get(
        self, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> rate_limit_service_pb2.IdentityLimit:
        """The caller's own limits and what is used of them."""
        request = rate_limit_service_pb2.GetRateLimitsRequest()
        answer = await self._connection.unary(self._stub.GetRateLimits, request, timeout_s)
        return answer.limit

    async def list(
        self, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> rate_limit_service_pb2.ListRateLimitsResponse:
        """Every provider's slots and every blocked identity; for an `operator` in `system`."""
        request = rate_limit_service_pb2.ListRateLimitsRequest()
        return await self._connection.unary(self._stub.ListRateLimits, request, timeout_s)
