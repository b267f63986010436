"""OpenAI Chat Completions, as its author and many others serve it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import cached_property

from yarl import URL

from chenu_server.engine import Destination, Upstream
from chenu_server.providers.answer import answered
from chenu_server.providers.bodies import body_of
from chenu_server.providers.call import Call
from chenu_server.providers.keys import key_header
from chenu_server.providers.model import ChatRequest, ProviderEvent, ProviderRecord


class OpenAiProvider:
    """One provider that speaks Chat Completions."""

    def __init__(self, record: ProviderRecord, api_key: str | None, session: Upstream) -> None:
        self._record = record
        self._session = session
        address = URL(record.base_url.rstrip("/") + "/chat/completions")
        self._url = str(address.with_query(dict(record.query)) if record.query else address)
        self._headers = {
            **dict(record.headers),
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # Compressed, pieces of an answer would wait in a buffer until there are enough of them,
            # and a few bytes could grow into very many.
            "Accept-Encoding": "identity",
            **key_header(record.auth, api_key),
        }

    def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[int], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Run one request; see `ports.Provider.stream`."""
        call = Call(self._record, request, timeout_s=timeout_s, on_dispatch=on_dispatch)
        return answered(call, lambda: self._send(request, call))

    async def _send(self, request: ChatRequest, call: Call) -> None:
        asks = self._record.stream_options
        body = await body_of(request, self._record, stream_options=asks)
        call.send(self._session, self._destination, body)

    @cached_property
    def _destination(self) -> Destination:
        # Made with the first call, for it fails where the record has what cannot be sent: that is
        # a call's failure, and no reason for the server not to start.
        return Destination(self._url, list(self._headers.items()))
