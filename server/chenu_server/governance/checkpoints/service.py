"""Checkpoints as people use them: see, count, approve, reject, withdraw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, NoReturn

from chenu_server.caller import Caller
from chenu_server.errors import (
    CheckpointAlreadyResolved,
    CheckpointCancelled,
    CheckpointExpired,
    GovernanceUnavailable,
    InvalidField,
    RoleRequired,
    SelfApproval,
    ServerOverloaded,
    TokenExpired,
)
from chenu_server.governance.checkpoints.decide import concerns
from chenu_server.governance.checkpoints.inbox import RETRY_US, Bell, Inbox
from chenu_server.governance.checkpoints.model import (
    Bound,
    Changes,
    Checkpoint,
    Lapsed,
    NoneResolved,
    OtherAction,
    OwnAction,
    Piece,
    Repeated,
    Resolution,
    Resolved,
    StoredFile,
    Unresolved,
)
from chenu_server.governance.checkpoints.ports import (
    Boundary,
    BoundContent,
    CheckpointFilter,
    CheckpointStore,
    Resolver,
    WaitingOperations,
)
from chenu_server.values import replace
from chenu_server.vocabulary import CheckpointState, Decision, OperationKind, Role

CHANGES_MAX: Final = 100
"""Checkpoints in one message."""

PAUSE_S: Final = 0.1
PATIENCE_S: Final = 60.0
"""How long nothing is looked up where nothing is told: a clock may step, and a token with it."""


class CheckpointService:
    """Only a person with the role `approver` in the same identity resolves."""

    def __init__(
        self,
        store: CheckpointStore,
        resolver: Resolver,
        waiting: WaitingOperations,
        content: BoundContent,
        boundary: Boundary,
        inbox: Inbox,
        now_us: Callable[[], int],
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._waiting = waiting
        self._content = content
        self._boundary = boundary
        self._inbox = inbox
        self._now_us = now_us

    async def get(self, caller: Caller, checkpoint_id: str) -> Checkpoint:
        """
        One checkpoint of the caller's identity.

        Raises:
            IdentityBoundaryViolation: There is none, here or anywhere.
        """
        # Looked up within the caller's identity alone: another's checkpoint and none at all are the
        # same to it.
        checkpoint = await self._store.get(caller.identity_id, checkpoint_id)
        if checkpoint is None:
            await self._boundary.refuse(caller, kind="checkpoint", id=checkpoint_id)
        assert checkpoint is not None
        return checkpoint

    async def content(self, caller: Caller, checkpoint_id: str) -> Sequence[Bound]:
        """
        All that an approval of it binds; nothing once that is no longer stored.

        Raises:
            RoleRequired: The caller neither asked the query nor is an approver.
            IdentityBoundaryViolation: The checkpoint is not in the caller's identity.
        """
        checkpoint = await self.get(caller, checkpoint_id)
        # Who asked is given a call's arguments once they are approved, and not before; and who can
        # never decide on them is no approver, whatever its token says.
        if checkpoint.operation_kind is OperationKind.TOOL_CALL:
            _check_approver(caller)
        _check_concerned(caller, checkpoint)
        return await self._content.of(checkpoint)

    async def filled(self, caller: Caller, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """
        Pieces of content with the bytes of those that are of files.

        Raises:
            GovernanceUnavailable: A file cannot be read.
        """
        return [
            piece if piece.thing.file is None else await self._read(caller, piece, piece.thing.file)
            for piece in pieces
        ]

    async def _read(self, caller: Caller, piece: Piece, file: StoredFile) -> Piece:
        data = await self._content.read(caller.identity_id, file, piece.offset, piece.size)
        if len(data) != piece.size:  # half of what an approval binds is nothing to approve by
            raise GovernanceUnavailable
        return replace(piece, data=data)

    async def page(self, caller: Caller, wanted: CheckpointFilter) -> Sequence[Checkpoint]:
        """Checkpoints of the caller's identity, newest first."""
        return await self._store.page(caller.identity_id, wanted)

    async def count_pending(self, caller: Caller) -> int:
        """How many wait for a person in the caller's identity."""
        return await self._store.count_pending(caller.identity_id)

    async def watch(self, caller: Caller, expires_us: int) -> AsyncGenerator[Changes]:
        """
        What waits in the caller's identity, then what changes of it, until the token expires.

        Raises:
            TokenExpired: It has.
            ServerOverloaded: As many watch as may, or the server stops.
            GovernanceUnavailable: It cannot be read.
        """
        identity_id, told, is_first = caller.identity_id, set[str](), True
        with self._inbox.followed(identity_id) as bell:
            while not bell.is_closed:
                waiting = await self._store.pending(identity_id)
                # Only which they are is kept from one turn to the next: what waits never changes,
                # and what waits no more is read as it is by now.
                over = told.difference(waiting)
                news = [*over, *(each for each in waiting if each not in told)]
                told -= over
                # Also without any: who has begun to look is told that nothing waits.
                for start in range(0, len(news) or int(is_first), CHANGES_MAX):
                    found = await self._store.some(identity_id, news[start : start + CHANGES_MAX])
                    # One that was decided since it was listed was never told, and need not be.
                    shown = [
                        each
                        for each in found
                        if each.checkpoint_id in over or each.state is CheckpointState.PENDING
                    ]
                    told.update(
                        each.checkpoint_id
                        for each in shown
                        if each.state is CheckpointState.PENDING
                    )
                    if shown or is_first:
                        yield Changes(shown, len(waiting))
                is_first = False
                await self._following(bell, expires_us)
        raise ServerOverloaded(RETRY_US, "watchers of checkpoints")

    async def _following(self, bell: Bell, expires_us: int) -> None:
        # A busy identity's are told together: each turn reads all that wait.
        await asyncio.sleep(PAUSE_S)
        left_us = expires_us - self._now_us()
        await bell.answered(min(left_us / 1e6, PATIENCE_S))
        if expires_us <= self._now_us():
            raise TokenExpired(check="exp has passed")

    async def resolve(self, caller: Caller, checkpoint_id: str, asked: Resolution) -> Checkpoint:
        """
        Approve or reject, once; a person's same decision under the same id is answered alike.

        Raises:
            RoleRequired: The caller is no person, or no approver here.
            IdentityBoundaryViolation: The checkpoint is not in the caller's identity.
            SelfApproval: Somebody else than who asked has to decide.
            CheckpointAlreadyResolved: Someone else was first.
            CheckpointExpired, CheckpointCancelled: It is over.
            InvalidField: A rejection without a reason, or another action than the one shown.
        """
        _check_approver(caller)
        _check_reason(asked)
        checkpoint = await self.get(caller, checkpoint_id)
        # Exactly these arguments: who decides on them without having seen them has not.
        if checkpoint.operation_kind is OperationKind.TOOL_CALL and not asked.expected_digest:
            raise InvalidField("expected_action_digest", "required for a tool call")
        answer = await self._resolver.resolve(checkpoint, asked)
        if not isinstance(answer, Resolved | Repeated):
            _raise_unresolved(answer)
        return await self._resolved(answer)

    async def resolve_all(
        self, caller: Caller, decisions: Sequence[tuple[str, Resolution]]
    ) -> Sequence[Checkpoint]:
        """
        Approve or reject several in one commit: all of them, or none.

        Raises:
            RoleRequired: The caller is no person, or no approver here.
            IdentityBoundaryViolation: A checkpoint is not in the caller's identity.
            SelfApproval: Somebody else has to decide on one of them.
            CheckpointAlreadyResolved: Someone else was first with one of them.
            CheckpointExpired, CheckpointCancelled: One of them is over.
            InvalidField: A rejection without a reason, an action that was not shown, or a
                checkpoint twice.
        """
        _check_approver(caller)
        for _, asked in decisions:
            _check_reason(asked)
            # Who decides on many at once is likeliest to say yes to what he has not looked at.
            if not asked.expected_digest:
                raise InvalidField("expected_action_digest", "required for each of several")
        if len({checkpoint_id for checkpoint_id, _ in decisions}) < len(decisions):
            raise InvalidField("checkpoint_id", "each checkpoint once")
        found = [
            (await self.get(caller, checkpoint_id), asked) for checkpoint_id, asked in decisions
        ]
        answer = await self._resolver.resolve_all(found)
        if isinstance(answer, NoneResolved):
            _raise_unresolved(answer.because)
        return [await self._resolved(each) for each in answer.checkpoints]

    def needs_another(self, checkpoint: Checkpoint) -> bool:
        """Whether somebody else than who asked has to decide on it."""
        return self._resolver.needs_another(checkpoint)

    async def _resolved(self, answer: Resolved | Repeated) -> Checkpoint:
        checkpoint = answer.checkpoint
        approved = checkpoint.state is CheckpointState.APPROVED
        # Only for the decision itself and not for a repeat of it: by then the query may have run.
        if isinstance(answer, Resolved) and approved:
            await self._waiting.approved(checkpoint.identity_id, checkpoint.request_id)
        return checkpoint

    async def cancel(self, caller: Caller, checkpoint_id: str, reason: str) -> Checkpoint:
        """
        Withdraw a checkpoint with what waits there: by the requester, or by an approver.

        Raises:
            RoleRequired: The caller is neither.
            IdentityBoundaryViolation: The checkpoint is not in the caller's identity.
            CheckpointAlreadyResolved: It was resolved before, or its approval is used.
        """
        checkpoint = await self.get(caller, checkpoint_id)
        _check_concerned(caller, checkpoint)
        if checkpoint.is_open:  # else the query runs, or is over: not this call's to end
            await self._waiting.cancel(caller, checkpoint, reason)
        # Read again: whether this or somebody else's decision came first only the row can tell.
        after = await self.get(caller, checkpoint_id)
        if after.state is not CheckpointState.CANCELLED:
            _raise_lost(after)
        return after


