"""When a checkpoint may change, and into what. Pure; one clock decides every race."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from chenu_server.caller import Caller, Principal
from chenu_server.errors import CheckpointPending
from chenu_server.governance.checkpoints.model import (
    OPEN_OF_ACTION,
    PENDING,
    Checkpoint,
    Lapsed,
    Lost,
    OtherAction,
    Repeated,
    Resolution,
    ResolveAnswer,
    Resolved,
)
from chenu_server.unit import Counted, Found, Moment, Need, Rows
from chenu_server.values import replace
from chenu_server.vocabulary import CheckpointState, Decision, Role


def needs_for_ask(identity_id: str, action_digest: bytes) -> Iterable[Need]:
    """The rows that `waiting` and `pending_in` read."""
    yield Found(OPEN_OF_ACTION, (identity_id, action_digest))
    yield Counted(PENDING, (identity_id,))


def waiting(rows: Rows, caller: Caller, action_digest: bytes, now: Moment) -> Checkpoint | None:
    """The checkpoint at which this caller's very action waits already, if it does.

    The digest binds the caller too; it is compared all the same, for an approval must not pass
    from one principal to another by an oversight in what is digested.
    """
    asker = (caller.principal.type, caller.principal.id, caller.acting_for)
    found = [
        each
        for each in rows.find(OPEN_OF_ACTION, (caller.identity_id, action_digest))
        if (each.requested_by_type, each.requested_by, each.acting_for) == asker
        and not has_lapsed(each, now)
    ]
    return min(found, key=lambda each: (each.created_us, each.checkpoint_id), default=None)


def pending_in(rows: Rows, identity_id: str) -> int:
    """How many of an identity's checkpoints wait for a person."""
    return rows.count(PENDING, (identity_id,))


def concerns(caller: Caller, checkpoint: Checkpoint) -> bool:
    """Whether what was asked is this caller's to read: whoever asked it, or an approver."""
    return caller.principal == checkpoint.requester or Role.APPROVER in caller.roles


def resolve(checkpoint: Checkpoint, asked: Resolution, now: Moment) -> ResolveAnswer:
    """Decide one resolution against the checkpoint as it stands."""
    wanted = _STATE_OF[asked.decision]
    if checkpoint.state is not CheckpointState.PENDING:
        return Repeated(checkpoint) if _is_repeat(checkpoint, asked) else Lost(checkpoint)
    if now.now_us >= checkpoint.expires_us:
        return Lapsed(expire(checkpoint, now))
    if asked.expected_digest and asked.expected_digest != checkpoint.action_digest:
        return OtherAction(checkpoint)
    approved = wanted is CheckpointState.APPROVED
    return Resolved(
        replace(
            checkpoint,
            state=wanted,
            resolved_us=now.now_us,
            resolved_by=str(asked.by),
            decision_id=asked.decision_id,
            reason=asked.reason,
            use_before_us=now.now_us + checkpoint.lifetime_us if approved else 0,
        )
    )


def _is_repeat(checkpoint: Checkpoint, asked: Resolution) -> bool:
    """Whether this person made this very decision before, down to the reason that is recorded.

    Somebody else who sends the winner's id has decided nothing, and must not be told so.
    """
    decided = (checkpoint.decision_id, checkpoint.state, checkpoint.resolved_by, checkpoint.reason)
    wanted = (asked.decision_id, _STATE_OF[asked.decision], str(asked.by), asked.reason)
    saw_another = asked.expected_digest not in (b"", checkpoint.action_digest)
    return decided == wanted and not saw_another


def has_lapsed(checkpoint: Checkpoint, now: Moment) -> bool:
    """Whether nobody decided in time, or the approval was not used in time."""
    pending = checkpoint.state is CheckpointState.PENDING
    end_us = checkpoint.expires_us if pending else checkpoint.use_before_us
    return checkpoint.is_open and now.now_us >= end_us


def expire(checkpoint: Checkpoint, now: Moment) -> Checkpoint:
    """The checkpoint, expired now."""
    return replace(checkpoint, state=CheckpointState.EXPIRED, resolved_us=now.now_us)


def cancel(checkpoint: Checkpoint, by: Principal, reason: str, now: Moment) -> Checkpoint:
    """The checkpoint, withdrawn with its query."""
    return replace(
        checkpoint,
        state=CheckpointState.CANCELLED,
        resolved_us=now.now_us,
        resolved_by=str(by),
        reason=reason,
    )


def consume(checkpoint: Checkpoint, now: Moment) -> Checkpoint:
    """The approval, used. Only `units.consume` calls it, beside the `execute` entry."""
    assert checkpoint.consumed_us == 0, "an approval is used once"
    return replace(checkpoint, consumed_us=now.now_us)


def pending_error(checkpoint: Checkpoint) -> CheckpointPending:
    """The refusal that a blocked query answers."""
    return CheckpointPending(
        request_id=checkpoint.request_id,
        checkpoint_id=checkpoint.checkpoint_id,
        types=tuple(kind.value for kind in checkpoint.types),
        action=checkpoint.action,
        action_digest=checkpoint.action_digest.hex(),
        expires_at=datetime.fromtimestamp(checkpoint.expires_us / 1e6, UTC).isoformat(),
        question=checkpoint.question_en,
        question_fr=checkpoint.question_fr,
    )


def created_body(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `checkpoint.created` says."""
    return {
        "checkpoint_id": checkpoint.checkpoint_id,
        "types": [kind.value for kind in checkpoint.types],
        "action": checkpoint.action,
        "action_digest": checkpoint.action_digest.hex(),
        "expires_us": checkpoint.expires_us,
        "question": checkpoint.question_en,
        "question_fr": checkpoint.question_fr,
    }


_STATE_OF = {
    Decision.APPROVE: CheckpointState.APPROVED,
    Decision.REJECT: CheckpointState.REJECTED,
}
