"""grpc.health.v1: whether this server takes calls, as a whole (`""`) and service by service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs
from grpc_health.v1.health import aio  # type: ignore[import-untyped]  # no stubs

HEALTH: Final[ServiceDescriptor] = health_pb2.DESCRIPTOR.services_by_name["Health"]

# What a probe is told is no older than this.
FOLLOW_S: Final = 0.1

_Status: Final = health_pb2.HealthCheckResponse


class Health:
    """What health probes are told."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        self._names = ["", HEALTH.full_name, *(service.full_name for service in services)]
        self._servicer = aio.HealthServicer()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve it."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        """Say of every service whether calls are welcome. After `end`, nothing changes."""
        for name in self._names:
            await self._servicer.set(name, _Status.SERVING if serving else _Status.NOT_SERVING)

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
        await self._servicer.enter_graceful_shutdown()
