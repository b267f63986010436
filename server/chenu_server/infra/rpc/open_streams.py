"""Streams that need no token, health and reflection: how many are open, whose, and how idle.

Nobody answers for them as an identity does for its calls, and each holds a task for as long as
its client likes. So they are few in all, few from one address, and end when nothing is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, cast
from urllib.parse import unquote

from chenu_server.errors import ServerOverloaded, SlowConsumer
from chenu_server.infra.rpc.context import CALL
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Method
from chenu_server.values import dataclass

OF_ALL: Final = "streams without a token"
OF_PEER: Final = "streams without a token from this address"
OF_ASKING: Final = "streams without a token that ask"
OF_PEER_ASKING: Final = "streams without a token from this address that ask"
IDLE: Final = "idle streams without a token"
# When a place comes free is not known where idle streams may stay.
RETRY_S: Final = 1.0
# Of an IPv6 address, what names a site: anyone holds all the addresses below one.
SITE_BITS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStreamLimits:
    """0 switches a limit off."""

    streams_max: int
    per_peer_max: int
    asking_max: int
    """Of all, those whose client may send at any time: what it has sent of a message is held."""
    asking_per_peer_max: int
    """Of these, from one address."""
    idle_s: int
    """How long a client may ask nothing, where it asks (reflection)."""
    watch_idle_s: int
    """How long nothing may be told, where the client only listens (health)."""


@dataclass(eq=False, slots=True)
class _Place:
    peer: str
    timeout: asyncio.Timeout
    idle_s: int
    asks: bool

    def heard(self) -> None:
        """Something was said: the time of silence begins anew."""
        if self.idle_s:
            self.timeout.reschedule(asyncio.get_running_loop().time() + self.idle_s)


class OpenStreams:
    """The places of one server."""

    def __init__(self, limits: OpenStreamLimits) -> None:
        self._limits = limits
        self._open: set[_Place] = set()

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Refuse a stream that finds no place, and end one on which nothing is said."""
        if not (method.request_streaming or method.response_streaming):
            return proceed
        asks = method.request_streaming
        idle_s = self._limits.idle_s if asks else self._limits.watch_idle_s

        async def bounded(request: Any, context: Context) -> Any:
            timeout = asyncio.timeout(idle_s or None)
            place = _Place(address_of(CALL.get().peer), timeout, idle_s, asks)
            try:
                with self._taken(place, context):
                    async with timeout:
                        said = _heard(request, place) if asks else request
                        return await proceed(said, cast("Context", _Told(context, place)))
            except TimeoutError as error:
                # The time-out of something that the call did, and not of its silence.
                if not timeout.expired():
                    raise
                # Nothing to wait for: the place that it had is free, and it may have it again.
                raise ServerOverloaded(0, IDLE) from error

        return bounded

    @contextmanager
    def _taken(self, place: _Place, context: Context) -> Iterator[None]:
        """
        One place is taken while this is, and until the call is gone if its reader took nothing.

        Raises:
            ServerOverloaded: There is none, or none for this peer.
        """
        _refuse_at(self._limits.streams_max, self._open, OF_ALL)
        ours = {each for each in self._open if each.peer == place.peer}
        _refuse_at(self._limits.per_peer_max, ours, OF_PEER)
        if place.asks:
            asking = {each for each in self._open if each.asks}
            _refuse_at(self._limits.asking_max, asking, OF_ASKING)
            _refuse_at(self._limits.asking_per_peer_max, asking & ours, OF_PEER_ASKING)
        self._open.add(place)
        try:
            yield
        except SlowConsumer:
            # What it did not take stays in memory, and for how long is not known.
            unread = _Place(place.peer, asyncio.timeout(None), 0, place.asks)
            self._open.add(unread)
            cast("Any", context).add_done_callback(lambda _: self._open.discard(unread))
            raise
        finally:
            self._open.discard(place)


class _Told:
    """A call's context whose answers count as something said."""

    def __init__(self, context: Context, place: _Place) -> None:
        self._context = context
        self._place = place

    async def write(self, message: Any) -> None:
        """Send; a client that does not take it in is silent for that time."""
        await self._context.write(message)
        self._place.heard()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


async def _heard(requests: AsyncIterator[Any], place: _Place) -> AsyncIterator[Any]:
    async for request in requests:
        place.heard()
        yield request


def _refuse_at(most: int, taken: set[_Place], resource: str) -> None:
    if most and len(taken) >= most:
        now_s = asyncio.get_running_loop().time()
        # By then the first of them is ended, if nothing more is said on it.
        free_s = [when - now_s for each in taken if (when := each.timeout.when()) is not None]
        raise ServerOverloaded(int(min(free_s, default=RETRY_S) * 1e6), resource)


def address_of(peer: str) -> str:
    """Whose streams are counted together: an IPv4 address, the site of an IPv6 one, else `peer`."""
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        # As a socket for both shows a client of IPv4: in one site with it would be all others of
        # these.
        mapped = address.ipv4_mapped
        return str(mapped or ip_network((address, SITE_BITS), strict=False))
    return host
