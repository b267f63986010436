"""Reading a query's log so that nothing is missed and nothing is repeated. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from chenu.api.pipeline.v1 import event_pb2, message_pb2


class LogGap(Exception):
    """The server skipped part of the log."""


@dataclass
class LogReader:
    """What has been read of a log: how far, and the answer's text from the first cursor on."""

    cursor: event_pb2.Cursor = field(default_factory=event_pb2.Cursor)
    final: message_pb2.Query | None = None
    checkpoint: event_pb2.CheckpointCreated | None = None
    blocked: bool = False
    _text: bytearray = field(default_factory=bytearray)
    _base: int = field(init=False)

    def __post_init__(self) -> None:
        self._base = self.cursor.offset  # where the text that this reader holds begins

    @property
    def text(self) -> str:
        """The last attempt's text that was read; cut to what the server stored once it ended."""
        return self._text.decode("utf-8", errors="ignore")

    def read(self, event: event_pb2.Event) -> event_pb2.Event | None:
        """
        The event, or what of it is new; None when all of it was read before.

        Raises:
            LogGap: There is something between the cursor and the event.
        """
        if event.WhichOneof("body") == "llm_call_delta":
            return self._delta(event)
        if event.sequence == 0:  # live only: it has no place in the log
            return event
        if event.sequence <= self.cursor.sequence:
            return None
        if event.sequence != self.cursor.sequence + 1:
            raise LogGap(f"event {event.sequence} came after {self.cursor.sequence}")
        self.cursor.sequence = event.sequence
        self._note(event)
        return event

    def _delta(self, event: event_pb2.Event) -> event_pb2.Event | None:
        delta, cursor = event.llm_call_delta, self.cursor
        if delta.attempt > cursor.attempt:
            cursor.attempt, cursor.offset, self._base = delta.attempt, 0, 0
            self._text.clear()
        if delta.attempt < cursor.attempt:
            return None
        if delta.offset > cursor.offset:
            raise LogGap(f"text at byte {delta.offset} came after {cursor.offset}")
        unread = delta.text.encode()[cursor.offset - delta.offset :]
        if not unread:
            return None
        self._text += unread
        cursor.offset += len(unread)
        return _from_byte(event, unread, cursor.offset - len(unread))

    def _note(self, event: event_pb2.Event) -> None:
        body = event.WhichOneof("body")
        if body == "checkpoint_created":
            self.checkpoint = event.checkpoint_created
        elif body in {"pipeline_blocked", "checkpoint_resolved"}:
            self.blocked = body == "pipeline_blocked"
        elif body == "pipeline_complete":
            self._end(event.pipeline_complete.query)
        elif body == "pipeline_error":
            self._end(event.pipeline_error.query)

    def _end(self, query: message_pb2.Query) -> None:
        self.final = query
        del self._text[max(0, query.output_length - self._base) :]


def _from_byte(event: event_pb2.Event, unread: bytes, offset: int) -> event_pb2.Event:
    if offset == event.llm_call_delta.offset:
        return event
    rest = event_pb2.Event()
    rest.CopyFrom(event)
    rest.llm_call_delta.offset = offset
    rest.llm_call_delta.text = unread.decode("utf-8", errors="replace")
    return rest
