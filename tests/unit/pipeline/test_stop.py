"""What stops a run, and what a stop leaves alone."""

from __future__ import annotations

import asyncio

import pytest

from chenu_server.pipeline.stop import Stop, Stopped, StopReason


async def test_a_stop_interrupts_what_may_be_interrupted() -> None:
    """A provider call ends the moment that its query is cancelled."""
    stop = Stop()
    asyncio.get_running_loop().call_soon(stop.set, StopReason.CANCELLED)

    with pytest.raises(Stopped) as stopped, stop.interrupts():
        await asyncio.Event().wait()

    assert StopReason.CANCELLED is stopped.value.reason


async def test_a_stop_does_not_interrupt_a_unit_of_work() -> None:
    """A decision that may have committed is always known."""
    stop = Stop()
    stop.set(StopReason.CANCELLED)

    with pytest.raises(Stopped), stop.interrupts():
        raise AssertionError("nothing may begin after the stop")


async def test_the_first_reason_holds() -> None:
    """A deadline that follows a cancel changes nothing."""
    stop = Stop()
    stop.set(StopReason.CANCELLED)
    stop.set(StopReason.DEADLINE)

    assert StopReason.CANCELLED is stop.reason


async def test_a_withdrawn_stop_leaves_the_one_that_came_after_it() -> None:
    """A deadline rings once: a run that goes on without it would never end."""
    stop = Stop()
    stop.set(StopReason.CANCELLED)
    stop.set(StopReason.DEADLINE)
    stop.set(StopReason.SHUTDOWN)

    stop.withdraw()
    left = stop.reason
    stop.withdraw()

    assert (StopReason.DEADLINE, None) == (left, stop.reason)


async def test_a_real_cancellation_is_not_mistaken_for_a_stop() -> None:
    """Shutting the loop down still cancels tasks."""
    stop = Stop()

    async def work() -> None:
        with stop.interrupts():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_task_works_on_after_a_stop() -> None:
    """Lane G runs in the very task that was stopped."""
    stop = Stop()
    asyncio.get_running_loop().call_soon(stop.set, StopReason.DEADLINE)
    with pytest.raises(Stopped), stop.interrupts():
        await asyncio.Event().wait()

    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()
