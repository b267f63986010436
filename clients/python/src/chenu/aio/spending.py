"""Money that a service spends itself. All amounts are nano-USD: billionths of a US dollar."""

from __future__ import annotations

from chenu.aio.connection import CALL_TIMEOUT_S, Connection
from chenu.aio.requests import made
from chenu.api.governance.v1 import (
    budget_service_pb2,
    budget_service_pb2_grpc,
    reservation_pb2,
)


class Spending:
    """`Reserve`, `Post` and `Void` of `BudgetService`: hold before you pay, then say what it cost.

    Each may be repeated: one `request_id` is one reservation.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> budget_service_pb2_grpc.BudgetServiceAsyncStub:
        return self._connection.stub(budget_service_pb2_grpc.BudgetServiceStub)

    async def reserve(
        self, request: budget_service_pb2.ReserveRequest, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> reservation_pb2.Reservation:
        """
        Hold money; what is returned may be spent before its `expire_time`.

        The request has a `request_id` that you made (`chenu.ids.new_id`) and keep until the money
        is posted: whatever becomes of a call, the same request is the same reservation, also after
        a restart, and uses the approval where a person had to be asked.

        Raises:
            CheckpointPending: A person must approve first.
            BudgetRefused, PolicyDenied, CheckpointEnded: No, for good under this id.
            Conflict: The id was used for something else, or its reservation has ended.
        """
        answer = await self._connection.unary(self._stub.Reserve, request, timeout_s)
        return answer.reservation

    async def post(
        self, request_id: str, *, amount_nanousd: int, timeout_s: float = CALL_TIMEOUT_S
    ) -> reservation_pb2.Reservation:
        """Say what was spent, at most what was reserved; the rest is free again."""
        request = made(
            budget_service_pb2.PostRequest, request_id=request_id, amount_nanousd=amount_nanousd
        )
        answer = await self._connection.unary(self._stub.Post, request, timeout_s)
        return answer.reservation

    async def void(
        self, request_id: str, *, reason: str = "", timeout_s: float = CALL_TIMEOUT_S
    ) -> reservation_pb2.Reservation:
        """Say that nothing was spent; all of it is free again."""
        request = made(budget_service_pb2.VoidRequest, request_id=request_id, reason=reason)
        answer = await self._connection.unary(self._stub.Void, request, timeout_s)
        return answer.reservation

    async def get(
        self, request_id: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> reservation_pb2.Reservation:
        """One reservation as it stands."""
        request = made(budget_service_pb2.GetReservationRequest, request_id=request_id)
        answer = await self._connection.unary(self._stub.GetReservation, request, timeout_s)
        return answer.reservation
