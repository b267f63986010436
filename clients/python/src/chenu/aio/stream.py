"""A query's log as an asynchronous iterator that survives cut connections."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self

import grpc

from chenu import errors
from chenu.aio.connection import typed
from chenu.aio.patience import Patience, is_cut
from chenu.api.pipeline.v1 import conversation_pb2, event_pb2
from chenu.log import LogGap, LogReader

HELD_S: Final = 2.0
"""A call that lasted so long was held by a server, whatever ended it."""

Attached = grpc.aio.UnaryStreamCall[Any, Any]  # its answers have an `event`
Attach = Callable[[event_pb2.Cursor, float], Attached]


class Log:
    """
    A query's events, each once and in order, whatever happens to the connection.

        async with client.pipeline.run("...") as log:
            async for event in log:
                ...
        print(log.text)

    When the connection is cut it attaches again. Iterating ends by raising the query's outcome
    unless it completed; the log of `watch` just ends.
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
        """
        Attach when it is iterated.

        `first` is how the query is brought, and ends with the outcome as its status. `again` takes
        up at a cursor what is known to be recorded.
        """
        self.request_id = request_id
        self._reader = LogReader(_copy(after))
        self._start = self._reader.cursor.sequence
        self._first, self._again = first, again
        self._end_s = time.monotonic() + timeout_s
        self._raises_outcome = raises_outcome
        self._patience = Patience(give_up_s, self._end_s)
        self._call: Attached | None = None
        self._watched = False
        self._queued = False
        self._attached_at_s = 0.0
        self._brings = raises_outcome

    @property
    def cursor(self) -> event_pb2.Cursor:
        """How far it has been read; `watch` takes up there."""
        return _copy(self._reader.cursor)

    @property
    def text(self) -> str:
        """The answer's text so far; once the query has ended, exactly what the server stored."""
        return self._reader.text

    @property
    def parts(self) -> list[conversation_pb2.Part]:
        """The answer's parts so far: texts, thoughts as text alone, and tool calls once settled."""
        return self._reader.parts

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
        # What is live only, such as a place in a queue, is not recorded: a server that never heard
        # of the query takes its id for another identity's. Only `first` may bring it then.
        recorded = self._reader.cursor.sequence > self._start
        attach = self._again if recorded else self._first
        self._brings = self._raises_outcome and attach is self._first
        self._attached_at_s = time.monotonic()
        left_s = self._end_s - self._attached_at_s
        with typed():
            self._call = call = attach(self.cursor, max(0.001, left_s))
            try:
                async for answer in call:
                    event = self._read(answer.event)
                    if event is not None:  # only what is new is progress
                        self._patience.renew()
                        yield event
                    if not self._brings and self._over():
                        return
                # A watch ends well behind the final event only, also one that began there.
                self._watched = not self._raises_outcome
            finally:
                call.cancel()  # an abandoned call would go on: grpc never collects it

    def _read(self, event: event_pb2.Event) -> event_pb2.Event | None:
        self._queued |= event.type == event_pb2.EVENT_TYPE_RATE_LIMIT_QUEUED
        try:
            return self._reader.read(event)
        except LogGap as gap:
            raise errors.ConnectionLost(grpc.StatusCode.DATA_LOSS, str(gap)) from gap

    def _over(self) -> bool:
        return self._blocked() or self._watched or self._reader.final is not None

    def _blocked(self) -> bool:
        """Whether it waits for a person; the log of what was approved shows a wait that is over."""
        return self._raises_outcome and self._first is not self._again and self._reader.blocked

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
            now_s = time.monotonic()
            if error.code == grpc.StatusCode.DEADLINE_EXCEEDED and now_s < self._end_s:
                if now_s - self._attached_at_s >= HELD_S:
                    # The time without a word begins anew, or a quiet query would be given up after
                    # the first of such calls.
                    self._patience.renew()  # it was this call's time, and the connection held
                return True
            return self._over() or is_cut(error)
        if isinstance(error, errors.RateRefused):  # unless it had its place, that is the answer
            return self._queued or (self._patience.has_heard and not self._brings)
        return isinstance(error, errors.Unavailable | errors.SlowConsumer)


def _copy(cursor: event_pb2.Cursor | None) -> event_pb2.Cursor:
    copy = event_pb2.Cursor()
    if cursor is not None:
        copy.CopyFrom(cursor)
    return copy
