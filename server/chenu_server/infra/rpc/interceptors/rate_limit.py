"""Layer 6: how many other calls an identity makes. New work is counted where it is started."""

from __future__ import annotations

from typing import Any

from chenu_server.engine import CallBuckets, monotonic_ns
from chenu_server.errors import RateLimited
from chenu_server.infra.rpc.context import current_caller
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Method


class RateLimit:
    """A rate with a burst for each identity."""

    def __init__(self, buckets: CallBuckets) -> None:
        self._buckets = buckets

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Refuse a call that comes too soon, with the time at which it would not."""
        if method.access is None or method.access.new_work:
            return proceed
        take = self._buckets.take

        async def limited(request: Any, context: Context) -> Any:
            wait_us = take(current_caller().identity_id, monotonic_ns() // 1_000)
            if wait_us:
                raise RateLimited(wait_us, "calls")
            return await proceed(request, context)

        return limited
