"""Layer 4: who calls, from a bearer token. Only health and reflection are open without one."""

from __future__ import annotations

from typing import Any

import structlog

from chenu_server.errors import TokenInvalid, TokenMissing, TokenRefused
from chenu_server.governance.identity.ports import TokenVerifier
from chenu_server.infra.rpc.context import CALL, Call
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.interceptors.request_context import AUTHORIZATION
from chenu_server.infra.rpc.methods import Method

log = structlog.get_logger(__name__)


class Authentication:
    """Verifies the token of every governed call."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Refuse a call whose token is missing, not valid or expired."""
        if method.access is None:
            return proceed

        async def authenticated(request: Any, context: Context) -> Any:
            call = CALL.get()
            try:
                call.token = self._verifier.verify(bearer_of(call.headers.get(AUTHORIZATION, "")))
            except TokenRefused as refused:
                _log_refused(call, refused)
                raise
            return await proceed(request, context)

        return authenticated


def _log_refused(call: Call, refused: TokenRefused) -> None:
    """Tell the operator what the caller is not told. Never the token; the issuer as claimed."""
    # None, or one whose time is over, is everyday; one that does not verify may be an attempt.
    tell = log.warning if isinstance(refused, TokenInvalid) else log.info
    tell(
        "token_refused",
        check=refused.check,
        issuer=refused.issuer,
        key_id=refused.key_id,
        subject=refused.subject,
        peer=call.peer,
    )


def bearer_of(header: str) -> str:
    """The token of an `authorization` header (RFC 6750 §2.1).

    Raises:
        TokenMissing: There is none.
    """
    scheme, _, token = header.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing(check="there is no bearer header" if not header else "it is no bearer")
    return token
