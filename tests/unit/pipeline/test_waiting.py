"""Who gets a provider's next slot, and who is told at once that none comes in time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from chenu_server.errors import DeadlineUnreachable, QueueFull
from chenu_server.pipeline.ports import Wait
from chenu_server.pipeline.stop import Stop, Stopped, StopReason
from chenu_server.pipeline.waiting import ProviderQueue, Waiter

START_US = 1_000_000_000


@dataclass
class Provider:
    """Slots that free at set times, and the calls that took one, in order."""

    free_times_us: list[int]
    served: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def now_us(self) -> int:
        """The clock that the slots are on."""
        return START_US + int((time.monotonic() - self.started) * 1e6)

    async def free_times(self, provider: str, count: int) -> tuple[int, ...]:
        """What a reader would see."""
        return tuple(sorted(self.free_times_us)[:count])

    async def take(self, name: str) -> str | Wait:
        """Take a slot if one is free."""
        await asyncio.sleep(0)
        first = min(self.free_times_us)
        if first > self.now_us():
            return Wait(free_times_us=(first,))
        self.free_times_us.remove(first)
        self.free_times_us.append(START_US + 3_600_000_000)
        self.served.append(name)
        return name


def queue_of(provider: Provider, waiting_max: int = 100) -> ProviderQueue:
    """The queue of a provider."""
    return ProviderQueue(
        "p",
        waiting_max=waiting_max,
        held_us=61_250_000,
        free_times=provider.free_times,
        now_us=provider.now_us,
    )


async def call(
    queue: ProviderQueue,
    provider: Provider,
    name: str,
    seconds: float = 5,
    stop: Stop | None = None,
) -> str:
    """One call; its identity is its name's first letter."""

    async def submit(take_slot: bool) -> str | Wait:
        return await provider.take(name) if take_slot else Wait()

    waiter: Waiter[str] = Waiter(
        identity_id=name[0],
        deadline=time.monotonic() + seconds,
        stop=stop or Stop(),
        submit=submit,
    )
    return await queue.run(waiter, lambda place, delay_us: None)


async def waiting(queue: ProviderQueue, count: int) -> None:
    """Return once so many wait; the test's own time limit ends it."""
    while len(queue) != count:  # noqa: ASYNC110 - a queue tells nobody of its length
        await asyncio.sleep(0)


def soon(*milliseconds: int) -> list[int]:
    """Times at which slots are free."""
    return [START_US + each * 1_000 for each in milliseconds]


async def test_nobody_waits_while_a_slot_is_free() -> None:
    """A free slot is taken at once."""
    provider = Provider(soon(0, 0))

    assert "a1" == await call(queue_of(provider), provider, "a1")


async def test_waiting_calls_are_served_as_slots_free() -> None:
    """In their order, each with a slot of its own."""
    provider = Provider(soon(30, 60, 90))
    queue = queue_of(provider)

    await asyncio.gather(*(call(queue, provider, f"a{number}") for number in range(3)))

    assert ["a0", "a1", "a2"] == provider.served
    assert 0 == len(queue)


async def test_a_light_identity_is_served_next_whoever_else_waits() -> None:
    """Twenty calls of one identity do not make another's first one wait for all of them."""
    provider = Provider(soon(*range(300, 321)))
    queue = queue_of(provider)
    heavy = [asyncio.create_task(call(queue, provider, f"h{number}")) for number in range(20)]
    await waiting(queue, 20)

    light = asyncio.create_task(call(queue, provider, "l0"))
    await asyncio.gather(light, *heavy)

    assert provider.served.index("l0") <= 1


async def test_a_call_that_cannot_be_served_in_time_is_told_at_once_when() -> None:
    """It does not wait for nothing, and the time it is told is the slot's."""
    provider = Provider(soon(60_000))

    with pytest.raises(DeadlineUnreachable) as refused:
        await call(queue_of(provider), provider, "a0", seconds=30)

    # After a wait for the deadline, less than 30 s would be left.
    assert 30_000_000 < refused.value.retry_after_us <= 60_000_000


async def test_who_waits_is_told_when_the_provider_will_have_no_room_in_time_after_all() -> None:
    """It has said so to another's call meanwhile; the time that is left is for the next one."""
    provider = Provider(soon(100))
    queue = queue_of(provider)
    calls = [asyncio.create_task(call(queue, provider, name, seconds=90)) for name in ("a0", "b0")]
    await waiting(queue, 2)
    provider.free_times_us = soon(3_600_000)

    refusals = await asyncio.gather(*calls, return_exceptions=True)

    assert provider.now_us() < START_US + 25_000_000
    for refusal in refusals:
        assert isinstance(refusal, DeadlineUnreachable)
        assert refusal.retry_after_us > 3_500_000_000


async def test_a_full_queue_refuses_at_once() -> None:
    """What waits is bounded."""
    provider = Provider(soon(300))
    queue = queue_of(provider, waiting_max=1)
    first = asyncio.create_task(call(queue, provider, "a0"))
    await waiting(queue, 1)

    with pytest.raises(QueueFull):
        await call(queue, provider, "b0")
    assert "a0" == await first


async def test_a_stopped_call_leaves_the_queue_to_the_others() -> None:
    """Cancelling the first in line serves the second."""
    provider = Provider(soon(300, 310))
    queue, stop = queue_of(provider), Stop()
    first = asyncio.create_task(call(queue, provider, "a0", stop=stop))
    await waiting(queue, 1)
    second = asyncio.create_task(call(queue, provider, "b0"))
    await waiting(queue, 2)

    stop.set(StopReason.CANCELLED)

    with pytest.raises(Stopped):
        await first
    assert "b0" == await second


async def test_a_call_that_was_told_to_stop_takes_nothing() -> None:
    """Whatever it would take, an approval for one, nobody would use."""
    provider, stop = Provider(soon(0)), Stop()
    stop.set(StopReason.DEADLINE)

    with pytest.raises(Stopped):
        await call(queue_of(provider), provider, "a0", stop=stop)
    assert [] == provider.served
