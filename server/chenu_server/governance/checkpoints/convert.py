"""Wire to model and back, for checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from chenu.api.governance.v1 import action_pb2, checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as pb
from chenu_server.caller import Caller
from chenu_server.errors import InvalidField
from chenu_server.governance.checkpoints.decide import concerns
from chenu_server.governance.checkpoints.model import START, Checkpoint, Piece, Place, Resolution
from chenu_server.infra.rpc.principals import principal_of, spelt_principal
from chenu_server.infra.rpc.reasons import reason_from
from chenu_server.infra.rpc.times import timestamp_of
from chenu_server.vocabulary import CheckpointState, ContentKind, Decision

ID_MAX: Final = 256
DECISIONS_MAX: Final = 16
PAGE_BYTES_DEFAULT: Final = 262_144
PAGE_BYTES_MAX: Final = 1_048_576

_STATES: Final[dict[int, CheckpointState]] = {
    checkpoint_pb2.CheckpointState.Value(f"CHECKPOINT_STATE_{state.name}"): state
    for state in CheckpointState
}
_DECISIONS: Final[dict[int, Decision]] = {
    pb.CHECKPOINT_DECISION_APPROVE: Decision.APPROVE,
    pb.CHECKPOINT_DECISION_REJECT: Decision.REJECT,
}
_KINDS: Final = {kind: pb.ContentKind.Value(f"CONTENT_KIND_{kind.name}") for kind in ContentKind}
_OPTIONS: Final = (
    checkpoint_pb2.CheckpointOption(id="approve", label_en="Approve", label_fr="Approuver"),
    checkpoint_pb2.CheckpointOption(id="reject", label_en="Reject", label_fr="Refuser"),
)


def id_from(text: str) -> str:
    """A checkpoint's id; one that is no UUID belongs to nobody's identity."""
    if not 1 <= len(text) <= ID_MAX or not text.isprintable():
        raise InvalidField("checkpoint_id", f"1 to {ID_MAX} printable characters are needed")
    # As ids are made: in another spelling it would count as a reach over the boundary.
    return text.lower()


def state_from(number: int) -> CheckpointState:
    """A state by its number."""
    if number not in _STATES:
        raise InvalidField("states", f"unknown value {number}")
    return _STATES[number]


def resolution_from(request: pb.ResolveCheckpointRequest, caller: Caller) -> Resolution:
    """What a person decided."""
    decision = _DECISIONS.get(request.decision)
    if decision is None:
        raise InvalidField("decision", "approve or reject")
    digest = request.expected_action_digest
    if digest and len(digest) != 32:
        raise InvalidField("expected_action_digest", "32 bytes, or none")
    return Resolution(
        decision_id=_uuid(request.decision_id),
        decision=decision,
        reason=reason_from(request.reason),
        expected_digest=digest,
        by=caller.principal,
        methods=caller.methods,
        client=caller.client,
    )


def resolutions_from(
    request: pb.ResolveCheckpointsRequest, caller: Caller
) -> Sequence[tuple[str, Resolution]]:
    """What a person decided on each of several checkpoints."""
    if not 1 <= len(request.decisions) <= DECISIONS_MAX:
        raise InvalidField("decisions", f"1 to {DECISIONS_MAX}")
    return [
        (id_from(each.checkpoint_id), resolution_from(each, caller)) for each in request.decisions
    ]


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidField("decision_id", "not a UUID") from None


def page_bytes_from(value: int) -> int:
    """How much content a page holds at most."""
    if not 0 <= value <= PAGE_BYTES_MAX:
        raise InvalidField("page_bytes", f"0 to {PAGE_BYTES_MAX:,}; 0 means {PAGE_BYTES_DEFAULT:,}")
    return value or PAGE_BYTES_DEFAULT


def place_from(after: tuple[str, ...]) -> Place:
    """Where a page of content begins; a token is not signed, so anything may stand in it."""
    match after:
        case ():
            return START
        case (thing, offset) if thing.isdecimal() and offset.isdecimal():
            if len(thing) < 10 and len(offset) < 10:
                return Place(int(thing), int(offset))
    raise InvalidField("page_token", "is not a token of this content")


def piece_of(piece: Piece) -> pb.ContentPiece:
    """A piece of content as the wire shows it."""
    thing = piece.thing
    return pb.ContentPiece(
        kind=_KINDS[thing.kind],
        id=thing.id,
        media_type=thing.media_type,
        offset=piece.offset,
        data=piece.data,
        size=thing.size,
    )


def checkpoint_of(
    checkpoint: Checkpoint, caller: Caller, *, four_eyes: bool
) -> checkpoint_pb2.Checkpoint:
    """A checkpoint as the wire shows it; the preview only to whom its content is open."""
    # The first slash divides: no kind of thing has one, and any id may.
    kind, _, name = checkpoint.target.partition("/")
    return checkpoint_pb2.Checkpoint(
        checkpoint_id=checkpoint.checkpoint_id,
        request_id=checkpoint.request_id,
        types=[
            checkpoint_pb2.CheckpointType.Value(f"CHECKPOINT_TYPE_{kind.name}")
            for kind in checkpoint.types
        ],
        state=checkpoint_pb2.CheckpointState.Value(f"CHECKPOINT_STATE_{checkpoint.state.name}"),
        action=checkpoint.action,
        target=action_pb2.Target(operation=checkpoint.action, kind=kind, id=name),
        action_digest=checkpoint.action_digest,
        question_en=checkpoint.question_en,
        question_fr=checkpoint.question_fr,
        options=_OPTIONS,
        requested_by=principal_of(checkpoint.requester),
        create_time=timestamp_of(checkpoint.created_us),
        expire_time=timestamp_of(checkpoint.expires_us),
        resolve_time=timestamp_of(checkpoint.resolved_us),
        use_before=timestamp_of(checkpoint.use_before_us),
        resolved_by=spelt_principal(checkpoint.resolved_by),
        decision_id=checkpoint.decision_id,
        reason=checkpoint.reason,
        max_cost_nanousd=checkpoint.max_cost_nanousd,
        provider=checkpoint.provider,
        model=checkpoint.model,
        text_preview=checkpoint.preview if concerns(caller, checkpoint) else "",
        operation_kind=action_pb2.OperationKind.ValueType(checkpoint.operation_kind.number),
        four_eyes=four_eyes,
    )
