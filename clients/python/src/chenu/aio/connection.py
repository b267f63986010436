"""A channel per event loop, with its token and identity, and how a call is made and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import grpc

from chenu import errors
from chenu.headers import header_value

CALL_TIMEOUT_S: Final = 30.0
# gRPC reckons deadlines in 64 bits of nanoseconds: later than this, one has passed at once.
TIMEOUT_MAX_S: Final = 100_000_000.0

Q = TypeVar("Q")
A = TypeVar("A")
S = TypeVar("S")
Metadata = tuple[tuple[str, str], ...]


@dataclass
class _Opened:
    """The channel of one event loop, and the stubs on it."""

    channel: grpc.aio.Channel
    stubs: dict[object, Any] = field(default_factory=dict)


class Connection:
    """
    What every call goes over and carries.

    A channel belongs to the loop in which it is made, so it is made at the first call, and again
    in another loop: a client may be built where no loop runs, and outlive one.
    """

    def __init__(
        self,
        connect: Callable[[], grpc.aio.Channel],
        token: str | Callable[[], str] | None,
        identity: str | None,
    ) -> None:
        """
        Check what was given; connect at the first call.

        Raises:
            InvalidSetting: The token or the identity cannot be sent.
        """
        self.has_answered = False
        self._connect = connect
        self._opened: dict[asyncio.AbstractEventLoop, _Opened] = {}
        self._closed = False
        asked = token is None or callable(token)
        self._token = token if asked else header_value("token", token)
        self._identity = None if identity is None else header_value("identity", identity)

    def metadata(self) -> Metadata:
        """
        The token and the identity, as every call carries them.

        Raises:
            InvalidSetting: What the token's function gave cannot be sent.
        """
        token = header_value("token", self._token()) if callable(self._token) else self._token
        bearer = (("authorization", f"Bearer {token}"),) if token else ()
        identity = (("x-chenu-identity", self._identity),) if self._identity else ()
        return (*bearer, *identity)

    def stub(self, kind: Callable[[grpc.aio.Channel], S]) -> S:
        """
        A service's stub on the running loop's channel.

        Raises:
            Closed: The client was closed.
        """
        if self._closed:
            raise errors.Closed("the client is closed; make a new one, or close it later")
        loop = asyncio.get_running_loop()
        opened = self._opened.get(loop)
        if opened is None:
            for ended in [one for one in self._opened if one.is_closed()]:
                del self._opened[ended]  # nothing holds its channel any more: gRPC closes it
            opened = self._opened[loop] = _Opened(self._connect())
        stub: S = opened.stubs.get(kind) or opened.stubs.setdefault(kind, kind(opened.channel))
        return stub

    async def close(self) -> None:
        """End every call of this loop, and the connections; calls that follow are refused."""
        self._closed = True
        opened = self._opened.pop(asyncio.get_running_loop(), None)
        # Those of other loops cannot be closed from this one: let go of, gRPC closes them.
        self._opened.clear()
        if opened is not None:
            await opened.channel.close()

    async def unary(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Q, A], request: Q, timeout_s: float
    ) -> A:
        """
        One answer.

        Raises:
            ChenuError: The call was refused or failed.
        """
        with typed():
            # Asked for each call: a token may have been renewed since the last one.
            metadata, timeout_s = self.metadata(), min(TIMEOUT_MAX_S, timeout_s)
            call = method(request, timeout=timeout_s, metadata=metadata)
            try:
                answer = await call
            finally:
                call.cancel()  # an abandoned call would go on: grpc never collects it
        # Who has answered once is at the right address, and is sought for longer once it is lost.
        self.has_answered = True
        return answer

    def open(
        self, method: grpc.aio.UnaryStreamMultiCallable[Q, A], request: Q, timeout_s: float
    ) -> grpc.aio.UnaryStreamCall[Q, A]:
        """A started stream. Whoever reads it does so in `typed`, and cancels it in a `finally`."""
        timeout_s = min(TIMEOUT_MAX_S, timeout_s)
        return method(request, timeout=timeout_s, metadata=self.metadata())


@contextmanager
def typed() -> Iterator[None]:
    """
    Whatever ends a call, as a `ChenuError`.

    gRPC cancels the calls of a channel that is closed, and whoever waits for one then sees a
    CancelledError although nobody cancelled its task; such a one would end a task group silently.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise errors.from_call(error) from error
    except grpc.aio.UsageError as error:
        raise errors.Closed("the client was closed") from error
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise errors.Closed(
            "the client was closed, or the log detached, during the call"
        ) from cancelled
