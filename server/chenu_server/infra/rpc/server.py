"""The gRPC server: what listens, what stands around every call, and how it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from chenu_server.infra.rpc.health import HEALTH, Health
from chenu_server.infra.rpc.intake import MESSAGE_BYTES_MAX, Intake
from chenu_server.infra.rpc.interceptors.chain import WRITE_TIMEOUT_S, Chain, Layer
from chenu_server.infra.rpc.interceptors.unread import UNREAD_MAX
from chenu_server.infra.rpc.methods import governed, open_to_anyone
from chenu_server.infra.rpc.reflection import REFLECTION, Reflection
from chenu_server.values import dataclass

log = structlog.get_logger(__name__)

# gRPC's core resets calls at random when more than this many wait for Python, 1,000 by default,
# and their clients see CANCELLED. How much is taken on is this server's own decision.
PENDING_MAX: Final = 20_000
# How long a drain waits for answers that are written and not yet taken.
FLUSH_S: Final = 1.0
# Calls of one connection: a peer opens as many connections as it may, and no more calls on each.
STREAMS_MAX: Final = 4_096
# Where only the soft limit is passed, the core refuses a share of calls at random.
METADATA_BYTES_MAX: Final = 16_384
# Of gRPC's algorithms, one bit for each, only that which leaves a message as it is.
UNCOMPRESSED: Final = 0b1
# A connection past its age is told to go (GOAWAY) and takes no more calls; those that it has go on
# until they end or the server drains. Cutting them would cancel queries that are paid for.
AGE_GRACE_MS: Final = 2**31 - 1  # gRPC's word for no limit


@dataclass(frozen=True, slots=True)
class Mount:
    """A service of the contract and who serves it: `add` is the generated function."""

    service: ServiceDescriptor
    add: Callable[[Any, Any], None]
    servicer: object


class RpcServer:
    """Serves the mounted services, health and reflection on one port. Use it in one loop."""

    def __init__(
        self,
        listen: str,
        mounts: Sequence[Mount],
        layers: Sequence[Layer],
        *,
        write_timeout_s: float = WRITE_TIMEOUT_S,
        unread_max: int = UNREAD_MAX,
        intake: Intake | None = None,
        max_connection_age_s: int | None = None,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        Build inside a running event loop; nothing listens before `start`.

        `ready` tells whether calls can be decided now; it is asked several times a second.

        Raises:
            ValueError: An rpc has no complete `access` option, or no handler.
        """
        services = [mount.service for mount in mounts]
        methods = governed(services) | open_to_anyone([HEALTH, *REFLECTION])
        self._listen = listen
        self._port = 0
        self._ready = ready
        self._following: asyncio.Task[None] | None = None
        self._chain = Chain(
            methods,
            layers,
            write_timeout_s=write_timeout_s,
            unread_max=unread_max,
            intake=intake,
        )
        self._server = grpc.aio.server(
            handlers=[self._chain], options=options(max_connection_age_s)
        )
        self.health = Health(services)
        self.health.add_to(self._chain)
        served = [*services, HEALTH, *REFLECTION]
        Reflection(service.full_name for service in served).add_to(self._chain)
        for mount in mounts:
            mount.add(mount.servicer, self._chain)
        # Found out at start, and not by the first who calls it.
        if unserved := methods.keys() - self._chain.served:
            raise ValueError(f"nobody serves {', '.join(sorted(unserved))}")
        for service, handlers in self._chain.new_work().items():
            self._server.add_registered_method_handlers(service, handlers)

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        return self._port

    async def start(self) -> None:
        """Listen, then say whether calls are welcome, and whenever that changes.

        Raises:
            OSError: The address cannot be listened on.
        """
        try:
            self._port = self._server.add_insecure_port(self._listen)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._listen}: {error}") from error
        # Before anything listens: the very first probe must find a state.
        await self.health.set_serving(False)
        await self._server.start()
        await self.health.set_serving(self._ready())
        self._following = asyncio.create_task(self.health.follow(self._ready))
        log.info("listening", address=self._listen, port=self._port)

    async def refuse(self) -> None:
        """Say to health probes, from now on, that calls are not welcome."""
        if self._following is not None:
            self._following.cancel()
        await self.health.end()

    async def drain(self, grace_s: float) -> None:
        """Stop: say so to health probes, take no more calls, let those in hand end, cut the rest.

        Returns as soon as nothing is in hand. A stream of health states does not hold it up, nor
        does a reader that has not taken its status yet.
        """
        await self.refuse()
        with suppress(TimeoutError):
            # Who is in hand still after that is cut by the stop below.
            async with asyncio.timeout(grace_s):
                await self._chain.close()
        # One stop and never two at once: gRPC's core would end calls of a server that is gone.
        # What handlers have answered may still be on its way to a slow link.
        await self._server.stop(min(FLUSH_S, grace_s))
        log.info("stopped", port=self._port)


def options(max_connection_age_s: int | None) -> list[tuple[str, int]]:
    """Channel arguments of the server."""
    chosen = [
        ("grpc.server.max_pending_requests", PENDING_MAX),
        ("grpc.server.max_pending_requests_hard_limit", PENDING_MAX),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_concurrent_streams", STREAMS_MAX),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
        # Twenty kilobytes become a message of twenty megabytes before any layer is asked.
        ("grpc.compression_enabled_algorithms_bitset", UNCOMPRESSED),
        ("grpc.so_reuseport", 0),  # else a second server would take half of the first one's calls
        # Dead peers are found within 80 s; clients may ping every 5 s, also without calls.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]
    if max_connection_age_s is not None:
        chosen += [
            ("grpc.max_connection_age_ms", max_connection_age_s * 1_000),
            ("grpc.max_connection_age_grace_ms", AGE_GRACE_MS),
        ]
    return chosen
