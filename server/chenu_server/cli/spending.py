"""`chenu spending`: money that a service spends itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.groups import commands
from chenu_server.cli.output import note, usd, when
from chenu_server.cli.remote import Session, remote
from chenu_server.values import dataclass

if TYPE_CHECKING:
    from chenu.api.governance.v1 import budget_service_pb2, reservation_pb2

app = commands("Money that a service spends itself.")

RequestId = Annotated[str, typer.Argument(help="The reservation's request_id.")]
AmountUsd = Annotated[str, typer.Option("--amount-usd", help="US dollars, such as 2.50.")]
TTL_S = 600
# What is said of a query would lead astray.
ADVICE = {
    "CHECKPOINT_PENDING": "`chenu checkpoints approve {checkpoint_id}`, then the same again with"
    " --request-id {request_id}",
    "BUDGET_EXHAUSTED": "reserve less under a new id, or ask a budget_admin to raise the limit",
    "REQUEST_ID_CONFLICT": "make a new --request-id; what another has reserved is not yours",
    "CHECKPOINT_EXPIRED": "reserve again under a new id",
    "CHECKPOINT_CANCELLED": "reserve again under a new id",
}


@dataclass(frozen=True)
class Purpose:
    """What the money is for."""

    target_kind: Annotated[str, typer.Option(help="The type of thing it is for.")] = ""
    target_id: Annotated[str, typer.Option(help="The thing's id.")] = ""
    description: Annotated[str, typer.Option(help="More of it, for approvers.")] = ""
    intent: Annotated[list[str] | None, typer.Option(help="send, payment ... Repeatable.")] = None
    sphere: Annotated[str, typer.Option(help="personal, business, team ...")] = ""
    target_sphere: Annotated[str, typer.Option(help="Where the thing lives.")] = ""
    run_id: Annotated[str, typer.Option(help="The piece of work that it belongs to.")] = ""


@remote(app, "reserve", advice=ADVICE)
async def reserve(
    session: Session,
    amount_usd: AmountUsd,
    operation: Annotated[str, typer.Option(help="What is paid for, such as sms.send.")],
    *,
    purpose: Purpose,
    ttl: Annotated[int, typer.Option(min=1, max=86_400, help="Hold it so many seconds.")] = TTL_S,
    request_id: Annotated[
        str, typer.Option(help="A UUID. A repeated call with it is the same reservation.")
    ] = "",
) -> None:
    """Hold money in every budget that applies, or in none."""
    from chenu.ids import new_id

    if not request_id:  # before the call: whatever becomes of it, its money can be posted or voided
        request_id = new_id()
        note(f"request {request_id}")
    request = _request(amount_usd, operation, purpose, ttl, request_id)
    reservation = await session.client.spending.reserve(request)
    session.output.message(reservation, _fields(reservation))


@remote(app, "post", advice=ADVICE)
async def post(session: Session, request_id: RequestId, amount_usd: AmountUsd) -> None:
    """Say what was spent; the rest is free again."""
    amount = parse.nanousd("--amount-usd", amount_usd)
    reservation = await session.client.spending.post(request_id, amount_nanousd=amount)
    session.output.message(reservation, _fields(reservation))


@remote(app, "void", advice=ADVICE)
async def void(
    session: Session,
    request_id: RequestId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Say that nothing was spent; all of it is free again."""
    reservation = await session.client.spending.void(request_id, reason=reason)
    session.output.message(reservation, _fields(reservation))


@remote(app, "get", advice=ADVICE)
async def get(session: Session, request_id: RequestId) -> None:
    """Show one reservation as it stands."""
    reservation = await session.client.spending.get(request_id)
    session.output.message(reservation, _fields(reservation))


def _request(
    amount_usd: str, operation: str, purpose: Purpose, ttl: int, request_id: str
) -> budget_service_pb2.ReserveRequest:
    from google.protobuf.duration_pb2 import Duration

    from chenu.api.governance.v1 import action_pb2, budget_service_pb2

    return budget_service_pb2.ReserveRequest(
        request_id=request_id,
        amount_nanousd=parse.nanousd("--amount-usd", amount_usd),
        target=action_pb2.Target(
            operation=operation,
            kind=purpose.target_kind,
            id=purpose.target_id,
            sphere=parse.choice("--target-sphere", action_pb2.Sphere, purpose.target_sphere),
        ),
        run_id=purpose.run_id,
        description=purpose.description,
        intents=parse.choices("--intent", action_pb2.Intent, purpose.intent or []),
        sphere=parse.choice("--sphere", action_pb2.Sphere, purpose.sphere),
        ttl=Duration(seconds=ttl),
    )


def _fields(reservation: reservation_pb2.Reservation) -> list[tuple[str, str]]:
    from chenu.api.governance.v1 import reservation_pb2
    from chenu.names import name_of

    target = reservation.target
    return [
        ("request", reservation.request_id),
        ("state", name_of(reservation_pb2.ReservationState, reservation.state)),
        ("reason", reservation.reason),
        ("amount", usd(reservation.amount_nanousd)),
        ("posted", usd(reservation.posted_nanousd)),
        ("operation", target.operation),
        ("target", f"{target.kind}/{target.id}" if target.kind or target.id else ""),
        ("description", reservation.description),
        ("checkpoint", reservation.checkpoint_id),
        ("expires", when(reservation.expire_time)),
        ("created", when(reservation.create_time)),
        ("ended", when(reservation.end_time)),
    ]
