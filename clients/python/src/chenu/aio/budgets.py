"""The limits on money. All amounts are nano-USD: billionths of a US dollar."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chenu.aio.connection import CALL_TIMEOUT_S, Connection
from chenu.api.governance.v1 import budget_service_pb2, budget_service_pb2_grpc


class Budgets:
    """`BudgetService`, for a `budget_admin`, or for an `operator` in the identity `system`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = budget_service_pb2_grpc.BudgetServiceStub(connection.channel)

    async def create(
        self,
        *,
        scope: budget_service_pb2.BudgetScope.ValueType,
        period: budget_service_pb2.BudgetPeriod.ValueType,
        limit_nanousd: int,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> budget_service_pb2.Budget:
        """Add a budget to the identity, or a global one in the identity `system`."""
        request = budget_service_pb2.CreateBudgetRequest(
            scope=scope, period=period, limit_nanousd=limit_nanousd
        )
        answer = await self._connection.unary(self._stub.CreateBudget, request, timeout_s)
        return answer.budget

    async def get(
        self, budget_id: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> budget_service_pb2.Budget:
        """One budget with its amounts in the current period."""
        request = budget_service_pb2.GetBudgetRequest(budget_id=budget_id)
        answer = await self._connection.unary(self._stub.GetBudget, request, timeout_s)
        return answer.budget

    async def list(
        self, *, page_size: int = 0, timeout_s: float = CALL_TIMEOUT_S
    ) -> AsyncIterator[budget_service_pb2.Budget]:
        """The identity's budgets, oldest first, page by page as they are read."""
        request = budget_service_pb2.ListBudgetsRequest(page_size=page_size)
        while True:
            page = await self._connection.unary(self._stub.ListBudgets, request, timeout_s)
            for budget in page.budgets:
                yield budget
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def update(
        self,
        budget_id: str,
        *,
        limit_nanousd: int,
        etag: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> budget_service_pb2.Budget:
        """Change a budget's limit; with its `etag`, only if nobody else changed it meanwhile."""
        request = budget_service_pb2.UpdateBudgetRequest(
            budget_id=budget_id, limit_nanousd=limit_nanousd, etag=etag
        )
        answer = await self._connection.unary(self._stub.UpdateBudget, request, timeout_s)
        return answer.budget

    async def unfreeze(
        self, budget_id: str, *, reason: str = "", timeout_s: float = CALL_TIMEOUT_S
    ) -> budget_service_pb2.Budget:
        """Let a budget that an overrun has frozen admit queries again."""
        request = budget_service_pb2.UnfreezeBudgetRequest(budget_id=budget_id, reason=reason)
        answer = await self._connection.unary(self._stub.UnfreezeBudget, request, timeout_s)
        return answer.budget

    async def delete(
        self, budget_id: str, *, etag: str = "", timeout_s: float = CALL_TIMEOUT_S
    ) -> None:
        """Remove a budget on which nothing is reserved."""
        request = budget_service_pb2.DeleteBudgetRequest(budget_id=budget_id, etag=etag)
        await self._connection.unary(self._stub.DeleteBudget, request, timeout_s)
