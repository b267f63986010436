"""Wire to model and back, for the ledger."""

from __future__ import annotations

from typing import Final, Literal

from chenu.api.governance.v1 import audit_service_pb2 as pb
from chenu_server.errors import InvalidField
from chenu_server.governance.audit.model import Filters, Recorded, Verdict
from chenu_server.infra.rpc.principals import noted_principal
from chenu_server.infra.rpc.times import time_us_from, timestamp_of

ID_MAX: Final = 256
_SECONDS_MAX: Final = 253_402_300_799  # the end of year 9999, as protobuf counts
_NANOS: Final = 1_000_000_000
_ACTION: Final = "LEDGER_ACTION_"
_DECISION: Final = "LEDGER_DECISION_"
# By the name in the ledger. A damaged entry may hold any other, which is told as unspecified.
_ACTIONS: Final = {
    name.removeprefix(_ACTION).lower(): number for name, number in pb.LedgerAction.items()
}
_DECISIONS: Final = {
    name.removeprefix(_DECISION).lower(): number for name, number in pb.LedgerDecision.items()
}


def id_from(text: str) -> str:
    """An entry's id; one that is no UUID belongs to nobody's identity."""
    if not text:
        raise InvalidField("entry_id", "is needed")
    # As ids are made: in another spelling it would count as a reach over the boundary.
    return _text("entry_id", text).lower()


def filters_from(request: pb.ListEntriesRequest) -> Filters:
    """What is asked for."""
    return Filters(
        resource_kind=_text("resource_kind", request.resource_kind),
        resource_id=_text("resource_id", request.resource_id),
        principal_id=_text("principal_id", request.principal_id),
        action=_action(request.action),
        decision=_decision(request.decision),
        start_us=_time(request, "start_time"),
        end_us=_time(request, "end_time"),
    )


def about_of(identity_id: str, filters: Filters) -> tuple[str, ...]:
    """What a page's token belongs to."""
    return (
        "entries",
        identity_id,
        filters.resource_kind,
        filters.resource_id,
        filters.principal_id,
        filters.action,
        filters.decision,
        str(filters.start_us),
        str(filters.end_us),
    )


def sequence_from(after: tuple[str, ...]) -> int:
    """Where a page begins, from its token; a token is not signed, so anything may stand in it."""
    match after:
        case ():
            return 0
        # Of more digits it would not fit the column, and the database's error would look like a
        # bug.
        case (sequence,) if sequence.isdecimal() and len(sequence) < 19:
            return int(sequence)
    raise InvalidField("page_token", "is not a token of this listing")


def entry_of(recorded: Recorded) -> pb.LedgerEntry:
    """An entry as the wire shows it."""
    entry = recorded.entry
    return pb.LedgerEntry(
        entry_id=entry.entry_id,
        sequence=entry.sequence,
        ledger_number=entry.ledger_number,
        batch_id=entry.batch_id,
        time=timestamp_of(entry.time_us),
        decision=_DECISIONS.get(entry.decision, pb.LEDGER_DECISION_UNSPECIFIED),
        action=_ACTIONS.get(entry.action, pb.LEDGER_ACTION_UNSPECIFIED),
        identity_id=entry.identity_id,
        principal=noted_principal(entry.principal_type, entry.principal_id),
        acting_for=entry.acting_for,
        resource_kind=entry.resource_kind,
        resource_id=entry.resource_id,
        reason=entry.reason,
        payload=recorded.payload,
        payload_digest=entry.payload_digest,
        prev_hash=entry.prev_hash,
        entry_hash=recorded.entry_hash,
    )


def verdict_of(verdict: Verdict) -> pb.VerifyLedgerResponse:
    """Whether the ledger is whole."""
    holds = pb.LEDGER_VERDICT_HOLDS if verdict.holds else pb.LEDGER_VERDICT_BROKEN
    return pb.VerifyLedgerResponse(
        verdict=holds,
        entries=verdict.entries,
        head=verdict.head,
        failed_sequence=verdict.failed_sequence,
        failure=verdict.failure,
    )


def _text(field: str, text: str) -> str:
    if len(text) > ID_MAX or not text.isprintable():
        raise InvalidField(field, f"at most {ID_MAX} printable characters are taken")
    return text


def _action(number: pb.LedgerAction.ValueType) -> str:
    if number not in pb.LedgerAction.values():
        raise InvalidField("action", f"unknown value {number}")
    return pb.LedgerAction.Name(number).removeprefix(_ACTION).lower() if number else ""


def _decision(number: pb.LedgerDecision.ValueType) -> str:
    if number not in pb.LedgerDecision.values():
        raise InvalidField("decision", f"unknown value {number}")
    return pb.LedgerDecision.Name(number).removeprefix(_DECISION).lower() if number else ""


def _time(request: pb.ListEntriesRequest, field: Literal["start_time", "end_time"]) -> int:
    """Unix microseconds; 0 if it is not set, and nothing is older than 1."""
    if not request.HasField(field):
        return 0
    timestamp = request.start_time if field == "start_time" else request.end_time
    if abs(timestamp.seconds) > _SECONDS_MAX:
        raise InvalidField(field, "is not from year 1 to 9999")
    if not 0 <= timestamp.nanos < _NANOS:
        raise InvalidField(field, "its nanos are not from 0 to 999,999,999")
    return max(time_us_from(timestamp), 1)
