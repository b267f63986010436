"""The client: one target, one token, one identity."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from chenu.aio.audit import Audit
from chenu.aio.budgets import Budgets
from chenu.aio.channel import Options, connect
from chenu.aio.checkpoints import Checkpoints
from chenu.aio.connection import Connection
from chenu.aio.identity import Identity
from chenu.aio.pipeline import Pipeline
from chenu.aio.rate_limits import RateLimits
from chenu.aio.router import Router
from chenu.aio.spending import Spending
from chenu.aio.tool_calls import ToolCalls


class Client:
    """
    A connection to CHE·NU. Every failure is a `chenu.errors.ChenuError`.

        async with Client("gateway.example:443", token=token, identity="acme") as client:
            response = await client.pipeline.query("What changed since Monday?")
            print(response.answer.text)
    """

    def __init__(
        self,
        target: str,
        *,
        token: str | Callable[[], str] | None = None,
        identity: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        insecure: bool = False,
        http_proxy: str | None = None,
        options: Options = (),
    ) -> None:
        """
        Connect on first use; no event loop need run yet.

        Args:
            target: `host:port`, or `unix:path`.
            token: The bearer token, or what gives the present one (asked at each call).
            identity: The identity to act in; a token that holds only one needs none.
            credentials: TLS with other than the system's roots, or with a client certificate.
            insecure: Go without TLS to another machine. On loopback there is none anyway.
            http_proxy: The URL of the proxy to another machine; empty for none. None: the one that
                `grpc_proxy`, `https_proxy` or `http_proxy` name, unless `no_grpc_proxy` or
                `no_proxy` except the target. Loopback is never reached through a proxy.
            options: Channel options of gRPC, over this SDK's own.

        Raises:
            InvalidSetting: The token or the identity cannot be sent in a header.
        """
        connecting = partial(
            connect,
            target,
            credentials=credentials,
            insecure=insecure,
            http_proxy=http_proxy,
            options=options,
        )
        self._connection = Connection(connecting, token, identity)
        self.pipeline = Pipeline(self._connection)
        self.router = Router(self._connection)
        self.tool_calls = ToolCalls(self._connection)
        self.checkpoints = Checkpoints(self._connection)
        self.budgets = Budgets(self._connection)
        self.spending = Spending(self._connection)
        self.rate_limits = RateLimits(self._connection)
        self.identity = Identity(self._connection)
        self.audit = Audit(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every call and the connection; calls that follow raise `Closed`."""
        await self._connection.close()
