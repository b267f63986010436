"""Layer 3: the call's place in its trace (W3C Trace Context), which every log line carries."""

from __future__ import annotations

import re
from random import getrandbits
from typing import Any, Final

from chenu_server.infra.rpc.context import CALL
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.interceptors.request_context import TRACEPARENT
from chenu_server.infra.rpc.methods import Method

_TRACEPARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.DOTALL
)


class Tracing:
    """Continues the caller's trace, or starts one."""

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Give the call a trace and a span of its own."""

        async def traced(request: Any, context: Context) -> Any:
            call = CALL.get()
            # All zeros are no id.
            call.trace_id = (
                trace_of(call.headers.get(TRACEPARENT)) or f"{getrandbits(128) or 1:032x}"
            )
            # Not from the system's source, each read of which gives the interpreter away: an id of
            # a trace is nothing that must not be guessed.
            call.span_id = f"{getrandbits(64) or 1:016x}"
            return await proceed(request, context)

        return traced


def trace_of(traceparent: str | None) -> str:
    """The trace id in a `traceparent` header; empty if there is none or it is malformed."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return ""
    version, trace_id, parent_id, more = match.groups()
    # Version ff is none, 00 ends after the flags, later ones may go on; ids are not all zero.
    valid = version != "ff" and not (version == "00" and more)
    return trace_id if valid and trace_id.strip("0") and parent_id.strip("0") else ""
