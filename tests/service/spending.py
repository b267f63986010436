"""Reserving, posting and voiding as a service does it."""

from __future__ import annotations

from uuid import uuid4

from chenu.api.governance.v1 import action_pb2
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import reservation_pb2 as rb
from tests.harness import Client, Failure, Stage

USD = 10**9
PAYMENT = action_pb2.INTENT_PAYMENT
HELD, POSTED, VOIDED = (
    rb.RESERVATION_STATE_HELD,
    rb.RESERVATION_STATE_POSTED,
    rb.RESERVATION_STATE_VOIDED,
)


def sms(amount_nanousd: int = 2 * USD, **fields: object) -> bb.ReserveRequest:
    """Money for a message, under a new id."""
    chosen = {
        "request_id": str(uuid4()),
        "amount_nanousd": amount_nanousd,
        "target": action_pb2.Target(operation="sms.send", kind="campaign", id="7"),
        "description": "To everybody who asked for it",
        **fields,
    }
    return bb.ReserveRequest(**chosen)  # type: ignore[arg-type] # protobuf checks the fields


async def reserve(client: Client, request: bb.ReserveRequest) -> rb.Reservation:
    """Held."""
    answer = await client.call(client.budgets.Reserve, request)
    reservation: rb.Reservation = answer.reservation
    return reservation


async def refused(client: Client, request: bb.ReserveRequest) -> Failure:
    """Not held."""
    return await client.fail(client.budgets.Reserve, request)


def posting(request: bb.ReserveRequest, amount: int) -> bb.PostRequest:
    """What says that it was spent."""
    return bb.PostRequest(request_id=request.request_id, amount_nanousd=amount)


async def post(client: Client, request: bb.ReserveRequest, amount: int) -> rb.Reservation:
    """Spent."""
    answer = await client.call(client.budgets.Post, posting(request, amount))
    reservation: rb.Reservation = answer.reservation
    return reservation


async def unposted(client: Client, request: bb.ReserveRequest, amount: int) -> Failure:
    """Not posted."""
    return await client.fail(client.budgets.Post, posting(request, amount))


async def void(client: Client, request: bb.ReserveRequest) -> rb.Reservation:
    """Not spent."""
    asked = bb.VoidRequest(request_id=request.request_id, reason="nobody answered")
    reservation: rb.Reservation = (await client.call(client.budgets.Void, asked)).reservation
    return reservation


async def shown(client: Client, request: bb.ReserveRequest) -> rb.Reservation:
    """As it stands."""
    asked = bb.GetReservationRequest(request_id=request.request_id)
    answer = await client.call(client.budgets.GetReservation, asked)
    reservation: rb.Reservation = answer.reservation
    return reservation


async def books(stage: Stage) -> tuple[int, int, int]:
    """What stands posted, reserved and overrun against acme's budget."""
    admin = stage.person()
    listed = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())
    (budget,) = listed.budgets
    return budget.posted_nanousd, budget.reserved_nanousd, budget.overrun_nanousd


def not_held(failure: Failure) -> str:
    """In which state it is not."""
    assert "RESERVATION_NOT_HELD" == failure.reason
    return failure.metadata["state"]
