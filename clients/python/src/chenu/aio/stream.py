"""A query's log as an asynchronous iterator that survives cut connections."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self

import grpc

from chenu import errors
from chenu.api.pipeline.v1 import event_pb2
from chenu.log import LogGap, LogReader

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
UNREAD_GIVE_UP_S: Final = 2.0
CUT: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,  # the stream was reset
        grpc.StatusCode.UNKNOWN,  # the stream was removed
        grpc.StatusCode.CANCELLED,  # the server's transport shed the call
        grpc.StatusCode.DATA_LOSS,  # something is missing between the cursor and the next event
    }
)

Attached = grpc.aio.UnaryStreamCall[Any, Any]  # its answers have an `event`
Attach = Callable[[event_pb2.Cursor, float], Attached]


class Log:
    """
    A query's events, each once and in order, whatever happens to the connection.

        async with client.pipeline.run("...") as log:
            async for event in log:
                ...
        print(log.text)

    When the connection is cut it attaches again at its cursor. Iterating ends by raising the
    query's outcome unless it completed; the log of `watch` just ends.
    """

    def __init__(
        self,
        *,
        request_id: str,
        first: Attach,
        again: Attach,
        after: event_pb2.Cursor | None,
        timeout_s: float,
        raises_outcome: bool,
        give_up_s: float,
    ) -> None:
        self.request_id = request_id
        self._reader = LogReader(_copy(after))
        self._first, self._again = first, again
        self._end_s = time.monotonic() + timeout_s
        self._raises_outcome = raises_outcome
        self._patience = Patience(give_up_s)
        self._call: Attached | None = None
        self._watched = False

    @property
    def cursor(self) -> event_pb2.Cursor:
        """How far it has been read; `watch` takes up there."""
        return _copy(self._reader.cursor)

    @property
    def text(self) -> str:
        """The answer's text so far; once the query has ended, exactly what the server stored."""
        return self._reader.text

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()

    def detach(self) -> None:
        """Stop reading. The query itself goes on as its request said."""
        if self._call is not None:
            self._call.cancel()

    async def __aiter__(self) -> AsyncIterator[event_pb2.Event]:
        """
        The events that were not read before.

        Raises:
            ChenuError: The query ended without completing, or nothing more could be read.
        """
        while not self._over():
            lost: errors.ChenuError = errors.ConnectionLost(
                grpc.StatusCode.UNAVAILABLE, "the log stopped before its final event"
            )
            try:
                async with aclosing(self._attached()) as events:
                    async for event in events:
                        yield event
            except errors.ChenuError as error:
                if not self._may_attach_again(error):
                    raise
                lost = error
            if not self._over():
                await self._patience.wait(lost)
        if outcome := self._outcome():
            raise outcome

    async def _attached(self) -> AsyncGenerator[event_pb2.Event]:
        follows = self._patience.has_read
        attach = self._again if follows else self._first
        left_s = self._end_s - time.monotonic()
        self._call = call = attach(self.cursor, max(0.001, left_s))
        try:
            async for answer in call:
                event = self._reader.read(answer.event)
                if event is not None:
                    self._patience.renew()
                    yield event
                if follows and self._over():
                    return
            # A watch ends well behind the final event only, also one that began there.
            self._watched = not self._raises_outcome
        except grpc.aio.AioRpcError as error:
            raise errors.from_call(error) from error
        except LogGap as gap:
            raise errors.ConnectionLost(grpc.StatusCode.DATA_LOSS, str(gap)) from gap
        finally:
            call.cancel()  # an abandoned call would go on: grpc never collects it

    def _over(self) -> bool:
        waits = self._raises_outcome and self._reader.blocked
        return waits or self._watched or self._reader.final is not None

    def _outcome(self) -> errors.ChenuError | None:
        if not self._raises_outcome:
            return None
        if self._reader.final is None:
            checkpoint = self._reader.checkpoint or event_pb2.CheckpointCreated()
            return errors.pending(self.request_id, checkpoint)
        if self._reader.final.HasField("outcome"):
            return errors.from_outcome(self._reader.final.outcome)
        return None

    def _may_attach_again(self, error: errors.ChenuError) -> bool:
        if isinstance(error, errors.ConnectionLost):
            late = error.code == grpc.StatusCode.DEADLINE_EXCEEDED
            return error.code in CUT or (late and time.monotonic() < self._end_s)
        if isinstance(error, errors.RateRefused):
            return self._patience.has_read  # before that it is the answer to the query
        return isinstance(error, errors.Unavailable | errors.SlowConsumer)


class Patience:
    """How often and how long to attach again without reading anything new."""

    def __init__(self, give_up_s: float) -> None:
        self.has_read = False
        self._longest_s = give_up_s
        self._since_s = math.inf
        self._pause_s = 0.0

    def renew(self) -> None:
        """Something new was read."""
        self.has_read = True
        self._since_s, self._pause_s = math.inf, 0.0

    async def wait(self, lost: errors.ChenuError) -> None:
        """
        Wait before the next try: not at all at first, then longer each time.

        Raises:
            ChenuError: `lost`, when there were tries enough.
        """
        now_s = time.monotonic()
        self._since_s = min(self._since_s, now_s)
        give_up_s = self._longest_s if self.has_read else min(self._longest_s, UNREAD_GIVE_UP_S)
        if now_s - self._since_s >= give_up_s:
            raise lost
        told_s = lost.retry_after.total_seconds() if lost.retry_after else 0.0
        await asyncio.sleep(max(told_s, self._pause_s * random.uniform(0.8, 1.2)))
        self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)


def _copy(cursor: event_pb2.Cursor | None) -> event_pb2.Cursor:
    copy = event_pb2.Cursor()
    if cursor is not None:
        copy.CopyFrom(cursor)
    return copy
