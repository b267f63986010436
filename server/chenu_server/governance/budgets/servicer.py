"""BudgetService over gRPC. Decodes, calls, encodes; decides nothing."""

from __future__ import annotations

import grpc

from chenu.api.governance.v1 import budget_service_pb2 as pb
from chenu.api.governance.v1 import budget_service_pb2_grpc as pb_grpc
from chenu_server.governance.budgets import convert, spending_convert
from chenu_server.governance.budgets.service import BudgetService, etag_of
from chenu_server.governance.budgets.spending_service import SpendingService
from chenu_server.governance.budgets.standing import Standing
from chenu_server.infra.rpc.context import current_caller
from chenu_server.infra.rpc.fields import needed_id
from chenu_server.infra.rpc.paging import page_of, shown_of
from chenu_server.infra.rpc.reasons import reason_from

Context = grpc.aio.ServicerContext[object, object]


class BudgetServicer(pb_grpc.BudgetServiceServicer):
    """Serves `BudgetService`."""

    def __init__(self, budgets: BudgetService, spending: SpendingService) -> None:
        self._budgets = budgets
        self._spending = spending

    async def CreateBudget(  # noqa: N802 - the wire name
        self, request: pb.CreateBudgetRequest, context: Context
    ) -> pb.CreateBudgetResponse:
        """Add a budget."""
        convert.check_on_exhaust(request.on_exhaust)
        made = await self._budgets.create(
            current_caller(),
            convert.scope_from(request.scope),
            convert.period_from(request.period),
            request.limit_nanousd,
        )
        return pb.CreateBudgetResponse(budget=_shown(made))

    async def GetBudget(  # noqa: N802 - the wire name
        self, request: pb.GetBudgetRequest, context: Context
    ) -> pb.GetBudgetResponse:
        """One budget with its amounts in the current period."""
        budget_id = convert.id_from(request.budget_id)
        found = await self._budgets.get(current_caller(), budget_id)
        return pb.GetBudgetResponse(budget=_shown(found))

    async def ListBudgets(  # noqa: N802 - the wire name
        self, request: pb.ListBudgetsRequest, context: Context
    ) -> pb.ListBudgetsResponse:
        """A page of the identity's budgets, oldest first."""
        caller = current_caller()
        about = ("budgets", caller.identity_id)
        page = page_of(request.page_size, request.page_token, about)
        after = convert.place_from(page.after)
        # One more than is shown: whether it is there says whether a page follows.
        found = await self._budgets.page(caller, after, page.size + 1)
        shown, token = shown_of(
            page, found, _shown, lambda last: (last.budget.created_us, last.budget.budget_id)
        )
        return pb.ListBudgetsResponse(budgets=shown, next_page_token=token)

    async def UpdateBudget(  # noqa: N802 - the wire name
        self, request: pb.UpdateBudgetRequest, context: Context
    ) -> pb.UpdateBudgetResponse:
        """Change a budget's limit."""
        budget_id = convert.id_from(request.budget_id)
        changed = await self._budgets.update(
            current_caller(), budget_id, request.limit_nanousd, request.etag
        )
        return pb.UpdateBudgetResponse(budget=_shown(changed))

    async def UnfreezeBudget(  # noqa: N802 - the wire name
        self, request: pb.UnfreezeBudgetRequest, context: Context
    ) -> pb.UnfreezeBudgetResponse:
        """Let a frozen budget admit queries again."""
        budget_id = convert.id_from(request.budget_id)
        reason = reason_from(request.reason)
        thawed = await self._budgets.unfreeze(current_caller(), budget_id, reason)
        return pb.UnfreezeBudgetResponse(budget=_shown(thawed))

    async def DeleteBudget(  # noqa: N802 - the wire name
        self, request: pb.DeleteBudgetRequest, context: Context
    ) -> pb.DeleteBudgetResponse:
        """Remove a budget on which nothing is reserved."""
        budget_id = convert.id_from(request.budget_id)
        await self._budgets.delete(current_caller(), budget_id, request.etag)
        return pb.DeleteBudgetResponse()

    async def Reserve(  # noqa: N802 - the wire name
        self, request: pb.ReserveRequest, context: Context
    ) -> pb.ReserveResponse:
        """Hold money for what a service pays for itself."""
        asked = spending_convert.ask_from(request)
        held = await self._spending.reserve(current_caller(), asked)
        return pb.ReserveResponse(reservation=spending_convert.reservation_of(held))

    async def Post(  # noqa: N802 - the wire name
        self, request: pb.PostRequest, context: Context
    ) -> pb.PostResponse:
        """Post what was spent; the rest is free again."""
        request_id = needed_id(request.request_id, "request_id")
        amount = spending_convert.amount_from(request.amount_nanousd)
        posted = await self._spending.post(current_caller(), request_id, amount)
        return pb.PostResponse(reservation=spending_convert.reservation_of(posted))

    async def Void(  # noqa: N802 - the wire name
        self, request: pb.VoidRequest, context: Context
    ) -> pb.VoidResponse:
        """Let go of money that was not spent."""
        request_id = needed_id(request.request_id, "request_id")
        reason = reason_from(request.reason)
        voided = await self._spending.void(current_caller(), request_id, reason)
        return pb.VoidResponse(reservation=spending_convert.reservation_of(voided))

    async def GetReservation(  # noqa: N802 - the wire name
        self, request: pb.GetReservationRequest, context: Context
    ) -> pb.GetReservationResponse:
        """One reservation as it stands."""
        request_id = needed_id(request.request_id, "request_id")
        found = await self._spending.get(current_caller(), request_id)
        return pb.GetReservationResponse(reservation=spending_convert.reservation_of(found))


def _shown(standing: Standing) -> pb.Budget:
    return convert.budget_of(standing.budget, standing.period, etag_of(standing))
