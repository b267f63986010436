"""OpenAI Chat Completions, as its author and many others serve it, over aiohttp."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
from yarl import URL

from chenu_server.providers import failures
from chenu_server.providers.body import body_bytes_max, body_of
from chenu_server.providers.call import Call
from chenu_server.providers.model import (
    ChatRequest,
    Finished,
    ProviderEvent,
    ProviderRecord,
    TextDelta,
    Usage,
)
from chenu_server.providers.sse import TextJoiner, json_object, token_count

_STOP_REASONS = {"stop": "stop", "length": "length", "content_filter": "refusal"}


class OpenAiProvider:
    """One provider that speaks Chat Completions."""

    def __init__(
        self, record: ProviderRecord, api_key: str | None, session: aiohttp.ClientSession
    ) -> None:
        self._record = record
        self._session = session
        self._url = URL(record.base_url.rstrip("/") + "/chat/completions")
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
        }
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def body_bytes(self, request: ChatRequest) -> int:
        """A little above the serialised body's bytes."""
        return body_bytes_max(request)

    @property
    def extra_tokens(self) -> int:
        """Chat templates of open models add a system preamble of up to about 80 tokens."""
        return 128

    async def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Run one request; see `ports.Provider.stream`."""
        call = Call(timeout_s=timeout_s, on_dispatch=on_dispatch)
        answer = ChatAnswer(request.model)
        try:
            await call.open(self._session, self._url, self._headers, self._body(request))
            while not answer.done:
                for data in await call.receive():
                    if text := answer.read(data):
                        yield TextDelta(text)
            yield answer.finished()
            await call.drain()
        finally:
            call.close()

    def _body(self, request: ChatRequest) -> bytes:
        messages = [{"role": message.role, "content": message.text} for message in request.messages]
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {
            "model": request.model,
            "messages": messages,
            self._record.output_cap_field: request.output_cap,
            "stream": True,
        }
        if self._record.stream_options:
            body["stream_options"] = {"include_usage": True}
        return body_of(body)


class ChatAnswer:
    """What the chunks of one answer add up to."""

    __slots__ = ("_joiner", "_model", "_stop_reason", "_usage", "done")

    def __init__(self, model: str) -> None:
        self.done = False
        self._joiner = TextJoiner()
        self._model = model
        self._stop_reason: str | None = None
        self._usage: Usage | None = None

    def read(self, data: bytes) -> str:
        """The text in one event, often none."""
        if self.done:
            return ""
        if data == b"[DONE]":
            self._end()
            return ""
        chunk = json_object(data)
        if "error" in chunk:
            raise _reported(chunk["error"])
        if isinstance(model := chunk.get("model"), str) and model:
            self._model = model[:128]
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = _usage_of(usage)
        return self._read_choice(chunk.get("choices"))

    def finished(self) -> Finished:
        """The end of an answer that is `done`."""
        return Finished(
            usage=self._usage,
            stop_reason=_STOP_REASONS.get(str(self._stop_reason), "other"),
            model=self._model,
        )

    def _read_choice(self, choices: object) -> str:
        if not choices:  # the chunk that brings the usage has none
            return ""
        choice = choices[0] if isinstance(choices, list) else None
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(delta, dict | None):
            raise failures.malformed("a chunk has no delta")
        if (reason := choice.get("finish_reason")) is not None:
            self._stop_reason = str(reason)
        text = delta.get("content") if delta else None
        if not isinstance(text, str | None):
            raise failures.malformed("a delta's content is not text")
        return self._joiner.join(text) if text else ""

    def _end(self) -> None:
        if self._stop_reason is None:
            raise failures.truncated()
        self.done = True


def _reported(error: object) -> Exception:
    named = error.get("type") if isinstance(error, dict) else None
    return failures.reported(rate_limited="rate_limit" in str(named))


def _usage_of(usage: dict[str, Any]) -> Usage:
    """Usage in classes that do not overlap.

    Some providers leave reasoning out of `completion_tokens` but bill it: then the total
    tells. What was cached is a part of `prompt_tokens`.
    """
    prompt = token_count(usage, "prompt_tokens")
    output = max(
        token_count(usage, "completion_tokens"), token_count(usage, "total_tokens") - prompt
    )
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    cache_read = token_count(details, "cached_tokens")
    cache_write = token_count(details, "cache_write_tokens")
    return Usage(
        input_tokens=max(prompt - cache_read - cache_write, 0),
        output_tokens=output,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
    )
