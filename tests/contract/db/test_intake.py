"""When the writer's thread takes what waits: never before the loop has had its turn, never late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from chenu_server.infra.db.intake import Intake, Job, WriterLimits

LONG_MS = 10_000


def job() -> Job:
    """A command that nobody waits for."""
    return Job(cast(Any, object()), cast(Any, object()), None)


def test_a_batch_waits_until_the_loop_has_taken_in_the_last_ones_answers() -> None:
    """The commands that those answers bring about belong to it: each commit costs the same."""
    intake, taken = Intake(WriterLimits(loop_within_ms=LONG_MS)), list[int]()
    intake.put(job())
    first = intake.take(None)
    thread = threading.Thread(target=lambda: taken.append(len(intake.take(None) or [])))
    intake.put(job())
    thread.start()
    thread.join(0.05)
    before = list(taken)
    for _ in range(2):
        intake.put(job())
    intake.answered()
    thread.join(10)

    assert first is not None and 1 == len(first)
    assert ([], [3]) == (before, taken)


def test_a_loop_that_never_answers_holds_nothing_up() -> None:
    """It may be stuck, or closed: what waits is committed all the same."""
    intake = Intake(WriterLimits(loop_within_ms=1))
    for _ in range(2):
        intake.put(job())
        assert 1 == len(intake.take(None) or [])


def test_what_was_not_taken_owes_no_answer() -> None:
    """After an empty take the next one must not wait for answers that nobody will give."""
    intake = Intake(WriterLimits(loop_within_ms=LONG_MS))
    assert [] == intake.take(0.001)
    intake.put(job())

    assert 1 == len(intake.take(None) or [])


class Clock:
    """Seconds that pass when somebody sleeps, and what comes meanwhile."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.on_wait = 0.0

    def read(self) -> float:
        """The time; it goes on while the next command is waited for."""
        now_s, self.now_s = self.now_s, self.now_s + self.on_wait
        return now_s

    def sleep(self, seconds: float) -> None:
        """Let it pass, and let come what does."""
        self.slept.append(seconds)
        self.now_s += seconds
        self.meanwhile()


def gathering(gather_within_ms: int) -> tuple[Intake, Clock]:
    """An intake whose clock the test moves; its loop has always taken in all answers."""
    clock = Clock()
    limits = WriterLimits(loop_within_ms=0, gather_within_ms=gather_within_ms)
    return Intake(limits, now_s=clock.read, sleep=clock.sleep), clock


def take(intake: Intake, *, commands: int) -> int:
    """How many are taken once so many more have come."""
    for _ in range(commands):
        intake.put(job())
    return len(intake.take(None) or [])


def test_a_unit_that_comes_alone_never_waits_for_others() -> None:
    """One caller at a time would pay for company that cannot come."""
    intake, clock = gathering(LONG_MS)
    for _ in range(3):
        assert 1 == take(intake, commands=1)
        clock.now_s += 1

    assert [] == clock.slept


def test_those_that_come_together_let_others_join_for_as_long_as_a_batch_takes() -> None:
    """Waiting so long costs less than the batch that the others would need."""
    intake, clock = gathering(LONG_MS)
    take(intake, commands=1)
    clock.now_s += 0.5
    clock.meanwhile = lambda: intake.put(job())

    assert 3 == take(intake, commands=2)
    assert [0.5] == clock.slept


def test_the_callers_of_the_last_batch_are_waited_for() -> None:
    """They come back with the next command of their calls, one after the other."""
    intake, clock = gathering(LONG_MS)
    take(intake, commands=1)
    take(intake, commands=2)
    clock.slept.clear()
    clock.now_s += 0.5

    assert 1 == take(intake, commands=1)
    assert 1 == take(intake, commands=1)
    assert [0.5] == clock.slept


def test_callers_that_have_gone_are_not_waited_for() -> None:
    """The first of a quiet hour is alone, whatever was before."""
    intake, clock = gathering(LONG_MS)
    take(intake, commands=2)
    clock.slept.clear()
    clock.on_wait = 0.06

    assert 1 == take(intake, commands=1)
    assert [] == clock.slept


def test_nobody_waits_longer_for_others_than_the_limit() -> None:
    """A batch may have taken seconds, when the database was away."""
    intake, clock = gathering(5)
    take(intake, commands=1)
    clock.now_s += 60

    assert 2 == take(intake, commands=2)
    assert [0.005] == clock.slept


def test_a_full_batch_waits_for_nobody() -> None:
    """There is no room for more."""
    intake, clock = gathering(LONG_MS)
    full = WriterLimits().batch_max

    assert full == take(intake, commands=full + 1)
    assert [] == clock.slept
