"""grpc.health.v1: whether this server takes calls, as a whole (`""`) and service by service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs

from chenu_server.infra.rpc.methods import Registrar

HEALTH: Final[ServiceDescriptor] = health_pb2.DESCRIPTOR.services_by_name["Health"]

# What a probe is told is no older than this.
FOLLOW_S: Final = 0.1

_Status: Final = health_pb2.HealthCheckResponse
_Context = grpc.aio.ServicerContext[Any, Any]


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # no stubs
    """What health probes are told. Every service is as the server is.

    The library's own servicer has no `List`, and holds a lock while it writes to a watcher: one
    that does not read would hold a drain up.
    """

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        self._names = frozenset(
            ["", HEALTH.full_name, *(service.full_name for service in services)]
        )
        self._status = _Status.NOT_SERVING
        self._ended = False
        self._changed = asyncio.Event()

    def add_to(self, server: Registrar) -> None:
        """Serve it."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    async def set_serving(self, serving: bool) -> None:
        """Say of every service whether calls are welcome. After `end`, nothing changes."""
        if not self._ended:
            self._set(_Status.SERVING if serving else _Status.NOT_SERVING)

    async def follow(self, ready: Callable[[], bool]) -> None:
        """Say what `ready` says, whenever it changes, until cancelled."""
        told: bool | None = None
        while True:
            if (now := ready()) != told:
                await self.set_serving(now)
                told = now
            await asyncio.sleep(FOLLOW_S)

    async def end(self) -> None:
        """Say NOT_SERVING from now on."""
        self._ended = True
        self._set(_Status.NOT_SERVING)

    async def Check(  # noqa: N802 - the wire name
        self, request: Any, context: _Context
    ) -> Any:
        """The state of one service; the protocol says NOT_FOUND for one that is not served."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _Status(status=self._status)

    async def List(  # noqa: N802 - the wire name
        self, request: Any, context: _Context
    ) -> Any:
        """The state of every service."""
        states = {name: _Status(status=self._status) for name in self._names}
        return health_pb2.HealthListResponse(statuses=states)

    async def Watch(  # noqa: N802 - the wire name
        self, request: Any, context: _Context
    ) -> AsyncIterator[Any]:
        """The state of one service, now and whenever it changes."""
        known, told = request.service in self._names, None
        while True:
            # Taken before the state is looked at: a change in between has set this very event, and
            # is not slept through.
            changed = self._changed
            now = self._status if known else _Status.SERVICE_UNKNOWN
            if now != told:
                yield _Status(status=now)
                told = now
            await changed.wait()

    def _set(self, status: Any) -> None:
        self._status = status
        self._changed.set()
        # A new one for each change: cleared instead, it would be missed by a watcher that is just
        # writing.
        self._changed = asyncio.Event()
