"""Wire to model and back, for reservations of services."""

from __future__ import annotations

from google.protobuf import duration_pb2

from chenu.api.governance.v1 import action_pb2, reservation_pb2
from chenu.api.governance.v1 import budget_service_pb2 as pb
from chenu_server.action import Target
from chenu_server.errors import InvalidField
from chenu_server.governance.budgets.model import LIMIT_MAX_NANOUSD
from chenu_server.governance.budgets.spending_model import (
    DESCRIPTION_MAX,
    TTL_DEFAULT_MS,
    TTL_MAX_MS,
    TTL_MIN_MS,
    ReserveAsk,
    Spending,
)
from chenu_server.infra.rpc.fields import (
    ID_MAX,
    intents_from,
    labels_from,
    name,
    request_id_from,
    sphere_from,
    target_from,
)
from chenu_server.infra.rpc.principals import principal_of
from chenu_server.infra.rpc.times import timestamp_of
from chenu_server.vocabulary import ReservationState, Sphere


def ask_from(request: pb.ReserveRequest) -> ReserveAsk:
    """
    What a service asks for, checked field by field.

    Raises:
        InvalidField: A field's value is not one that this rpc takes; names the field.
    """
    request_id = request_id_from(request.request_id, "request_id")
    if not request_id:
        raise InvalidField("request_id", "make a UUID, and keep it until the money is posted")
    if not 1 <= request.amount_nanousd <= LIMIT_MAX_NANOUSD:
        raise InvalidField("amount_nanousd", f"must be from 1 to {LIMIT_MAX_NANOUSD}")
    target = target_from(request.target)
    # Policies and approvers go by it: what cannot be seen would pass for something else.
    if not target.operation.strip() or not target.operation.isprintable():
        raise InvalidField("target.operation", "say in printable characters what the money is for")
    return ReserveAsk(
        request_id=request_id,
        amount_nanousd=request.amount_nanousd,
        target=target,
        description=name(request.description, "description", DESCRIPTION_MAX),
        intents=intents_from(request.intents),
        sphere=sphere_from(request.sphere, "sphere") or Sphere.PERSONAL,
        run_id=name(request.run_id, "run_id", ID_MAX),
        labels=labels_from(request.labels),
        ttl_ms=_ttl_ms(request.ttl) if request.HasField("ttl") else TTL_DEFAULT_MS,
    )


def _ttl_ms(ttl: duration_pb2.Duration) -> int:
    ttl_ms = ttl.seconds * 1_000 + ttl.nanos // 1_000_000
    if not TTL_MIN_MS <= ttl_ms <= TTL_MAX_MS:
        raise InvalidField("ttl", f"must be from {TTL_MIN_MS // 1_000} s to 24 h")
    return ttl_ms


def amount_from(amount_nanousd: int) -> int:
    """What was spent."""
    if not 0 <= amount_nanousd <= LIMIT_MAX_NANOUSD:
        raise InvalidField("amount_nanousd", f"must be from 0 to {LIMIT_MAX_NANOUSD}")
    return amount_nanousd


def reservation_of(spending: Spending) -> reservation_pb2.Reservation:
    """A reservation as the wire shows it."""
    asked, refusal = spending.asked, spending.refusal
    # What is posted is refused only to who would spend it again.
    unspent = spending.ended_us and spending.state is not ReservationState.POSTED
    return reservation_pb2.Reservation(
        request_id=asked.request_id,
        identity_id=spending.identity_id,
        principal=principal_of(spending.principal),
        state=reservation_pb2.ReservationState.ValueType(spending.state.number),
        amount_nanousd=asked.amount_nanousd,
        posted_nanousd=spending.posted_nanousd,
        target=_target_of(asked.target),
        description=asked.description,
        intents=[action_pb2.Intent.ValueType(intent.number) for intent in asked.intents],
        sphere=action_pb2.Sphere.ValueType(asked.sphere.number),
        run_id=asked.run_id,
        labels=dict(asked.labels),
        checkpoint_id=spending.checkpoint_id,
        action_digest=spending.action_digest,
        expire_time=timestamp_of(spending.expires_us),
        create_time=timestamp_of(spending.created_us),
        update_time=timestamp_of(spending.updated_us),
        end_time=timestamp_of(spending.ended_us),
        reason=refusal.reason.value if unspent and refusal is not None else "",
    )


def _target_of(target: Target) -> action_pb2.Target:
    return action_pb2.Target(
        operation=target.operation,
        kind=target.kind,
        id=target.id,
        sphere=action_pb2.Sphere.ValueType(target.sphere.number if target.sphere else 0),
    )
