"""Layer 4: who calls, from a bearer token. Only health and reflection are open without one."""

from __future__ import annotations

from typing import Any

from chenu_server.errors import TokenMissing
from chenu_server.governance.identity.ports import TokenVerifier
from chenu_server.infra.rpc.context import CALL
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.interceptors.request_context import AUTHORIZATION
from chenu_server.infra.rpc.methods import Method


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
            call.token = self._verifier.verify(bearer_of(call.headers.get(AUTHORIZATION, "")))
            return await proceed(request, context)

        return authenticated


def bearer_of(header: str) -> str:
    """The token of an `authorization` header (RFC 6750 §2.1).

    Raises:
        TokenMissing: There is none.
    """
    scheme, _, token = header.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token
