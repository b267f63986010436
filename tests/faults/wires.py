"""How an answer is written on each wire, event by event. Nothing of the product is used."""

from __future__ import annotations

import json
from typing import Any, Final

INPUT, OUTPUT = 11, 7


def data(value: Any, name: str = "") -> bytes:
    """One event of a stream."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()


class Chat:
    """Chat Completions."""

    provider = "faulty_chat"
    terminator = data("[DONE]")

    def begin(self, usage: Any = None) -> tuple[bytes, ...]:
        """The chunk that names the role."""
        return (self.chunk({"role": "assistant", "content": ""}),)

    def chunk(self, delta: dict[str, Any], **more: Any) -> bytes:
        """One chunk of choice 0."""
        choice = {"index": 0, "delta": delta, "finish_reason": more.pop("reason", None)}
        return data({"id": "c", "model": "m1", "choices": [choice], **more})

    def say(self, text: str) -> bytes:
        """A piece of text."""
        return self.chunk({"content": text})

    def think(self, text: str) -> bytes:
        """A piece of a thought."""
        return self.chunk({"reasoning_content": text})

    def call(self, place: int, name: str, *arguments: str) -> tuple[bytes, ...]:
        """A call whose first piece has its id and name."""
        first = {"index": place, "id": f"call-{place}", "type": "function"}
        pieces = [{**first, "function": {"name": name, "arguments": ""}}]
        pieces += [{"index": place, "function": {"arguments": piece}} for piece in arguments]
        return tuple(self.chunk({"tool_calls": [piece]}) for piece in pieces)

    def counted(self, usage: Any) -> bytes:
        """The chunk without a choice that tells the usage."""
        return data({"id": "c", "model": "m1", "choices": [], "usage": usage})

    def stop(self, reason: str = "stop", usage: Any = ...) -> tuple[bytes, ...]:
        """The chunk with the reason, and the one with the counts; None: without them."""
        if usage is ...:
            usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT}
            usage["total_tokens"] = INPUT + OUTPUT
        last = self.chunk({}, reason=reason)
        return (last,) if usage is None else (last, self.counted(usage))

    def error(self, kind: str) -> bytes:
        """An event that is an error object."""
        return data({"error": {"type": kind, "message": "it went wrong"}})

    def refusal(self, kind: str, message: str = "no") -> bytes:
        """The body of a refusal."""
        return json.dumps({"error": {"type": kind, "message": message}}).encode()

    def whole(self, text: str) -> bytes:
        """A completion."""
        choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT}
        return json.dumps({"model": "m1", "choices": [choice], "usage": usage}).encode()


_REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class Messages:
    """Anthropic Messages."""

    provider = "faulty_messages"
    terminator = data({"type": "message_stop"}, "message_stop")

    def begin(self, usage: Any = ...) -> tuple[bytes, ...]:
        """`message_start` with the input's count, and the first block."""
        if usage is ...:
            usage = {"input_tokens": INPUT, "output_tokens": 1}
        message = {"id": "m", "model": "m1", "content": [], "usage": usage}
        block = {"type": "text", "text": ""}
        return (
            self.event("message_start", message=message),
            self.event("content_block_start", index=0, content_block=block),
        )

    def event(self, kind: str, **fields: Any) -> bytes:
        """An event by its type."""
        return data({"type": kind, **fields}, kind)

    def say(self, text: str) -> bytes:
        """A piece of text."""
        delta = {"type": "text_delta", "text": text}
        return self.event("content_block_delta", index=0, delta=delta)

    def think(self, text: str) -> bytes:
        """A piece of a thought."""
        delta = {"type": "thinking_delta", "thinking": text}
        return self.event("content_block_delta", index=9, delta=delta)

    def call(self, place: int, name: str, *arguments: str) -> tuple[bytes, ...]:
        """A block of its own; places are counted behind the text's."""
        index = place + 1
        block = {"type": "tool_use", "id": f"call-{place}", "name": name, "input": {}}
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in arguments]
        return (
            self.event("content_block_start", index=index, content_block=block),
            *(self.event("content_block_delta", index=index, delta=each) for each in pieces),
            self.event("content_block_stop", index=index),
        )

    def stop(self, reason: str = "stop", usage: Any = ...) -> tuple[bytes, ...]:
        """`message_delta` with the reason and the output's count."""
        told = {"output_tokens": OUTPUT} if usage is ... else usage
        delta = {"stop_reason": _REASONS.get(reason, reason)}
        return (self.event("message_delta", delta=delta, usage=told),)

    def error(self, kind: str) -> bytes:
        """The error event."""
        return self.event("error", error={"type": kind, "message": "it went wrong"})

    def refusal(self, kind: str, message: str = "no") -> bytes:
        """The body of a refusal."""
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()

    def whole(self, text: str) -> bytes:
        """A message."""
        content = [{"type": "text", "text": text}]
        usage = {"input_tokens": INPUT, "output_tokens": OUTPUT}
        body = {"type": "message", "model": "m1", "content": content, "usage": usage}
        return json.dumps({**body, "stop_reason": "end_turn"}).encode()


CHAT, MESSAGES = Chat(), Messages()
WIRES: tuple[Chat | Messages, ...] = (CHAT, MESSAGES)
