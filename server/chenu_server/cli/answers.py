"""An answer as people read it: its text, a line for each tool call, and its thoughts if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli.events import line, proposed
from chenu_server.cli.output import Output, note, thought

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chenu.api.pipeline.v1 import event_pb2, message_pb2, tool_call_pb2

Thoughts = Annotated[
    bool, typer.Option("--thoughts", help="Print what the model thought on standard error, too.")
]


class TellingPart:
    """The part that a log's deltas are telling; parts come one after another."""

    def __init__(self) -> None:
        self.kind = ""
        self._number = 0
        self._arguments = ""

    def take(self, delta: event_pb2.LlmCallDelta) -> None:
        """The next delta: the first one of a part says what the part is."""
        from chenu.api.pipeline.v1 import conversation_pb2
        from chenu.names import name_of

        if delta.offset == 0:
            self.kind = name_of(conversation_pb2.PartKind, delta.kind)
            self._number, self._arguments = delta.part, ""
        if self.kind == "tool_call":
            self._arguments += delta.text

    def call(self, whole: event_pb2.PartComplete) -> str:
        """The line of a call that is whole; empty for what is none, or was not told here."""
        from chenu.api.pipeline.v1 import conversation_pb2

        if whole.kind != conversation_pb2.PART_KIND_TOOL_CALL:
            return ""
        # One that is held or was refused has no arguments, and so no delta.
        is_told = self.kind == "tool_call" and self._number == whole.part
        if whole.length and not is_told:
            return ""
        return call_line(whole.name, whole.call_id, self._arguments if is_told else "")


class AnswerPrinter:
    """Prints an answer, as it comes or whole."""

    def __init__(self, output: Output, *, thoughts: bool) -> None:
        self._output = output
        self._thoughts = thoughts
        self._part = TellingPart()
        self._last = ""

    def delta(self, delta: event_pb2.LlmCallDelta) -> None:
        """A piece of text or of a thought; arguments wait for the end of their call."""
        self._part.take(delta)
        if self._part.kind == "reasoning":
            self._think(delta.text)
        elif self._part.kind != "tool_call":
            self._text(delta.text)

    def part_complete(self, whole: event_pb2.PartComplete) -> None:
        """A part is whole: a call is printed."""
        if call := self._part.call(whole):
            self._call(call)

    def whole(self, answer: message_pb2.Answer) -> None:
        """All of an answer; one that is a text alone has no parts."""
        if not answer.parts:
            self._text(answer.text)
        for part in answer.parts:
            call = part.tool_call
            if part.HasField("tool_call"):
                self._call(call_line(call.name, call.call_id, call.arguments_json))
            elif part.HasField("reasoning"):
                self._think(part.reasoning.text)
            else:
                self._text(part.text)
        self.end()
        self.proposed(answer.tool_calls)

    def proposed(self, calls: Iterable[tool_call_pb2.ProposedCall]) -> None:
        """Where the answer's calls stand, beside it: a pipe gets the answer alone."""
        for call in calls:
            note(f"proposed: {proposed(call)}")

    def end(self) -> None:
        """The last line ends."""
        # A call is a line of its own, and has ended it.
        if self._last != "call":
            self._output.text("\n")

    def _text(self, text: str) -> None:
        self._turn_to("text")
        self._output.text(text)

    def _call(self, line: str) -> None:
        if self._last == "text":
            self._output.text("\n")
        self._turn_to("call")
        self._output.line(line)

    def _think(self, text: str) -> None:
        if self._thoughts and text:
            thought(text)
            self._last = "thought"

    def _turn_to(self, kind: str) -> None:
        if self._last == "thought":
            thought("\n")
        self._last = kind


def call_line(name: str, call_id: str, arguments: str) -> str:
    """A tool call on one line, once it is made visible."""
    return f"tool call {name} {call_id}" + (f" {arguments}" if arguments else "")


class LogLines:
    """The lines of a log's events: a tool call is one, and a thought is there if it is wanted."""

    def __init__(self, *, thoughts: bool) -> None:
        self._thoughts = thoughts
        self._part = TellingPart()

    def of(self, event: event_pb2.Event) -> str:
        """An event's line; empty for one that has none of its own."""
        if event.HasField("llm_call_delta"):
            self._part.take(event.llm_call_delta)
            hidden = {"tool_call"} if self._thoughts else {"tool_call", "reasoning"}
            return "" if self._part.kind in hidden else line(event)
        call = self._part.call(event.part_complete) if event.HasField("part_complete") else ""
        return f"{line(event)}  {call}" if call else line(event)
