"""IdentityService over gRPC. Decodes, calls, encodes; decides nothing."""

from __future__ import annotations

import grpc

from chenu.api.governance.v1 import identity_service_pb2 as pb
from chenu.api.governance.v1 import identity_service_pb2_grpc as pb_grpc
from chenu_server.governance.identity import convert
from chenu_server.governance.identity.service import ViolationService
from chenu_server.infra.rpc.context import current_call, current_caller
from chenu_server.infra.rpc.paging import page_of, place_of, shown_of

Context = grpc.aio.ServicerContext[object, object]


class IdentityServicer(pb_grpc.IdentityServiceServicer):
    """Serves `IdentityService`."""

    def __init__(self, violations: ViolationService) -> None:
        self._violations = violations

    async def WhoAmI(  # noqa: N802 - the wire name
        self, request: pb.WhoAmIRequest, context: Context
    ) -> pb.WhoAmIResponse:
        """What the server read from the caller's token."""
        token = current_call().token
        if token is None:
            raise LookupError("WhoAmI is served behind authentication")
        return convert.who_of(current_caller(), token)

    async def ListViolations(  # noqa: N802 - the wire name
        self, request: pb.ListViolationsRequest, context: Context
    ) -> pb.ListViolationsResponse:
        """A page of boundary violations, newest first."""
        caller = current_caller()
        about = ("violations", caller.identity_id)
        page = page_of(request.page_size, request.page_token, about)
        found = await self._violations.page(caller, before=place_of(page), count=page.size + 1)
        shown, token = shown_of(
            page, found, convert.violation_of, lambda last: (last.time_us, last.violation_id)
        )
        return pb.ListViolationsResponse(violations=shown, next_page_token=token)
