"""Who the caller is, and what reached over its boundary."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chenu.aio.connection import CALL_TIMEOUT_S, Connection
from chenu.aio.requests import made
from chenu.api.governance.v1 import identity_service_pb2, identity_service_pb2_grpc


class Identity:
    """`IdentityService`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> identity_service_pb2_grpc.IdentityServiceAsyncStub:
        return self._connection.stub(identity_service_pb2_grpc.IdentityServiceStub)

    async def who_am_i(
        self, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> identity_service_pb2.WhoAmIResponse:
        """What the server read from the token."""
        request = identity_service_pb2.WhoAmIRequest()
        return await self._connection.unary(self._stub.WhoAmI, request, timeout_s)

    async def violations(
        self, *, page_size: int = 0, timeout_s: float = CALL_TIMEOUT_S
    ) -> AsyncIterator[identity_service_pb2.Violation]:
        """Boundary violations, newest first, page by page as they are read; for an `auditor`."""
        request = made(identity_service_pb2.ListViolationsRequest, page_size=page_size)
        while True:
            page = await self._connection.unary(self._stub.ListViolations, request, timeout_s)
            for violation in page.violations:
                yield violation
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
