"""OpenAI Chat Completions, as its author and many others serve it, over aiohttp."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import aiohttp
from yarl import URL

from chenu_server.providers.answer import answered
from chenu_server.providers.body import body_bytes_max, body_of
from chenu_server.providers.call import Call
from chenu_server.providers.model import ChatRequest, ProviderEvent, ProviderRecord


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
        try:
            await call.open(self._session, self._url, self._headers, self._body(request))
            async with aclosing(answered(call, self._record, request.model)) as events:
                async for event in events:
                    yield event
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
