"""What carries the SDK's requests: the attempt's own `Call`. Imported with the SDK."""

from __future__ import annotations

from contextvars import ContextVar

import aiohttp
import httpx2
from yarl import URL

from chenu_server.providers.call import Call


class CallTransport(httpx2.AsyncBaseTransport):
    """Sends each request through the `Call` of the current context.

    The answer's body is not handed to the SDK: the call's owner reads it.
    """

    def __init__(self, session: aiohttp.ClientSession, current: ContextVar[Call]) -> None:
        self._session = session
        self._current = current

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Open the call.

        Raises:
            ProviderFailure: There was no 200 answer.
        """
        # `request.headers` as a mapping would scan all headers again for each of them.
        headers = {name.decode(): value.decode() for name, value in request.headers.raw}
        url = URL(str(request.url), encoded=True)
        response = await self._current.get().open(self._session, url, headers, request.content)
        return httpx2.Response(response.status, request=request)
