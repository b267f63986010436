"""Who waits for a provider's next free slot: identities take turns, deadlines are kept."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from chenu_server.engine import FairQueue
from chenu_server.errors import DeadlineUnreachable, QueueFull
from chenu_server.pipeline.model import Candidate
from chenu_server.pipeline.ports import Wait
from chenu_server.pipeline.stop import Stop

T = TypeVar("T")

Submit = Callable[[bool], Awaitable[T | Wait]]
"""Submits the command; its argument is whether it may take a slot. An answer needs none."""

FreeTimes = Callable[[str, int], Awaitable[tuple[int, ...]]]
"""When a provider's first slots are free, in Unix microseconds, ascending."""


class Waiter(Generic[T]):
    """One call on its way to a slot of one provider."""

    def __init__(self, *, identity_id: str, deadline: float, stop: Stop, submit: Submit[T]) -> None:
        self.identity_id = identity_id
        self.deadline = deadline
        self.stop = stop
        self.submit = submit


class ProviderQueue:
    """The calls that wait for one provider. The one whose turn it is holds the pen."""

    def __init__(
        self,
        provider: str,
        *,
        waiting_max: int,
        held_us: int,
        free_times: FreeTimes,
        now_us: Callable[[], int],
    ) -> None:
        self.provider = provider
        self._queue = FairQueue(waiting_max=waiting_max)
        self._turns: dict[int, asyncio.Event] = {}
        self._tickets = itertools.count(1)
        self._held_us = held_us
        self._free_times = free_times
        self._now_us = now_us

    def __len__(self) -> int:
        return len(self._queue)

    async def run(self, waiter: Waiter[T], notice: Callable[[int, int], None]) -> T:
        """
        The command's answer, once it got a slot.

        `notice(place, retry_after_us)` is told when the call begins to wait.

        Raises:
            QueueFull: As many wait already as may.
            DeadlineUnreachable: No slot is free before the waiter's deadline.
            Stopped: The run must end.
        """
        waiter.stop.check()  # a run that has been told to stop must not use up an approval
        # Asked once even where others wait: a denial, a block or a known id needs no slot, and must
        # not stand in line for one.
        answer = await waiter.submit(not len(self._queue))
        if not isinstance(answer, Wait):
            return answer
        return await self._wait(waiter, answer.free_times_us, notice)

    async def _wait(
        self, waiter: Waiter[T], times: tuple[int, ...], notice: Callable[[int, int], None]
    ) -> T:
        ticket = next(self._tickets)
        place = self._queue.join(waiter.identity_id, ticket)
        if place is None:
            raise QueueFull(await self._delay(0, times), self.provider)
        self._turns[ticket] = asyncio.Event()
        # The newcomer may be first at once, for identities take turns: a light one passes all that
        # a heavy one has waiting.
        self._call_first()
        try:
            delay_us = await self._delay(place, times)
            # Refused now and not when the time is up: as long as there is some left, another
            # provider may take the call.
            if delay_us / 1e6 > waiter.deadline - time.monotonic():
                raise DeadlineUnreachable(delay_us, self.provider)
            notice(place, delay_us)
            return await self._take_turn(waiter, ticket)
        finally:
            # Also of one that was stopped or gave up: all but the first sleep until their deadline,
            # so whoever is first now has to be woken.
            self._queue.leave(ticket)
            self._turns.pop(ticket, None)
            self._call_first()

    async def _take_turn(self, waiter: Waiter[T], ticket: int) -> T:
        """Wait for the turn, then try whenever a slot may be free."""
        wake_at = 0.0
        while True:
            await self._pause(waiter, ticket, wake_at)
            if self._queue.next() != ticket:
                wake_at = 0.0
                continue
            # A wait writes nothing: the same command is submitted again until it gets a slot.
            answer = await waiter.submit(True)
            if not isinstance(answer, Wait):
                self._served(ticket)
                return answer
            # There is one: a wait tells no time only where no slot was to be taken.
            until_us = max(answer.free_times_us[0] - self._now_us(), 0)
            # A little late and never early: tried before the slot is free, the command would be for
            # nothing.
            wake_at = time.monotonic() + until_us / 1e6 + 0.0005
            # The provider has said since that it takes nothing for longer: another may be idle.
            if wake_at > waiter.deadline:
                raise DeadlineUnreachable(max(until_us, 1), self.provider)

    def _served(self, ticket: int) -> None:
        """Its identity's turn is used up."""
        # While the command was under way a lighter identity may have come in front: its turn is not
        # to be used up.
        if self._queue.next() == ticket:
            self._queue.take()
        else:
            self._queue.leave(ticket)

    async def _pause(self, waiter: Waiter[T], ticket: int, wake_at: float) -> None:
        """Sleep until `wake_at` if it is this ticket's turn, else until it may be."""
        turn = self._turns[ticket]
        mine = self._queue.next() == ticket
        until = min(wake_at, waiter.deadline) if mine else waiter.deadline
        # No await stands between the look at whose turn it is, this, and the wait: a turn that is
        # given cannot fall in between and be slept through.
        turn.clear()
        try:
            with waiter.stop.interrupts():
                async with asyncio.timeout_at(_loop_time(until)):
                    await turn.wait()
        except TimeoutError:
            if time.monotonic() >= waiter.deadline:
                place = self._queue.place(ticket) or 0
                raise DeadlineUnreachable(await self._delay(place, ()), self.provider) from None

    def _call_first(self) -> None:
        """Tell the ticket whose turn it is now."""
        first = self._queue.next()
        turn = self._turns.get(first) if first is not None else None
        if turn is not None:
            turn.set()

    async def _delay(self, place: int, times: tuple[int, ...]) -> int:
        """Microseconds until the slot of a place in the queue is free; 1 at least."""
        if len(times) <= place:
            times = await self._free_times(self.provider, place + 1) or times
        if not times:
            return 1
        # With more places than slots each slot serves again, a whole window later.
        rounds, index = divmod(place, len(times))
        at_us = times[index] + rounds * self._held_us
        return max(at_us - self._now_us(), 1)


async def first_with_room(
    chain: Sequence[Candidate], ask: Callable[[tuple[Candidate, ...]], Awaitable[T]]
) -> T:
    """The answer for the longest end of the chain whose first provider takes the call.

    A full queue is one provider's trouble, and the next one may be idle: the call goes on to it
    as it would after an error of the provider itself.

    Raises:
        QueueFull, DeadlineUnreachable: No provider of the chain has room in time; of them all,
            the one that has room first.
    """
    refusals: list[QueueFull | DeadlineUnreachable] = []
    for start in range(len(chain)):
        try:
            return await ask(tuple(chain[start:]))
        except (QueueFull, DeadlineUnreachable) as refusal:
            refusals.append(refusal)
    raise min(refusals, key=lambda refusal: refusal.retry_after_us)


def _loop_time(monotonic: float) -> float:
    """A reading of `time.monotonic` on the running loop's clock."""
    return asyncio.get_running_loop().time() + (monotonic - time.monotonic())
