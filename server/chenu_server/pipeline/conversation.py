"""What a model is asked: turns of parts, tools, and how it should answer. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final

from chenu_server.values import dataclass, field, replace
from chenu_server.vocabulary import MessageRole, PartKind, ToolEffect

TEXT_MAX: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """The file of an image or a document: here, named by its SHA-256, or at an address elsewhere.

    `width` and `height` are an image's, in pixels. `data` are its bytes, which only those hold who
    ask the model; all others know the file by its digest.
    """

    media_type: str = ""
    url: str = ""
    sha256: str = ""  # in hex
    size: int = 0
    width: int = 0
    height: int = 0
    data: bytes | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a message. `text` is all of it that a person reads.

    It is the text, the arguments of a call as JSON, what came of a call, the thought, or the name
    of a document. A call and its result share `call_id`; `name` is the tool's. `signature` and
    `redacted` are what a provider wants back with a thought.
    """

    kind: PartKind
    text: str
    call_id: str = ""
    name: str = ""
    is_error: bool = False
    signature: str = ""
    redacted: str = ""
    cached: bool = False
    media: Medium | None = None  # of an image or a document


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn."""

    role: MessageRole
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What the model may propose to call; `parameters` is a JSON schema, or empty."""

    name: str
    effect: ToolEffect
    description: str = ""
    parameters: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """Whether tools are called. `parallel` is None where the provider decides."""

    choice: str = "auto"  # auto, none, required or named
    tool: str = ""
    parallel: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the model picks its words; None is the provider's default."""

    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFormat:
    """What the answer's text must be: `text`, `json`, or `json_schema` with a schema."""

    kind: str = "text"
    name: str = ""
    schema: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """How long the model may think; empty and 0 are the provider's defaults."""

    effort: str = ""
    budget_tokens: int = 0


# Most queries say nothing of these: they share one of each, which `is` tells from all others.
ANY_TOOL_USE: Final = ToolUse()
ANY_SAMPLING: Final = Sampling()
ANY_TEXT: Final = ResponseFormat()
ANY_THINKING: Final = Thinking()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All that a model is asked, and how it should answer."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    tool_use: ToolUse = ANY_TOOL_USE
    sampling: Sampling = ANY_SAMPLING
    response_format: ResponseFormat = ANY_TEXT
    thinking: Thinking = ANY_THINKING

    @property
    def texts(self) -> Iterator[str]:
        """The text of every part, in order."""
        return (part.text for message in self.messages for part in message.parts)

    @property
    def readings(self) -> list[str]:
        """Every text, and those that one speaks in one go as a model reads them: joined.

        What is split over parts, or over turns that nobody answered, is one text to a model.
        """
        if len(self.messages) == 1 and len(self.messages[0].parts) == 1:
            return [text for text in self.texts if text]  # as nearly every query is
        runs = [
            [part.text for message in spoken for part in message.parts if part.text]
            for _, spoken in groupby(self.messages, key=lambda message: message.role)
        ]
        joined = ["".join(run) for run in runs if len(run) > 1]
        return [*(text for run in runs for text in run), *joined]

    @property
    def files(self) -> list[Medium]:
        """The files that came with it, each once."""
        found: dict[str, Medium] = {}
        for message in self.messages:
            for part in message.parts:
                # One at an address has no digest, for nothing of it is here.
                if part.media is not None and part.media.sha256:
                    found[part.media.sha256] = part.media
        return list(found.values())

    def with_data(self, data: Mapping[str, bytes]) -> Conversation:
        """The same with the bytes of its files, by their SHA-256."""
        return replace(
            self,
            messages=tuple(
                ChatMessage(message.role, tuple(_filled(part, data) for part in message.parts))
                for message in self.messages
            ),
        )

    @property
    def last_text(self) -> str:
        """What was said last, which is what is asked."""
        for message in reversed(self.messages):
            for part in reversed(message.parts):
                if part.text:
                    return part.text
        return ""


def _filled(part: Part, data: Mapping[str, bytes]) -> Part:
    if part.media is None or not part.media.sha256:
        return part
    return replace(part, media=replace(part.media, data=data[part.media.sha256]))


def text_part(text: str) -> Part:
    """A part that is plain text."""
    return Part(kind=PartKind.TEXT, text=text)


def asked(text: str) -> Conversation:
    """The conversation that one text is short for."""
    return Conversation(messages=asked_messages(text))


def asked_messages(text: str) -> tuple[ChatMessage, ...]:
    """The turns that one text is short for."""
    return (ChatMessage(MessageRole.USER, (text_part(text),)),)
