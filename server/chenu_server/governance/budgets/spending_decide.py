"""What a reservation binds, how it is stored, and how its row is read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from pydantic_core import from_json, to_json

from chenu_server import errors
from chenu_server.action import Target
from chenu_server.caller import Caller, Principal
from chenu_server.engine import digest
from chenu_server.errors import ChenuError, ReservationNotHeld
from chenu_server.governance.budgets.spending_model import ReserveAsk, Spending
from chenu_server.reasons import Reason
from chenu_server.vocabulary import (
    Intent,
    PrincipalType,
    QueryStatus,
    ReservationState,
    Sphere,
)

STATES: Final = {
    QueryStatus.BLOCKED: ReservationState.BLOCKED,
    QueryStatus.APPROVED: ReservationState.APPROVED,
    QueryStatus.RUNNING: ReservationState.HELD,
    QueryStatus.COMPLETED: ReservationState.POSTED,
    QueryStatus.CANCELLED: ReservationState.VOIDED,
    QueryStatus.EXPIRED: ReservationState.EXPIRED,
    QueryStatus.REJECTED: ReservationState.REJECTED,
    QueryStatus.FAILED: ReservationState.REFUSED,
}
"""What a reservation calls the states that every governed operation has."""


class Outcome(Protocol):
    """Why an operation ended without completing."""

    @property
    def reason(self) -> Reason | None:
        """None if it has completed, or has not ended."""
        ...

    @property
    def error(self) -> Sequence[tuple[str, str]]:
        """The refusal's fields."""
        ...


class OperationRow(Protocol):
    """What is read here of an operation's row."""

    identity_id: str
    request_id: str
    principal_type: PrincipalType
    principal_id: str
    status: QueryStatus
    cost_nanousd: int
    checkpoint_id: str
    action_digest: bytes
    created_us: int
    updated_us: int
    ended_us: int

    @property
    def outcome(self) -> Outcome:
        """Why it ended without completing."""
        ...


def spending_of(
    operation: OperationRow,
    asked: ReserveAsk,
    *,
    expires_us: int,
    pending: ChenuError | None = None,
) -> Spending:
    """A reservation as its row has it; `pending` is what it answers while it waits."""
    return Spending(
        asked=asked,
        identity_id=operation.identity_id,
        principal=Principal(type=operation.principal_type, id=operation.principal_id),
        state=STATES[operation.status],
        posted_nanousd=operation.cost_nanousd,
        checkpoint_id=operation.checkpoint_id,
        action_digest=operation.action_digest,
        expires_us=expires_us,
        created_us=operation.created_us,
        updated_us=operation.updated_us,
        ended_us=operation.ended_us,
        refusal=_refusal(operation, pending),
    )


def _refusal(operation: OperationRow, pending: ChenuError | None) -> ChenuError | None:
    outcome, state = operation.outcome, STATES[operation.status]
    if outcome.reason is not None:
        return errors.of(outcome.reason).restored(outcome.error)
    if state is ReservationState.POSTED:
        # Completed, yet no OK for `Reserve`, which would say that the money may be spent: it is.
        return ReservationNotHeld(operation.request_id, state.value)
    return pending if state is ReservationState.BLOCKED else None


# --- what is bound ----------------------------------------------------------------------------


def content_digest(asked: ReserveAsk) -> bytes:
    """SHA-256 over every field but the id: same digest, same reservation."""
    return digest("chenu.reserve.v1", _fields(asked))


def action_digest(caller: Caller, asked: ReserveAsk) -> bytes:
    """What an approval is bound to: who spends how much, for what, under which id.

    The id is in it, for two that are alike are two payments: one approval must not do for both.
    """
    fields = [
        caller.identity_id,
        caller.principal.type,
        caller.principal.id,
        caller.acting_for,
        asked.request_id,
        _fields(asked),
    ]
    return digest("chenu.reservation.v1", fields)


def _fields(asked: ReserveAsk) -> list[object]:
    target = asked.target
    # In the order of ARCHITECTURE.md §8: by it repeats and approvals are found again, for as long
    # as they are stored.
    return [
        asked.amount_nanousd,
        [target.operation, target.kind, target.id, target.sphere],
        asked.description,
        asked.intents,
        asked.sphere,
        asked.run_id,
        asked.labels,
        asked.ttl_ms,
    ]


# --- as it is stored ----------------------------------------------------------------------------


def ask_json(asked: ReserveAsk) -> str:
    """What was asked, as compact JSON."""
    target = asked.target
    values = {
        "amount_nanousd": asked.amount_nanousd,
        "target": [target.operation, target.kind, target.id, target.sphere or ""],
        "description": asked.description,
        "intents": asked.intents,
        "sphere": asked.sphere,
        "run_id": asked.run_id,
        "labels": asked.labels,
        "ttl_ms": asked.ttl_ms,
    }
    return to_json(values).decode()


def ask_from(request_id: str, text: str) -> ReserveAsk:
    """What `ask_json` stored under this id."""
    values: dict[str, Any] = from_json(text)
    operation, kind, id_, sphere = values["target"]
    return ReserveAsk(
        request_id=request_id,
        amount_nanousd=values["amount_nanousd"],
        target=Target(
            operation=operation, kind=kind, id=id_, sphere=Sphere(sphere) if sphere else None
        ),
        description=values["description"],
        intents=tuple(map(Intent, values["intents"])),
        sphere=Sphere(values["sphere"]),
        run_id=values["run_id"],
        labels=tuple((key, value) for key, value in values["labels"]),
        ttl_ms=values["ttl_ms"],
    )
