"""How often and how long a lost server is sought, by a clock that only waiting moves."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import grpc
import pytest

from chenu import errors
from chenu.aio.patience import LONGEST_PAUSE_S, UNHEARD_GIVE_UP_S, Patience

LOST = errors.ConnectionLost(grpc.StatusCode.UNAVAILABLE, "gone")


class Clock:
    """Monotonic seconds, and how long each wait was."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.waits_s: list[float] = []

    async def sleep(self, wait_s: float) -> None:
        """Wait without waiting."""
        self.waits_s.append(wait_s)
        self.now_s += wait_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this test's patience."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now_s)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


def busy(retry_s: float) -> errors.ChenuError:
    """A refusal with its time."""
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    return errors.RateRefused(code, "full", "QUEUE_FULL", {}, timedelta(seconds=retry_s))


def waited_s(patience: Patience, clock: Clock, lost: errors.ChenuError = LOST) -> float:
    """How long the tries went on in all, each lost at once."""

    async def try_on() -> None:
        for _ in range(1_000):
            await patience.wait(lost)

    with pytest.raises(errors.ChenuError) as caught:
        asyncio.run(try_on())

    assert lost is caught.value
    return round(sum(clock.waits_s), 6)


def test_a_refusal_is_an_answer(clock: Clock) -> None:
    """A server that cannot decide now is the right one: a failover outlasts two seconds."""
    away = errors.Unavailable(grpc.StatusCode.UNAVAILABLE, "away", "GOVERNANCE_UNAVAILABLE")

    assert 10 == waited_s(Patience(10, clock.now_s + 100), clock, away)


def test_who_never_answered_is_soon_given_up(clock: Clock) -> None:
    """A wrong address is found in seconds."""
    assert UNHEARD_GIVE_UP_S == waited_s(Patience(30, clock.now_s + 300), clock)


def test_who_has_answered_is_sought_for_as_long_as_was_asked(clock: Clock) -> None:
    """A restart takes longer than two seconds."""
    patience = Patience(30, clock.now_s + 300, has_heard=True)

    assert 30 == waited_s(patience, clock)
    assert 0 == clock.waits_s[0]
    assert max(clock.waits_s) <= LONGEST_PAUSE_S * 1.2


def test_the_callers_deadline_ends_the_tries(clock: Clock) -> None:
    """Whoever gave a query five seconds is not kept for thirty."""
    assert 5 == waited_s(Patience(30, clock.now_s + 5, has_heard=True), clock)


@pytest.mark.parametrize(("give_up_s", "left_s"), [(30, 5), (5, 300)])
def test_a_time_that_lies_too_late_is_told_at_once(
    clock: Clock, give_up_s: float, left_s: float
) -> None:
    """The caller can do something better with ten seconds than wait for a refusal."""
    patience = Patience(give_up_s, clock.now_s + left_s, has_heard=True)

    assert 0 == waited_s(patience, clock, busy(10))


def test_a_time_that_was_told_is_kept(clock: Clock) -> None:
    """Earlier is refused again."""
    patience = Patience(30, clock.now_s + 300, has_heard=True)
    waited_s(patience, clock, busy(4))

    assert {4.0} == set(clock.waits_s)


def test_a_word_from_the_server_begins_it_anew(clock: Clock) -> None:
    """It is a lost server that is given up, not a slow query."""
    patience = Patience(30, clock.now_s + 300)
    waited_s(patience, clock)
    patience.renew()
    clock.waits_s.clear()

    assert 30 == waited_s(patience, clock)
