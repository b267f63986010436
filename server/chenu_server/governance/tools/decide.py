"""How a proposed call's rows are read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chenu_server import errors
from chenu_server.caller import Principal
from chenu_server.governance.tools.model import Standing, ToolCall
from chenu_server.reasons import Reason
from chenu_server.vocabulary import PrincipalType, QueryStatus


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

    principal_type: PrincipalType
    principal_id: str
    acting_for: tuple[str, ...]
    status: QueryStatus
    checkpoint_id: str
    action_digest: bytes
    outcome: Outcome
    created_us: int
    updated_us: int


def standing_of(operation: OperationRow, call: ToolCall) -> Standing:
    """A call and its operation, as they stand in their rows."""
    outcome = operation.outcome
    return Standing(
        call=call,
        principal=Principal(type=operation.principal_type, id=operation.principal_id),
        acting_for=operation.acting_for,
        status=operation.status,
        checkpoint_id=operation.checkpoint_id,
        action_digest=operation.action_digest,
        created_us=operation.created_us,
        updated_us=operation.updated_us,
        refusal=errors.of(outcome.reason).restored(outcome.error) if outcome.reason else None,
    )
