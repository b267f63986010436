"""Requests on their way in: who may send a large one, how many at once, and for how long.

How large a message is nobody knows before it is there, and gRPC's core takes in what is asked for.
So it is not asked for before the outer layers have let the call pass. Then nearly every message is
small and there at once, and costs nothing here. One that is not there after two ticks takes a place
as large as a message can be, or its call is refused. One that turns out large counts with its bytes
until they are stored.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import grpc

from chenu_server.errors import ChenuError, GovernanceUnavailable, InvalidField, ServerOverloaded

# What a message may have on the wire, on top of the largest request: beyond it the core itself
# refuses, by the length that stands before a message and without taking it in.
MESSAGE_BYTES_MAX: Final = 22_020_096
TICK_S: Final = 0.05
# The first comes at any time after a call has begun, so a call has at least one whole tick.
_TICKS_FREE: Final = 2
# When a place comes free is not known.
_RETRY_US: Final = 1_000_000

OF_ALL: Final = "requests on their way"
OF_IDENTITY: Final = "requests of this identity on their way"
SLOW: Final = "requests that arrive slowly"
SLOW_OPEN: Final = "requests without a token that arrive slowly"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """What may be on its way at a time, in bytes, and how long one request may take."""

    bytes_max: int = 268_435_456
    per_identity_bytes: int = 67_108_864
    timeout_s: float = 60.0


class Intake:
    """The requests of one server that are on their way or held. Use it in one loop."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self._ticks_max = _TICKS_FREE + int(limits.timeout_s / TICK_S)
        self._arriving: dict[Upload, None] = {}
        self._taken: Counter[str] = Counter()
        self._ticking = False
        self._closed = False

    def close(self) -> None:
        """End the calls with an identity whose requests are not there, and take no more of them."""
        self._closed = True
        for upload in self._arriving:
            if upload.owner is not None:
                upload.end(GovernanceUnavailable())

    def enter(self, upload: Upload) -> None:
        """
        A request is asked for; `leave` is owed.

        Raises:
            GovernanceUnavailable: No more of them are taken.
        """
        if self._closed and upload.owner is not None:
            raise GovernanceUnavailable
        self._arriving[upload] = None
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def leave(self, upload: Upload) -> None:
        """A request is there, or will not come."""
        del self._arriving[upload]

    def take(self, owner: str, bytes_: int) -> None:
        """
        Count bytes of a request; `give` is owed.

        Raises:
            ServerOverloaded: There is no room for them, or none for this identity.
        """
        if self._taken[owner] + bytes_ > self._limits.per_identity_bytes:
            raise ServerOverloaded(_RETRY_US, OF_IDENTITY)
        if self._taken.total() + bytes_ > self._limits.bytes_max:
            raise ServerOverloaded(_RETRY_US, OF_ALL)
        self._taken[owner] += bytes_

    def give(self, owner: str, bytes_: int) -> None:
        """They count no longer."""
        self._taken[owner] -= bytes_
        if not self._taken[owner]:
            del self._taken[owner]

    def _tick(self) -> None:
        # Behind the calls that wake up in this turn: their messages are there, if the loop was
        # late to see them.
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        for upload in list(self._arriving):
            upload.ticks += 1
            try:
                self._judge(upload)
            except ChenuError as refusal:
                upload.end(refusal)
        self._ticking = bool(self._arriving)
        if self._ticking:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _judge(self, upload: Upload) -> None:
        if upload.ticks > self._ticks_max:
            raise ServerOverloaded(_RETRY_US, SLOW)
        if upload.ticks == _TICKS_FREE:
            if upload.owner is None:
                raise ServerOverloaded(_RETRY_US, SLOW_OPEN)
            upload.hold(MESSAGE_BYTES_MAX)


class Upload:
    """The one request of a call, which is not read before `receive`."""

    __slots__ = ("_context", "_held_bytes", "_intake", "_refusal", "_task", "owner", "ticks")

    def __init__(self, intake: Intake, context: Context) -> None:
        self._intake = intake
        self._context = context
        self._task: asyncio.Task[Any] | None = None
        self._refusal: ChenuError | None = None
        self._held_bytes = 0
        self.owner: str | None = None
        """The identity that it counts for; None for a call that needs none."""
        self.ticks = 0

    async def receive(self, owner: str | None) -> bytes:
        """
        The bytes of the request; `release` is owed.

        Raises:
            ServerOverloaded: They take too long, or there is no room for them.
            GovernanceUnavailable: The server drains, and they are not there.
            InvalidField: The call ends without them.
        """
        self.owner = owner
        self._task = asyncio.current_task()
        self._intake.enter(self)
        try:
            request: Any = await self._context.read()
        except asyncio.CancelledError:
            if self._refusal is None or (self._task is not None and self._task.uncancel()):
                raise
            raise self._refusal from None
        finally:
            self._intake.leave(self)
        if request is grpc.aio.EOF:
            await asyncio.sleep(0)  # a caller that has left is cancelled here
            raise InvalidField("request", "the call ended without it")
        whole: bytes = request
        return whole

    def hold(self, bytes_: int) -> None:
        """
        Count so many bytes from now on, in place of those that counted.

        Raises:
            ServerOverloaded: There is no room; none count.
        """
        self.release()
        if bytes_ and self.owner is not None:
            self._intake.take(self.owner, bytes_)
            self._held_bytes = bytes_

    def release(self) -> None:
        """None of its bytes count any longer. May be called again."""
        if self._held_bytes and self.owner is not None:
            self._intake.give(self.owner, self._held_bytes)
            self._held_bytes = 0

    def end(self, refusal: ChenuError) -> None:
        """Let `receive` raise this. The core lets go of what has come once the call has ended."""
        if self._refusal is None and self._task is not None:
            self._refusal = refusal
            self._task.cancel()
