"""When a provider that failed is asked again: later each time, and never too soon."""

from __future__ import annotations

import random

import pytest

from chenu_server.pipeline.lanes.backoff import BASE_S, WAIT_MAX_S, Backoff
from chenu_server.providers.model import Billing, ProviderFailure, Retry


class Clock:
    """A time that goes on when it is told to."""

    now = 100.0

    def read(self) -> float:
        """What it is."""
        return self.now


def failure(after_ms: int | None = None, *, needs_operator: bool = False) -> ProviderFailure:
    """One that may pass, unless only the operator can mend it."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=Billing.FREE,
        kind="http_503",
        detail="",
        retry_after_ms=after_ms,
        needs_operator=needs_operator,
    )


def waits(seed: int, count: int) -> list[float]:
    """The waits after so many failures in a row."""
    backoff = Backoff(random.Random(seed), Clock().read)
    found = []
    for _ in range(count):
        backoff.failed("groq", failure())
        found.append(backoff.wait_s("groq"))
    return found


def test_each_failure_doubles_the_wait_up_to_its_bound() -> None:
    """A random half of it, so that nobody waits for nothing or for ever."""
    for seed in range(50):
        for count, wait_s in enumerate(waits(seed, 9)):
            full_s = min(BASE_S * 2**count, WAIT_MAX_S)
            assert full_s / 2 <= wait_s <= full_s + 1e-9


def test_the_same_dice_wait_alike_and_others_do_not() -> None:
    """A run can be repeated, and a hundred queries that failed together come back apart."""
    assert waits(7, 3) == waits(7, 3)
    assert 100 == len({waits(seed, 1)[0] for seed in range(100)})


def test_a_time_that_was_told_is_not_cut_short_and_goes_by() -> None:
    """Whoever asks sooner is throttled anew, and others with him."""
    clock = Clock()
    backoff = Backoff(random.Random(1), clock.read)
    backoff.failed("groq", failure(1_500))

    assert pytest.approx(1.5) == backoff.wait_s("groq")
    clock.now += 1
    assert pytest.approx(0.5) == backoff.wait_s("groq")
    clock.now += 1
    assert backoff.wait_s("groq") == 0


def test_who_has_not_failed_and_what_no_wait_mends_is_asked_at_once() -> None:
    """The next provider is idle; a wrong key is as wrong in a second."""
    backoff = Backoff(random.Random(1), Clock().read)
    backoff.failed("groq", failure())
    backoff.failed("openai", failure(9_000, needs_operator=True))

    assert (0, 0) == (backoff.wait_s("mistral"), backoff.wait_s("openai"))