def _check_concerned(caller: Caller, checkpoint: Checkpoint) -> None:
    if not concerns(caller, checkpoint):
        raise RoleRequired(Role.APPROVER.value)


def _check_approver(caller: Caller) -> None:
    # Before anything is looked up: whoever may not decide learns nothing of what there is, and is
    # no violation.
    if not caller.is_user or Role.APPROVER not in caller.roles:
        raise RoleRequired(Role.APPROVER.value, "user")


def _check_reason(asked: Resolution) -> None:
    if asked.decision is Decision.REJECT and not asked.reason.strip():
        raise InvalidField("reason", "a rejection needs one")


def _raise_unresolved(answer: Unresolved) -> NoReturn:
    if isinstance(answer, Lapsed):
        raise CheckpointExpired(answer.checkpoint.checkpoint_id)
    if isinstance(answer, OtherAction):
        # By its id: of several decisions this tells which.
        asked = f"checkpoint {answer.checkpoint.checkpoint_id} asks about another"
        raise InvalidField("expected_action_digest", asked)
    if isinstance(answer, OwnAction):
        raise SelfApproval(answer.checkpoint.checkpoint_id)
    _raise_lost(answer.checkpoint)


def _raise_lost(checkpoint: Checkpoint) -> NoReturn:
    """The refusal for whom a resolved checkpoint is no longer open."""
    if checkpoint.state is CheckpointState.EXPIRED:
        raise CheckpointExpired(checkpoint.checkpoint_id)
    if checkpoint.state is CheckpointState.CANCELLED:
        raise CheckpointCancelled(checkpoint.checkpoint_id)
    raise CheckpointAlreadyResolved(
        checkpoint.checkpoint_id, checkpoint.resolved_by, checkpoint.state.value
    )
