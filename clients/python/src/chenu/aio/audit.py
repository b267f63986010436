"""The ledger: read, verify, export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from chenu.aio.connection import CALL_TIMEOUT_S, Connection, typed
from chenu.aio.requests import made
from chenu.api.governance.v1 import audit_service_pb2, audit_service_pb2_grpc

WHOLE_LEDGER_TIMEOUT_S: Final = 3_600.0


class Audit:
    """`AuditService`, for an `auditor`, or for a `system_auditor` in the identity `system`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> audit_service_pb2_grpc.AuditServiceAsyncStub:
        return self._connection.stub(audit_service_pb2_grpc.AuditServiceStub)

    async def list(
        self,
        filters: audit_service_pb2.ListEntriesRequest | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> AsyncIterator[audit_service_pb2.LedgerEntry]:
        """Entries that pass the filters, oldest first, page by page as they are read."""
        request = audit_service_pb2.ListEntriesRequest()
        if filters is not None:
            # A copy, for each page's token is written into it.
            request.CopyFrom(filters)
        while True:
            page = await self._connection.unary(self._stub.ListEntries, request, timeout_s)
            for entry in page.entries:
                yield entry
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def get(
        self, entry_id: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> audit_service_pb2.LedgerEntry:
        """One entry."""
        request = made(audit_service_pb2.GetEntryRequest, entry_id=entry_id)
        answer = await self._connection.unary(self._stub.GetEntry, request, timeout_s)
        return answer.entry

    async def verify(
        self, *, timeout_s: float = WHOLE_LEDGER_TIMEOUT_S
    ) -> audit_service_pb2.VerifyLedgerResponse:
        """Have the server check every hash, link and number of the whole ledger."""
        request = audit_service_pb2.VerifyLedgerRequest()
        return await self._connection.unary(self._stub.VerifyLedger, request, timeout_s)

    async def export(self, *, timeout_s: float = WHOLE_LEDGER_TIMEOUT_S) -> AsyncIterator[bytes]:
        """The whole ledger as JSON lines, in pieces; the file verifies offline."""
        request = audit_service_pb2.ExportEntriesRequest()
        with typed():
            call = self._connection.open(self._stub.ExportEntries, request, timeout_s)
            try:
                async for answer in call:
                    yield answer.chunk
            finally:
                # Left by its reader, the stream would go on: grpc never collects it.
                call.cancel()
