"""Both wires from the provider's side: what a request asks, how an answer is written."""

from __future__ import annotations

import json
from typing import Any, Protocol

from chenu_server.upstream.record import Tokens
from chenu_server.values import dataclass

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request asks for."""

    model: str
    prompt: str
    output_cap: int
    streaming: bool
    wants_usage: bool
    file_chars: int  # of images and documents, in base64


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it gets. `tokens` is None when the answer keeps them to itself."""

    name: str
    model: str
    pieces: tuple[str, ...]
    calls: tuple[tuple[str, str], ...]  # names, and arguments as JSON
    finished: bool  # False: stopped at the cap
    tokens: Tokens | None


class Wire(Protocol):
    """One wire."""

    def key_of(self, headers: dict[str, str]) -> str:
        """The caller's key, or nothing."""
        ...

    def ask_of(self, provider: str, body: dict[str, Any]) -> Ask:
        """What a body asks for (ValueError: what is wrong with it)."""
        ...

    def begin(self, answer: Answer) -> bytes:
        """The events before the first delta."""
        ...

    def delta(self, answer: Answer, text: str) -> bytes:
        """The event of one delta."""
        ...

    def end(self, answer: Answer) -> bytes:
        """The events after the last delta, but for the terminator."""
        ...

    @property
    def terminator(self) -> bytes:
        """The event that ends a stream."""
        ...

    def whole(self, answer: Answer) -> bytes:
        """The answer of a request that does not stream."""
        ...

    def error(self, kind: str, message: str) -> bytes:
        """The body of a refusal."""
        ...

    def error_event(self) -> bytes:
        """The event of an error inside a stream."""
        ...


class AnthropicMessages:
    """`POST /v1/messages`."""

    terminator = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def key_of(self, headers: dict[str, str]) -> str:
        """`x-api-key`, or a bearer token."""
        return headers.get("x-api-key") or headers.get("authorization", "")[7:]

    def ask_of(self, provider: str, body: dict[str, Any]) -> Ask:
        """A body as the Messages API has it."""
        return Ask(
            model=_text(body, "model"),
            prompt=_prompt(body),
            output_cap=_positive(body, "max_tokens"),
            streaming=bool(body.get("stream")),
            # This wire tells it unasked.
            wants_usage=True,
            file_chars=_file_chars(body),
        )

    def begin(self, answer: Answer) -> bytes:
        """`message_start` with the input's count, then the block and a ping."""
        message = {**self._message(answer, content=[]), "stop_reason": None}
        if answer.tokens is None:
            message.pop("usage")
        else:
            # As the real one begins: the whole count comes only at the end.
            message["usage"]["output_tokens"] = 1
        return (
            _event("message_start", {"message": message})
            + _event("content_block_start", {"index": 0, "content_block": _block("")})
            # Real streams have it: it says nothing, and a gateway must take it for no sign of life.
            + _event("ping", {})
        )

    def delta(self, answer: Answer, text: str) -> bytes:
        """`content_block_delta`."""
        return _event(
            "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}}
        )

    def end(self, answer: Answer) -> bytes:
        """`message_delta` with the output's count."""
        delta = {"delta": {"stop_reason": self._reason(answer), "stop_sequence": None}}
        tokens = answer.tokens
        usage = {"usage": {"output_tokens": tokens.output} if tokens else {}}
        written = _event("content_block_stop", {"index": 0})
        for index, (name, arguments) in enumerate(answer.calls, 1):
            block = {**_tool_use(answer, index, name), "input": {}}
            piece = {"type": "input_json_delta", "partial_json": arguments}
            written += _event("content_block_start", {"index": index, "content_block": block})
            written += _event("content_block_delta", {"index": index, "delta": piece})
            written += _event("content_block_stop", {"index": index})
        return written + _event("message_delta", delta | usage)

    def whole(self, answer: Answer) -> bytes:
        """A message."""
        calls = (
            {**_tool_use(answer, index, name), "input": json.loads(arguments)}
            for index, (name, arguments) in enumerate(answer.calls, 1)
        )
        content = [_block("".join(answer.pieces)), *calls]
        return _dumps(self._message(answer, content)).encode()

    def error(self, kind: str, message: str) -> bytes:
        """The wire's error object."""
        return _dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()

    def error_event(self) -> bytes:
        """Overloaded, as it happens in mid-stream."""
        return _event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})

    def _message(self, answer: Answer, content: list[dict[str, Any]]) -> dict[str, Any]:
        tokens = answer.tokens
        return {
            "id": f"msg_{answer.name}",
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
            "stop_reason": self._reason(answer),
            "stop_sequence": None,
            "usage": {
                "input_tokens": tokens.input,
                "cache_read_input_tokens": tokens.cache_read,
                "cache_creation_input_tokens": tokens.cache_write + tokens.cache_write_hour,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": tokens.cache_write,
                    "ephemeral_1h_input_tokens": tokens.cache_write_hour,
                },
                "output_tokens": tokens.output,
            }
            if tokens
            else {},
        }

    def _reason(self, answer: Answer) -> str:
        if not answer.finished:
            return "max_tokens"
        return "tool_use" if answer.calls else "end_turn"


