"""Requests on their way in: who may send a large one, how many at once, and for how long.

How large a message is nobody knows before it is there, and gRPC's core takes in what is asked for.
So it is not asked for before the outer layers have let the call pass, and of few calls at a time.
Nearly every message is small and there at once, and costs nothing here. One that is not there after
two ticks takes a place as large as a message can be, or its call is refused, and its owner owes for
the turn; so a turn to ask is never far. One that turns out large counts with its bytes until they
are stored.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import grpc

from chenu_server.errors import ChenuError, GovernanceUnavailable, InvalidField, ServerOverloaded
from chenu_server.infra.rpc.turns import Turns
from chenu_server.values import dataclass

# What a message may have on the wire, on top of the largest request: beyond it the core itself
# refuses, by the length that stands before a message and without taking it in.
MESSAGE_BYTES_MAX: Final = 22_020_096
# By ticks and not by the clock: a loop that is late makes them longer, so nobody is refused for
# what it has not looked at yet.
TICK_S: Final = 0.05
# The first comes at any time after a call has begun, so a call has at least one whole tick.
_TICKS_FREE: Final = 2
# Requests that are asked for and have no place, in all and of one identity or address. Small ones
# take a fraction of a millisecond, so many more of them than a server can serve pass in turn.
_ASKED_MAX: Final = 8
_ASKED_EACH_MAX: Final = 4
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
        self._turns = Turns(_ASKED_MAX, _ASKED_EACH_MAX)
        self._open_turns = Turns(2**31, _ASKED_EACH_MAX)  # an address keeps out itself alone
        self._arriving: dict[Upload, None] = {}
        self._taken: Counter[str] = Counter()
        self._ticking = False
        self._closed = False

    def close(self) -> None:
        """End the calls with an identity whose requests are not there, and take no more of them."""
        self._closed = True
        self._turns.close(GovernanceUnavailable())
        for upload in self._arriving:
            if not upload.is_open:
                upload.end(GovernanceUnavailable())

    def enter(self, upload: Upload) -> asyncio.Future[None] | None:
        """
        None: a request may be asked for now, and `leave` is owed. Else `wait` for its turn.

        Raises:
            GovernanceUnavailable: No more of them are taken.
        """
        if self._closed and not upload.is_open:
            raise GovernanceUnavailable
        turn = self._turns_of(upload).take(upload.owner)
        if turn is None:
            self._begin(upload)
        return turn

    async def wait(self, upload: Upload, turn: asyncio.Future[None]) -> None:
        """
        Until a request may be asked for; `leave` is owed.

        Raises:
            GovernanceUnavailable: No more of them are taken.
        """
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # It was given in the same moment.
                self._turns_of(upload).give(upload.owner)
            raise
        self._begin(upload)

    def _begin(self, upload: Upload) -> None:
        upload.has_turn = True
        self._arriving[upload] = None
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def leave(self, upload: Upload, *, came: bool) -> None:
        """A request is there, or will not come."""
        del self._arriving[upload]
        self._end_turn(upload, came=came)

    def _turns_of(self, upload: Upload) -> Turns:
        return self._open_turns if upload.is_open else self._turns

    def _end_turn(self, upload: Upload, *, came: bool) -> None:
        if not upload.has_turn:
            return
        upload.has_turn = False
        if upload.is_open:
            self._open_turns.give(upload.owner)
            return
        if came:
            self._turns.pay(upload.owner)
        else:
            self._turns.owe(upload.owner)
        self._turns.give(upload.owner)

    def take(self, owner: str, bytes_: int) -> None:
        """
        Count bytes of a request; `give` is owed. Who has several on their way may lose one to them.

        Raises:
            ServerOverloaded: There is no room for them, or none for this identity.
        """
        if self._taken[owner] + bytes_ > self._limits.per_identity_bytes:
            raise ServerOverloaded(_RETRY_US, OF_IDENTITY)
        while self._taken.total() + bytes_ > self._limits.bytes_max:
            yielding = self._yielding_to(self._taken[owner] + bytes_)
            if yielding is None:
                raise ServerOverloaded(_RETRY_US, OF_ALL)
            # Now and not when its call has ended: the room is needed in this very turn of the loop.
            yielding.release()
            yielding.end(ServerOverloaded(_RETRY_US, OF_IDENTITY))
        self._taken[owner] += bytes_

    def _yielding_to(self, bytes_: int) -> Upload | None:
        """The last of the uploads of who has the most, if that is several and more than this."""
        placed = [upload for upload in self._arriving if upload.held_bytes]
        places = Counter(upload.owner for upload in placed)
        several = [owner for owner, count in places.items() if count > 1]
        most = max(several, key=self._taken.__getitem__, default=None)
        if most is None or self._taken[most] <= bytes_:
            return None
        return next(upload for upload in reversed(placed) if upload.owner == most)

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
            if upload.is_open:
                raise ServerOverloaded(_RETRY_US, SLOW_OPEN)
            upload.hold(MESSAGE_BYTES_MAX)
            # From here on it stands on a place that counts, and in nobody's way: the turn goes to
            # the next in line.
            self._end_turn(upload, came=False)


class Upload:
    """The one request of a call, which is not read before `receive`."""

    __slots__ = (
        "_context",
        "_intake",
        "_refusal",
        "_task",
        "has_turn",
        "held_bytes",
        "is_open",
        "owner",
        "ticks",
    )

    def __init__(self, intake: Intake, context: Context) -> None:
        self._intake = intake
        self._context = context
        self._task: asyncio.Task[Any] | None = None
        self._refusal: ChenuError | None = None
        self.held_bytes = 0
        self.owner = ""
        self.is_open = False
        self.has_turn = False
        self.ticks = 0

    async def receive(self, owner: str, *, is_open: bool = False) -> bytes:
        """
        The bytes of the request; `release` is owed.

        They count for `owner`, an identity; for a call that is open to anyone, an address.

        Raises:
            ServerOverloaded: They take too long, or there is no room for them.
            GovernanceUnavailable: The server drains, and they are not there.
            InvalidField: The call ends without them.
        """
        self.owner = owner
        self._task = asyncio.current_task()
        self.is_open = is_open
        turn = self._intake.enter(self)
        if turn is not None:
            await self._intake.wait(self, turn)
        request: Any = grpc.aio.EOF
        try:
            request = await self._context.read()
        except asyncio.CancelledError:
            # Cancelled from here alone it is a refusal. If the caller has left as well it is a
            # cancel, and there is nobody to refuse.
            if self._refusal is None or (self._task is not None and self._task.uncancel()):
                raise
            refusal, self._refusal = self._refusal, None
            try:
                raise refusal from None
            finally:
                del refusal  # its stack holds this, and all of the call
        finally:
            self._task = None  # nobody ends a call whose request is there
            self._intake.leave(self, came=request is not grpc.aio.EOF)
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
        if bytes_:
            self._intake.take(self.owner, bytes_)
            self.held_bytes = bytes_

    def release(self) -> None:
        """None of its bytes count any longer. May be called again."""
        if self.held_bytes:
            self._intake.give(self.owner, self.held_bytes)
            self.held_bytes = 0

    def keep(self) -> Callable[[], None]:
        """Let its bytes count on after the call, until what is returned is called."""
        owner, bytes_ = self.owner, self.held_bytes
        # Moved and not copied: the end of the call, which releases what it has, finds nothing to
        # give back twice.
        self.held_bytes = 0

        def let_go() -> None:
            nonlocal bytes_
            if bytes_:
                self._intake.give(owner, bytes_)
                bytes_ = 0

        return let_go

    def end(self, refusal: ChenuError) -> None:
        """Let `receive` raise this. The core lets go of what has come once the call has ended."""
        if self._refusal is None and self._task is not None:
            self._refusal = refusal
            self._task.cancel()
