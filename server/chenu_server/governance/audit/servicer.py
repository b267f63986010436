"""AuditService over gRPC. Decodes, calls, encodes; decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import grpc

from chenu.api.governance.v1 import audit_service_pb2 as pb
from chenu.api.governance.v1 import audit_service_pb2_grpc as pb_grpc
from chenu_server.governance.audit import convert
from chenu_server.governance.audit.service import AuditService
from chenu_server.infra.rpc.context import current_caller
from chenu_server.infra.rpc.paging import page_of, shown_of

# One message is what a reader that takes nothing leaves with the transport: this is how much.
CHUNK_BYTES: Final = 65_536

Context = grpc.aio.ServicerContext[object, object]


class AuditServicer(pb_grpc.AuditServiceServicer):
    """Serves `AuditService`."""

    def __init__(self, audit: AuditService) -> None:
        self._audit = audit

    async def ListEntries(  # noqa: N802 - the wire name
        self, request: pb.ListEntriesRequest, context: Context
    ) -> pb.ListEntriesResponse:
        """A page of the ledger, oldest first."""
        caller = current_caller()
        filters = convert.filters_from(request)
        about = convert.about_of(caller.identity_id, filters)
        page = page_of(request.page_size, request.page_token, about)
        after = convert.sequence_from(page.after)
        found = await self._audit.page(caller, filters, after, page.size + 1)
        shown, token = shown_of(page, found, convert.entry_of, lambda last: (last.entry.sequence,))
        return pb.ListEntriesResponse(entries=shown, next_page_token=token)

    async def GetEntry(  # noqa: N802 - the wire name
        self, request: pb.GetEntryRequest, context: Context
    ) -> pb.GetEntryResponse:
        """One entry."""
        entry_id = convert.id_from(request.entry_id)
        found = await self._audit.get(current_caller(), entry_id)
        return pb.GetEntryResponse(entry=convert.entry_of(found))

    async def VerifyLedger(  # noqa: N802 - the wire name
        self, request: pb.VerifyLedgerRequest, context: Context
    ) -> pb.VerifyLedgerResponse:
        """Check the whole ledger."""
        return convert.verdict_of(await self._audit.verify())

    async def ExportEntries(  # noqa: N802 - the wire name
        self, request: pb.ExportEntriesRequest, context: Context
    ) -> AsyncIterator[pb.ExportEntriesResponse]:
        """The whole ledger as JSON lines."""
        # Always all of it: what a filter kept would be links of a chain without the chain.
        async for lines in self._audit.export():
            for start in range(0, len(lines), CHUNK_BYTES):
                yield pb.ExportEntriesResponse(chunk=lines[start : start + CHUNK_BYTES])
