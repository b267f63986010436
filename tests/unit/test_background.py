"""Work that is done again and again: nothing that goes wrong in it ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from chenu_server.bootstrap.background import AGAIN_AFTER_FAILURE_S, repeated
from chenu_server.bootstrap.routes import until_midnight_s
from chenu_server.errors import GovernanceUnavailable, Internal

DAY_S = 86_400.0


class Enough(BaseException):
    """Ends a loop that nothing else ends."""


def done_with(failures: list[Exception | None]) -> Callable[[], object]:
    """Work that fails as told, and then has been done often enough."""
    left: Iterator[Exception | None] = iter(failures)

    async def work() -> None:
        failure = next(left, Enough())
        if failure is not None:
            raise failure

    return work


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait was asked to be; none is."""
    asked: list[float] = []

    async def sleep(delay_s: float) -> None:
        asked.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


async def test_neither_a_refusal_nor_a_bug_ends_the_work(slept: list[float]) -> None:
    """It is told in the log, and done again."""
    work = done_with([GovernanceUnavailable(), KeyError("bug"), None])

    with capture_logs() as logs, pytest.raises(Enough):
        await repeated("sweep", work, lambda: 1.0)  # type: ignore[arg-type] # raises as it is told

    told = [(each["log_level"], each["event"], each["work"]) for each in logs]
    assert [
        ("warning", "background_work_refused", "sweep"),
        ("error", "background_work_failed", "sweep"),
    ] == told
    assert [1.0] * 4 == slept


async def test_what_waits_for_a_day_is_tried_again_within_a_minute(slept: list[float]) -> None:
    """Prices that could not be resolved at midnight must not hold for a day more."""
    work = done_with([KeyError("bug"), None])

    with capture_logs(), pytest.raises(Enough):
        await repeated("price", work, lambda: DAY_S)  # type: ignore[arg-type] # as above

    assert [DAY_S, AGAIN_AFTER_FAILURE_S, DAY_S] == slept


@pytest.mark.parametrize("bug", [KeyError("bug"), Internal()])
async def test_a_bug_is_met_again_ever_later(slept: list[float], bug: Exception) -> None:
    """Work that is done every 20 ms would else fill the log with fifty stacks a second."""
    work = done_with([bug] * 2_000 + [None])

    with capture_logs(), pytest.raises(Enough):
        await repeated("others", work, lambda: 0.02)  # type: ignore[arg-type] # as above

    assert [0.02, 0.02, 0.04, 0.08, 0.16] == slept[:5]
    assert [AGAIN_AFTER_FAILURE_S, 0.02] == slept[-2:]


async def test_what_is_only_refused_is_asked_for_as_often_as_ever(slept: list[float]) -> None:
    """Once the database is back, what expired meanwhile must not wait for a minute more."""
    work = done_with([GovernanceUnavailable()] * 9)

    with capture_logs(), pytest.raises(Enough):
        await repeated("sweep", work, lambda: 1.0)  # type: ignore[arg-type] # as above

    assert [1.0] * 10 == slept


def test_a_day_ends_at_its_midnight() -> None:
    """Never later than a day from now, and never at once."""
    assert 0 < until_midnight_s() <= DAY_S + 0.01