class OpenAiChat:
    """`POST /v1/chat/completions`."""

    terminator = b"data: [DONE]\n\n"

    def key_of(self, headers: dict[str, str]) -> str:
        """The bearer token, or one of the headers that stand for it."""
        named = headers.get("api-key") or headers.get("x-api-key")
        return named or headers.get("authorization", "")[7:]

    def ask_of(self, provider: str, body: dict[str, Any]) -> Ask:
        """A body as Chat Completions has it; OpenAI itself refuses the old cap's name."""
        if provider == "openai" and "max_tokens" in body:
            raise ValueError("Unsupported parameter: use 'max_completion_tokens' instead")
        cap = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
        options = body.get("stream_options") or {}
        return Ask(
            model=_text(body, "model"),
            prompt=_prompt(body),
            output_cap=_positive(body, cap),
            streaming=bool(body.get("stream")),
            wants_usage=bool(options.get("include_usage")),
            file_chars=_file_chars(body),
        )

    def begin(self, answer: Answer) -> bytes:
        """The chunk that names the role."""
        return self._chunk(answer, {"role": "assistant", "content": ""}, None)

    def delta(self, answer: Answer, text: str) -> bytes:
        """A chunk with text."""
        return self._chunk(answer, {"content": text}, None)

    def end(self, answer: Answer) -> bytes:
        """The chunk with the reason to stop, and the one with the usage."""
        last = self._chunk(answer, {}, self._reason(answer))
        if answer.calls:
            last = self._chunk(answer, {"tool_calls": _function_calls(answer)}, None) + last
        if answer.tokens is None:
            return last
        chunk = {**self._frame(answer), "choices": [], "usage": _usage(answer.tokens)}
        return last + _data(chunk)

    def whole(self, answer: Answer) -> bytes:
        """A completion."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.pieces)}
        if answer.calls:
            message["tool_calls"] = _function_calls(answer)
        choice = {"index": 0, "message": message, "finish_reason": self._reason(answer)}
        usage = {"usage": _usage(answer.tokens)} if answer.tokens else {}
        frame = {**self._frame(answer), "object": "chat.completion", "choices": [choice]}
        return _dumps(frame | usage).encode()

    def error(self, kind: str, message: str) -> bytes:
        """The wire's error object."""
        return _dumps({"error": {"type": kind, "message": message, "code": None}}).encode()

    def error_event(self) -> bytes:
        """A server error, as it happens in mid-stream."""
        return _data({"error": {"type": "server_error", "message": "The server had an error"}})

    def _chunk(self, answer: Answer, delta: dict[str, Any], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _data({**self._frame(answer), "choices": [choice]})

    def _frame(self, answer: Answer) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{answer.name}",
            "object": "chat.completion.chunk",
            # Always the same, so that the same request has the same answer.
            "created": 1_700_000_000,
            "model": answer.model,
        }

    def _reason(self, answer: Answer) -> str:
        if not answer.finished:
            return "length"
        return "tool_calls" if answer.calls else "stop"


def _tool_use(answer: Answer, index: int, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{answer.name}_{index}", "name": name}


def _function_calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call_{answer.name}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for index, (name, arguments) in enumerate(answer.calls)
    ]


def _usage(tokens: Tokens) -> dict[str, Any]:
    written = tokens.cache_write + tokens.cache_write_hour
    # On this wire the prompt's count holds what was cached.
    prompt = tokens.input + tokens.cache_read + written
    details = {"cached_tokens": tokens.cache_read, "cache_write_tokens": written}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": tokens.output,
        "total_tokens": prompt + tokens.output,
        "prompt_tokens_details": details,
    }


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {_dumps({'type': name, **fields})}\n\n".encode()


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {_dumps(value)}\n\n".encode()


def _block(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: a text is required")
    return value


def _positive(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if type(value) is not int or value < 1:
        raise ValueError(f"{name}: a positive integer is required")
    return value


def _prompt(body: dict[str, Any]) -> str:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages: at least one is required")
    last = messages[-1]
    text = _said(last.get("content") if isinstance(last, dict) else None)
    if text is None:
        raise ValueError("messages: the last one has no text")
    return text


def _said(content: object) -> str | None:
    """A content's text, or that of its blocks and of the results in them."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    blocks = [block for block in content if isinstance(block, dict)]
    said = [block.get("text") or _said(block.get("content")) for block in blocks]
    texts = [text for text in said if isinstance(text, str)]
    return "".join(texts) if texts or any(map(_file_of, blocks)) else None


def _file_chars(body: dict[str, Any]) -> int:
    """How much of a body is files in base64."""
    contents = [each.get("content") for each in body["messages"] if isinstance(each, dict)]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return sum(len(_file_of(block)) for block in blocks if isinstance(block, dict))


def _file_of(block: dict[str, Any]) -> str:
    """The base64 of a block's file, or its address; empty if it has none."""
    for kind, name in (
        ("source", "data"),
        ("source", "url"),
        ("image_url", "url"),
        ("file", "file_data"),
    ):
        place = block.get(kind)
        if isinstance(place, dict) and isinstance(found := place.get(name), str):
            return found
    return ""
