"""What waits for a person, and the person's decision."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from chenu.aio.connection import CALL_TIMEOUT_S, TIMEOUT_MAX_S, Connection, typed
from chenu.aio.requests import made
from chenu.api.governance.v1 import (
    checkpoint_pb2,
    checkpoint_service_pb2,
    checkpoint_service_pb2_grpc,
)
from chenu.ids import new_id

INBOX_TIMEOUT_S: Final = TIMEOUT_MAX_S
"""For ever: what waits is watched for as long as somebody looks."""


class Checkpoints:
    """`CheckpointService`. Only a person with the role `approver` approves or rejects."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> checkpoint_service_pb2_grpc.CheckpointServiceAsyncStub:
        return self._connection.stub(checkpoint_service_pb2_grpc.CheckpointServiceStub)

    async def get(
        self, checkpoint_id: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> checkpoint_pb2.Checkpoint:
        """One checkpoint."""
        request = made(checkpoint_service_pb2.GetCheckpointRequest, checkpoint_id=checkpoint_id)
        answer = await self._connection.unary(self._stub.GetCheckpoint, request, timeout_s)
        return answer.checkpoint

    async def list(
        self,
        *,
        states: Iterable[checkpoint_pb2.CheckpointState.ValueType] = (),
        page_size: int = 0,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> AsyncIterator[checkpoint_pb2.Checkpoint]:
        """The identity's checkpoints, newest first, page by page as they are read."""
        request = made(
            checkpoint_service_pb2.ListCheckpointsRequest, states=states, page_size=page_size
        )
        while True:
            page = await self._connection.unary(self._stub.ListCheckpoints, request, timeout_s)
            for checkpoint in page.checkpoints:
                yield checkpoint
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def content(
        self, checkpoint_id: str, *, page_bytes: int = 0, timeout_s: float = CALL_TIMEOUT_S
    ) -> AsyncIterator[checkpoint_service_pb2.ContentPiece]:
        """
        All that an approval binds, in pieces, page by page as they are read.

        A thing that does not fit in a page comes in several pieces, each at its `offset`; join
        their bytes before you decode them. Only an approver and the query's requester may.
        """
        request = made(
            checkpoint_service_pb2.GetCheckpointContentRequest,
            checkpoint_id=checkpoint_id,
            page_bytes=page_bytes,
        )
        while True:
            page = await self._connection.unary(self._stub.GetCheckpointContent, request, timeout_s)
            for piece in page.pieces:
                yield piece
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def pending(self, *, timeout_s: float = CALL_TIMEOUT_S) -> int:
        """How many of the identity's checkpoints wait for a person."""
        request = checkpoint_service_pb2.CountPendingCheckpointsRequest()
        answer = await self._connection.unary(
            self._stub.CountPendingCheckpoints, request, timeout_s
        )
        return answer.pending

    async def watch(
        self, *, timeout_s: float = INBOX_TIMEOUT_S
    ) -> AsyncIterator[checkpoint_service_pb2.WatchCheckpointsResponse]:
        """
        What waits for a person, then what changes of it.

        The first message tells all that waits. The stream ends with an error: when the token
        expires, and when the server stops or is lost. Call again, and all that waits is told again.
        """
        request = checkpoint_service_pb2.WatchCheckpointsRequest()
        with typed():
            call = self._connection.open(self._stub.WatchCheckpoints, request, timeout_s)
            try:
                async for changes in call:
                    yield changes
            finally:
                call.cancel()

    async def approve(
        self,
        checkpoint_id: str,
        *,
        reason: str = "",
        decision_id: str = "",
        expected_action_digest: bytes = b"",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> checkpoint_pb2.Checkpoint:
        """
        Say yes to exactly the action that the checkpoint shows.

        Pass the `decision_id` of the first try when you repeat it, and the digest that the person
        was shown.
        """
        request = made(
            checkpoint_service_pb2.ResolveCheckpointRequest,
            checkpoint_id=checkpoint_id,
            decision_id=decision_id or new_id(),
            decision=checkpoint_service_pb2.CHECKPOINT_DECISION_APPROVE,
            reason=reason,
            expected_action_digest=expected_action_digest,
        )
        answer = await self._connection.unary(self._stub.ResolveCheckpoint, request, timeout_s)
        return answer.checkpoint

    async def reject(
        self,
        checkpoint_id: str,
        *,
        reason: str,
        decision_id: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> checkpoint_pb2.Checkpoint:
        """Say no, and why. Pass the `decision_id` of the first try when you repeat it."""
        request = made(
            checkpoint_service_pb2.ResolveCheckpointRequest,
            checkpoint_id=checkpoint_id,
            decision_id=decision_id or new_id(),
            decision=checkpoint_service_pb2.CHECKPOINT_DECISION_REJECT,
            reason=reason,
        )
        answer = await self._connection.unary(self._stub.ResolveCheckpoint, request, timeout_s)
        return answer.checkpoint

    async def resolve(
        self,
        decisions: Sequence[checkpoint_service_pb2.ResolveCheckpointRequest],
        *,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Sequence[checkpoint_pb2.Checkpoint]:
        """
        Decide on up to 16 checkpoints: all of them, or none.

        Each decision needs the `expected_action_digest` of what the person was shown. One without a
        `decision_id` is given one; pass these very messages when you repeat them.
        """
        for each in decisions:
            each.decision_id = each.decision_id or new_id()
        request = made(checkpoint_service_pb2.ResolveCheckpointsRequest, decisions=decisions)
        answer = await self._connection.unary(self._stub.ResolveCheckpoints, request, timeout_s)
        return answer.checkpoints

    async def cancel(
        self, checkpoint_id: str, *, reason: str = "", timeout_s: float = CALL_TIMEOUT_S
    ) -> checkpoint_pb2.Checkpoint:
        """Withdraw a pending checkpoint and end its query."""
        request = made(
            checkpoint_service_pb2.CancelCheckpointRequest,
            checkpoint_id=checkpoint_id,
            reason=reason,
        )
        answer = await self._connection.unary(self._stub.CancelCheckpoint, request, timeout_s)
        return answer.checkpoint
