"""Anthropic Messages through the official SDK, on a transport of ours.

The SDK builds, versions and signs the request; its typed stream is left out (about 50 µs an
event against 5 here), the events are read from the connection itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from chenu_server.engine import Upstream
from chenu_server.providers.answer import answered
from chenu_server.providers.bodies import body_of
from chenu_server.providers.call import Call
from chenu_server.providers.model import ChatRequest, ProviderEvent, ProviderRecord

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

# The SDK has no room for a word of ours beside a request, so its transport finds it here.
_current_call: ContextVar[Call] = ContextVar("current_call")


class AnthropicProvider:
    """A provider that speaks Anthropic Messages."""

    def __init__(self, record: ProviderRecord, api_key: str | None, session: Upstream) -> None:
        self._record = record
        self._api_key = api_key
        self._session = session
        self._client: AsyncAnthropic | None = None

    async def prepare(self) -> None:
        """Import the SDK, seconds long, away from the event loop. Else the first call does."""
        if self._client is None:
            self._client = await asyncio.to_thread(self._new_client)

    def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[int], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Run one request; see `ports.Provider.stream`."""
        call = Call(self._record, request, timeout_s=timeout_s, on_dispatch=on_dispatch)
        return answered(call, lambda: self._send(request, call))

    async def _send(self, request: ChatRequest, call: Call) -> None:
        from anthropic import AsyncStream

        if self._client is None:
            self._client = self._new_client()
        # This wire tells its usage unasked.
        body = await body_of(request, self._record, stream_options=False)
        token = _current_call.set(call)
        try:
            await self._client.post(
                "/v1/messages",
                content=body,
                cast_to=object,
                stream=True,
                stream_cls=AsyncStream[object],
            )
        finally:
            _current_call.reset(token)

    def _new_client(self) -> AsyncAnthropic:
        import httpx2
        from anthropic import AsyncAnthropic

        from chenu_server.providers.anthropic_transport import CallTransport

        return AsyncAnthropic(
            auth_token=self._api_key or "none",  # without any, the SDK would search the environment
            base_url=self._record.base_url,
            # What is sent again could be billed twice, and what follows a failure is the lane's to
            # decide.
            max_retries=0,
            open_telemetry=False,  # the lane that calls has a span of its own
            default_headers=self._headers(),
            default_query=dict(self._record.query),
            # Where the key goes is said by the settings alone, and by no proxy of the environment.
            http_client=httpx2.AsyncClient(
                transport=CallTransport(self._session, _current_call), trust_env=False
            ),
        )

    def _headers(self) -> dict[str, str]:
        """What is sent with each call; the SDK itself sends a key as bearer."""
        from anthropic import Omit

        # Compressed, pieces of an answer would wait in a buffer at the other end.
        headers: dict[str, Any] = {**dict(self._record.headers), "Accept-Encoding": "identity"}
        if self._api_key is None or self._record.auth == "x-api-key":
            headers["Authorization"] = Omit()
        if self._api_key is not None and self._record.auth == "x-api-key":
            headers["X-Api-Key"] = self._api_key
        return headers
