"""When the writer's thread takes what waits: never before the loop has had its turn, never late."""

from __future__ import annotations

import threading
from typing import Any, cast

from chenu_server.infra.db.intake import Intake, Job, WriterLimits

LONG_MS = 10_000


def job() -> Job:
    """A unit that nobody waits for."""
    return Job(cast(Any, object()), None)


def test_a_batch_waits_until_the_loop_has_taken_in_the_last_ones_answers() -> None:
    """The units that those answers bring about belong to it: each commit costs the same."""
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
