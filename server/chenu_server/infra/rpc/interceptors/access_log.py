"""Layer 8: one line per call: what, who, how it ended, how long it took. Never what it said."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from chenu_server.engine import monotonic_ns
from chenu_server.errors import ChenuError
from chenu_server.infra.rpc.context import CALL, Call
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Method

log = structlog.get_logger(__name__)


class AccessLog:
    """Logs governed calls; probes of health would drown them."""

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Log how `proceed` ended."""
        if method.access is None:
            return proceed

        async def logged(request: Any, context: Context) -> Any:
            # What is raised and is neither a refusal nor a cancel is a bug, and is answered so
            # further out.
            outcome = "INTERNAL"
            try:
                response = await proceed(request, context)
                outcome = "OK"
            except ChenuError as error:
                outcome = error.reason.value
                raise
            except asyncio.CancelledError:
                outcome = "CANCELLED"
                raise
            finally:
                log_call(CALL.get(), outcome)
            return response

        return logged


def log_call(call: Call, outcome: str) -> None:
    """One line for one call; the log adds its method and trace."""
    # The outermost layer writes the line of a call that was refused before it came this far.
    call.logged = True
    caller = call.caller
    log.info(
        "call",
        outcome=outcome,
        duration_us=(monotonic_ns() - call.started_ns) // 1_000,
        identity=caller.identity_id if caller else "",
        principal=str(caller.principal) if caller else "",
        peer=call.peer,
    )
