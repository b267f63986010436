"""Which model would answer, and which there are."""

from __future__ import annotations

from chenu.aio.connection import CALL_TIMEOUT_S, Connection
from chenu.aio.requests import made
from chenu.api.pipeline.v1 import router_service_pb2, router_service_pb2_grpc, routing_pb2


class Router:
    """`RouterService`. It explains and calls no provider."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> router_service_pb2_grpc.RouterServiceAsyncStub:
        return self._connection.stub(router_service_pb2_grpc.RouterServiceStub)

    async def route(
        self, request: router_service_pb2.RouteRequest, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> routing_pb2.RoutingDecision:
        """Which models fit, in which order, and why the others do not."""
        answer = await self._connection.unary(self._stub.Route, request, timeout_s)
        return answer.decision

    async def providers(
        self, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> tuple[router_service_pb2.Provider, ...]:
        """Every provider of the catalogue with its models."""
        request = router_service_pb2.ListProvidersRequest()
        answer = await self._connection.unary(self._stub.ListProviders, request, timeout_s)
        return tuple(answer.providers)

    async def provider(
        self, name: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> router_service_pb2.Provider:
        """One provider with its models."""
        request = made(router_service_pb2.GetProviderRequest, name=name)
        answer = await self._connection.unary(self._stub.GetProvider, request, timeout_s)
        return answer.provider
