"""Layer 1: a refusal becomes one status, anything else INTERNAL with its stack in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import structlog

from chenu_server.errors import ChenuError, Internal
from chenu_server.infra.rpc.context import CALL
from chenu_server.infra.rpc.errors import to_status
from chenu_server.infra.rpc.interceptors.access_log import log_call
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Method

log = structlog.get_logger(__name__)


class ErrorMapping:
    """The outermost layer, so that what any other layer raises reaches the caller as a status.

    `now_us` is the batches' time, in which refusals tell theirs.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Answer what `proceed` raises. A cancelled call stays cancelled."""

        async def mapped(request: Any, context: Context) -> Any:
            try:
                return await proceed(request, context)
            except ChenuError as error:
                # Nothing of the error is kept: its stack holds the request, and a name for it here
                # would be a cycle, which stays in memory until garbage is collected.
                reason, status = _answer_to(error, context, self._now_us())
            except grpc.aio.BaseError:  # the transport's own: aborted already, or nobody listens
                raise
            except Exception:
                log.exception("unexpected_error", method=method.name)
                reason, status = _answer_to(Internal(), context, self._now_us())
            try:
                await context.abort_with_status(status)
            except grpc.aio.InternalError:  # the caller left without its status
                log.debug("status_not_taken", method=method.name, reason=reason)
            return None  # gRPC knows that the call is aborted

        return mapped


def _answer_to(refusal: ChenuError, context: Context, now_us: int) -> tuple[str, grpc.Status]:
    """Its reason and status. By a layer outside the access log, it stands in it all the same."""
    reason, call = refusal.reason.value, CALL.get(None)
    if call is not None and not call.logged:
        log_call(call, reason)
    return reason, to_status(refusal, now_us, context.time_remaining())
