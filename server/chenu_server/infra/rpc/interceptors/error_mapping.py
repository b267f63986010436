"""Layer 1: a refusal becomes one status, anything else INTERNAL with its stack in the log."""

from __future__ import annotations

from typing import Any

import grpc
import structlog

from chenu_server.errors import ChenuError, InternalError
from chenu_server.infra.rpc.context import CALL
from chenu_server.infra.rpc.errors import reason_of, to_status
from chenu_server.infra.rpc.interceptors.access_log import log_call
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Method

log = structlog.get_logger(__name__)


class ErrorMapping:
    """The outermost layer, so that what any other layer raises reaches the caller as a status."""

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Answer what `proceed` raises. A cancelled call stays cancelled."""

        async def mapped(request: Any, context: Context) -> Any:
            try:
                return await proceed(request, context)
            except ChenuError as error:
                refusal = error
            except grpc.aio.BaseError:  # the transport's own: aborted already, or nobody listens
                raise
            except Exception:
                log.exception("unexpected_error", method=method.name)
                refusal = InternalError()
            _log_if_not_logged(refusal)
            try:
                await context.abort_with_status(to_status(refusal, context.time_remaining()))
            except grpc.aio.InternalError:  # the caller left without its status
                log.debug("status_not_taken", method=method.name, reason=reason_of(refusal))
            return None  # gRPC knows that the call is aborted

        return mapped


def _log_if_not_logged(refusal: ChenuError) -> None:
    """A refusal by a layer outside the access log stands in it all the same."""
    call = CALL.get(None)
    if call is not None and not call.logged:
        log_call(call, reason_of(refusal))
