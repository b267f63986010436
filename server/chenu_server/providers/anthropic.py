"""Anthropic Messages through the official SDK, on an aiohttp transport.

The SDK builds, versions and signs the request; its typed stream is left out (about 50 µs an
event against 5 here), the events are read from the connection itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp

from chenu_server.providers import failures
from chenu_server.providers.body import body_bytes_max, body_of
from chenu_server.providers.call import Call
from chenu_server.providers.model import (
    ChatRequest,
    Finished,
    ProviderEvent,
    ProviderFailure,
    ProviderRecord,
    TextDelta,
    Usage,
)
from chenu_server.providers.sse import TextJoiner, json_object, token_count

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}

# The SDK has no room for a word of ours beside a request, so its transport finds it here.
_current_call: ContextVar[Call] = ContextVar("current_call")


class AnthropicProvider:
    """A provider that speaks Anthropic Messages."""

    def __init__(
        self, record: ProviderRecord, api_key: str | None, session: aiohttp.ClientSession
    ) -> None:
        self._record = record
        self._api_key = api_key
        self._session = session
        self._client: AsyncAnthropic | None = None

    async def prepare(self) -> None:
        """Import the SDK, seconds long, away from the event loop. Else the first call does."""
        self._client = await asyncio.to_thread(self._new_client)

    def body_bytes(self, request: ChatRequest) -> int:
        """A little above the serialised body's bytes."""
        return body_bytes_max(request)

    @property
    def extra_tokens(self) -> int:
        """The system wrapper is a handful of tokens."""
        return 64

    async def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Run one request; see `ports.Provider.stream`."""
        call = Call(timeout_s=timeout_s, on_dispatch=on_dispatch)
        answer = MessagesAnswer(request.model)
        try:
            await self._send(request, call)
            while not answer.done:
                for data in await call.receive():
                    if text := answer.read(data):
                        yield TextDelta(text)
            yield answer.finished()
            await call.drain()
        finally:
            call.close()

    async def _send(self, request: ChatRequest, call: Call) -> None:
        from anthropic import APIConnectionError, AsyncStream

        if self._client is None:
            self._client = self._new_client()
        token = _current_call.set(call)
        try:
            await self._client.post(
                "/v1/messages",
                content=_body(request),
                cast_to=object,
                stream=True,
                stream_cls=AsyncStream[object],
            )
        except APIConnectionError as error:
            # The SDK wraps whatever its transport raises.
            if isinstance(failure := error.__cause__, ProviderFailure):
                raise failure from None
            raise
        finally:
            _current_call.reset(token)

    def _new_client(self) -> AsyncAnthropic:
        import httpx2
        from anthropic import AsyncAnthropic

        from chenu_server.providers.anthropic_transport import CallTransport

        key = self._api_key or "none"  # without any, the SDK would search the environment
        bearer = self._record.auth == "bearer"
        return AsyncAnthropic(
            api_key=None if bearer else key,
            auth_token=key if bearer else None,
            base_url=self._record.base_url,
            max_retries=0,
            open_telemetry=False,  # the lane that calls has a span of its own
            default_headers={"Accept-Encoding": "identity"},
            http_client=httpx2.AsyncClient(
                transport=CallTransport(self._session, _current_call), trust_env=False
            ),
        )


def _body(request: ChatRequest) -> bytes:
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.output_cap,
        "messages": [
            {"role": message.role, "content": message.text} for message in request.messages
        ],
        "stream": True,
    }
    if request.system:
        body["system"] = request.system
    return body_of(body)


class MessagesAnswer:
    """What the events of one answer add up to."""

    __slots__ = ("_joiner", "_model", "_stop_reason", "_usage", "done")

    def __init__(self, model: str) -> None:
        self.done = False
        self._joiner = TextJoiner()
        self._model = model
        self._stop_reason: str | None = None
        self._usage: dict[str, Any] = {}

    def read(self, data: bytes) -> str:
        """The text in one event, often none."""
        if self.done:
            return ""
        event = json_object(data)
        match event.get("type"):
            case "content_block_delta":
                return self._text(event.get("delta"))
            case "message_start":
                self._start(event.get("message"))
            case "message_delta":
                self._count(event.get("usage", {}))
                self._stop_reason = str(_object(event.get("delta")).get("stop_reason"))
            case "message_stop":
                self._end()
            case "error":
                named = _object(event.get("error")).get("type")
                raise failures.reported(rate_limited=named == "rate_limit_error")
        return ""

    def finished(self) -> Finished:
        """The end of an answer that is `done`."""
        return Finished(
            usage=self._counted(),
            stop_reason=_STOP_REASONS.get(str(self._stop_reason), "other"),
            model=self._model,
        )

    def _counted(self) -> Usage | None:
        if "input_tokens" not in self._usage or "output_tokens" not in self._usage:
            return None
        return Usage(
            input_tokens=token_count(self._usage, "input_tokens"),
            output_tokens=token_count(self._usage, "output_tokens"),
            cache_read_tokens=token_count(self._usage, "cache_read_input_tokens"),
            cache_write_tokens=token_count(self._usage, "cache_creation_input_tokens"),
        )

    def _text(self, delta: object) -> str:
        text = _object(delta).get("text", "")  # thinking and citations have none
        if not isinstance(text, str):
            raise failures.malformed("a delta's text is not text")
        return self._joiner.join(text) if text else ""

    def _start(self, message: object) -> None:
        message = _object(message)
        self._count(message.get("usage", {}))
        if isinstance(model := message.get("model"), str) and model:
            self._model = model[:128]

    def _count(self, usage: object) -> None:
        """Later counts replace earlier ones: they are cumulative. Null says nothing."""
        self._usage.update({k: v for k, v in _object(usage).items() if v is not None})

    def _end(self) -> None:
        if self._stop_reason is None:
            raise failures.malformed("the provider gave no reason to stop")
        self.done = True


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise failures.malformed("an event lacks an object that it must have")
    return value
