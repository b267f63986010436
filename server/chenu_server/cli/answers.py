"""An answer as people read it: its text, a line for each tool call, and its thoughts if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli.events import line
from chenu_server.cli.output import Output, thought

if TYPE_CHECKING:
    from chenu.api.pipeline.v1 import event_pb2, message_pb2

Thoughts = Annotated[
    bool, typer.Option("--thoughts", help="Print what the model thought on standard error, too.")
]


class TellingPart:
    """The part that a log's deltas are telling; parts come one after another."""

    def __init__(self) -> None:
        self.kind = ""
        self.arguments = ""

    def take(self, delta: event_pb2.LlmCallDelta) -> None:
        """The next delta: the first one of a part says what the part is."""
        from chenu.api.pipeline.v1 import conversation_pb2
        from chenu.names import name_of

        if delta.offset == 0:
            self.kind, self.arguments = name_of(conversation_pb2.PartKind, delta.kind), ""
        if self.kind == "tool_call":
            self.arguments += delta.text


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
        if self._part.kind == "tool_call":
            self._call(whole.name, whole.call_id, self._part.arguments)

    def whole(self, answer: message_pb2.Answer) -> None:
        """All of an answer; one that is a text alone has no parts."""
        if not answer.parts:
            self._text(answer.text)
        for part in answer.parts:
            call = part.tool_call
            if part.HasField("tool_call"):
                self._call(call.name, call.call_id, call.arguments_json)
            elif part.HasField("reasoning"):
                self._think(part.reasoning.text)
            else:
                self._text(part.text)
        self.end()

    def end(self) -> None:
        """The last line ends."""
        # A call is a line of its own, and has ended it.
        if self._last != "call":
            self._output.text("\n")

    def _text(self, text: str) -> None:
        self._turn_to("text")
        self._output.text(text)

    def _call(self, name: str, call_id: str, arguments: str) -> None:
        if self._last == "text":
            self._output.text("\n")
        self._turn_to("call")
        self._output.line(call_line(name, call_id, arguments))

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
    return f"tool call {name} {call_id} {arguments}"


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
        if event.HasField("part_complete") and self._part.kind == "tool_call":
            whole = event.part_complete
            call = call_line(whole.name, whole.call_id, self._part.arguments)
            return f"{line(event)}  {call}"
        return line(event)
