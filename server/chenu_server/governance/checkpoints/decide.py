"""Whom a checkpoint concerns, and what who waits at one is told. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from chenu_server.caller import Caller
from chenu_server.errors import CheckpointPending
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.vocabulary import Role


def concerns(caller: Caller, checkpoint: Checkpoint) -> bool:
    """Whether what was asked is this caller's to read: whoever asked it, or an approver."""
    return caller.principal == checkpoint.requester or Role.APPROVER in caller.roles


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
