"""What carries the SDK's requests: the attempt's own `Call`. Imported with the SDK."""

from __future__ import annotations

from contextvars import ContextVar

import httpx2

from chenu_server.engine import Destination, Upstream
from chenu_server.providers.call import Call


class CallTransport(httpx2.AsyncBaseTransport):
    """Sends each request through the `Call` of the current context.

    The answer is not handed to the SDK, which is told at once that there is one: the call's owner
    reads it, be it a refusal.
    """

    def __init__(self, session: Upstream, current: ContextVar[Call]) -> None:
        self._session = session
        self._current = current

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Have the call sent."""
        # `request.headers` as a mapping would scan all headers again for each of them.
        headers = {name.decode(): value.decode() for name, value in request.headers.raw}
        to = Destination(str(request.url), list(headers.items()))
        self._current.get().send(self._session, to, request.content)
        # Of any other status the SDK would read the body, which is the call's to read.
        return httpx2.Response(200, request=request)
