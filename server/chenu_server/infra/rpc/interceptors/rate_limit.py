"""Layer 6: how many other calls an identity makes, and how many streams are open without one.

New work is counted where it is started.
"""

from __future__ import annotations

from typing import Any

from chenu_server.engine import CallBuckets, monotonic_ns
from chenu_server.errors import RateLimited
from chenu_server.infra.rpc.context import current_caller
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Method
from chenu_server.infra.rpc.open_streams import OpenStreams


class RateLimit:
    """A rate with a burst for each identity; places for streams that need no token."""

    def __init__(self, buckets: CallBuckets, open_streams: OpenStreams) -> None:
        self._buckets = buckets
        self._open_streams = open_streams

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Refuse a call that comes too soon, with the time at which it would not."""
        if method.access is None:
            return self._open_streams.around(method, proceed)
        if method.access.new_work:
            return proceed
        take = self._buckets.take

        async def limited(request: Any, context: Context) -> Any:
            wait_us = take(current_caller().identity_id, monotonic_ns() // 1_000)
            if wait_us:
                raise RateLimited(wait_us, "calls")
            return await proceed(request, context)

        return limited
