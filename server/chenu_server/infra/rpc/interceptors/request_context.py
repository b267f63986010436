"""Layer 2: makes the `Call` that everything below reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from chenu_server.engine import monotonic_ns
from chenu_server.infra.rpc.context import CALL, Call
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Method

AUTHORIZATION: Final = "authorization"
IDENTITY: Final = "x-chenu-identity"
TRACEPARENT: Final = "traceparent"
_WANTED: Final = frozenset({AUTHORIZATION, IDENTITY, TRACEPARENT})


class RequestContext:
    """Notes the method, the peer, the deadline and the headers that the layers read."""

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Set the task's current call."""
        name = method.name

        async def entered(request: Any, context: Context) -> Any:
            now_ns = monotonic_ns()
            remaining_s = cast("float | None", context.time_remaining())  # None: no deadline
            call = Call(
                method=name,
                peer=context.peer(),
                headers=headers_of(context.invocation_metadata() or ()),
                started_ns=now_ns,
                deadline_ns=None if remaining_s is None else now_ns + int(remaining_s * 1e9),
            )
            CALL.set(call)
            return await proceed(request, context)

        return entered


def headers_of(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """The headers that are read. Repeated ones are joined by commas (RFC 9110 §5.3), so that two
    tokens or two identities are none, whichever of them another party would have looked at.
    """
    found: dict[str, str] = {}
    for name, value in metadata:
        if name in _WANTED:
            # A header is bytes to whoever sends it: read this way none can fail here, and what is
            # no token is refused as one.
            text = value if isinstance(value, str) else value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found
