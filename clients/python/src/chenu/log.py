"""Reading a query's log so that nothing is missed and nothing is repeated. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from chenu.api.pipeline.v1 import conversation_pb2, event_pb2, message_pb2

_TEXT: Final = conversation_pb2.PART_KIND_TEXT
_CALL: Final = conversation_pb2.PART_KIND_TOOL_CALL
_REASONING: Final = conversation_pb2.PART_KIND_REASONING


class LogGap(Exception):
    """The server skipped part of the log."""


@dataclass
class _Read:
    """What was read of a part, from byte `base` on."""

    base: int = 0
    kind: int = conversation_pb2.PART_KIND_UNSPECIFIED
    name: str = ""
    call_id: str = ""
    held: bytearray = field(default_factory=bytearray)

    @property
    def end(self) -> int:
        return self.base + len(self.held)

    @property
    def text(self) -> str:
        return self.held.decode("utf-8", errors="ignore")

    def part(self) -> conversation_pb2.Part:
        """The part as far as it was read."""
        if self.kind == _CALL:
            call = conversation_pb2.ToolCall(
                call_id=self.call_id, name=self.name, arguments_json=self.text
            )
            return conversation_pb2.Part(tool_call=call)
        if self.kind == _REASONING:
            return conversation_pb2.Part(reasoning=conversation_pb2.Reasoning(text=self.text))
        return conversation_pb2.Part(text=self.text)


@dataclass
class LogReader:
    """What has been read of a log: how far, and the answer's parts from the first cursor on."""

    cursor: event_pb2.Cursor = field(default_factory=event_pb2.Cursor)
    final: message_pb2.Query | None = None
    checkpoint: event_pb2.CheckpointCreated | None = None
    blocked: bool = False
    _parts: dict[int, _Read] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parts[self.cursor.part] = _Read(base=self.cursor.offset)

    @property
    def text(self) -> str:
        """The last attempt's text that was read; cut to what the server stored once it ended."""
        # A server from before parts tells no kind; all that it sends is text, and part 0.
        read = (self._parts[number] for number in sorted(self._parts) if self._is_text(number))
        return "".join(each.text for each in read)

    @property
    def parts(self) -> list[conversation_pb2.Part]:
        """The last attempt's parts that were read, in order; cut once it ended, like the text.

        A thought has its text alone: what proves it to its provider stands in an answer only.
        """
        read = (self._parts[number] for number in sorted(self._parts))
        return [each.part() for each in read if each.held or each.kind == _CALL]

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
            cursor.attempt = delta.attempt
            # Only one attempt's words are the answer: what a failed one had said is no part of it.
            self._parts.clear()
        if delta.attempt < cursor.attempt:
            return None
        part = self._parts.setdefault(delta.part, _Read())
        start = part.end
        if delta.offset > start:
            raise LogGap(f"text at byte {delta.offset} came after {start}")
        if delta.offset == 0:
            part.kind, part.name, part.call_id = delta.kind, delta.name, delta.call_id
        # After a new attachment the server may begin before the place that was read: offsets are
        # bytes, as in a cursor.
        unread = delta.text.encode()[start - delta.offset :]
        if not unread:
            return None
        part.held += unread
        cursor.part, cursor.offset = delta.part, part.end
        return _from_byte(event, unread, start)

    def _note(self, event: event_pb2.Event) -> None:
        body = event.WhichOneof("body")
        if body == "checkpoint_created":
            self.checkpoint = event.checkpoint_created
        elif body in {"pipeline_blocked", "checkpoint_resolved"}:
            self.blocked = body == "pipeline_blocked"
        elif body == "part_complete":
            self._whole(event.part_complete)
        elif body == "pipeline_complete":
            self._end(event.pipeline_complete.query)
        elif body == "pipeline_error":
            self._end(event.pipeline_error.query)

    def _whole(self, whole: event_pb2.PartComplete) -> None:
        # A part without any bytes had no delta that could tell of its attempt.
        if whole.attempt == self.cursor.attempt or not whole.length:
            part = self._parts.setdefault(whole.part, _Read())
            part.kind, part.name, part.call_id = whole.kind, whole.name, whole.call_id

    def _end(self, query: message_pb2.Query) -> None:
        self.final = query
        stored = {each.part: each for each in query.output_parts}
        if not stored:  # nothing, or a server from before parts
            stored[0] = message_pb2.OutputPart(kind=_TEXT, length=query.output_length)
        for number, part in list(self._parts.items()):
            if number not in stored:
                del self._parts[number]
                continue
            part.kind = stored[number].kind
            # What was said live and then not recorded is no answer, and nobody else will ever read
            # it.
            del part.held[max(0, stored[number].length - part.base) :]

    def _is_text(self, number: int) -> bool:
        kind = self._parts[number].kind
        return kind == _TEXT or (number == 0 and not kind)


def _from_byte(event: event_pb2.Event, unread: bytes, offset: int) -> event_pb2.Event:
    if offset == event.llm_call_delta.offset:
        return event
    rest = event_pb2.Event()
    rest.CopyFrom(event)
    delta = rest.llm_call_delta
    delta.offset = offset
    delta.text = unread.decode("utf-8", errors="replace")
    for told_at_the_start in ("kind", "name", "call_id"):
        delta.ClearField(told_at_the_start)
    return rest
