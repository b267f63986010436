"""What a step must show, and how it says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final, TypeVar

from chenu import errors

NANO: Final = Decimal(10) ** 9
POLL_S: Final = 0.02
PATIENCE_S: Final = 20.0

T = TypeVar("T")
E = TypeVar("E", bound=errors.ChenuError)


class Unproven(Exception):
    """Something did not hold."""


def prove(holds: bool, what: str) -> None:
    """
    Go on only if it holds.

    Raises:
        Unproven: It does not.
    """
    if not holds:
        raise Unproven(what)


def same(expected: object, actual: object, what: str) -> None:
    """
    Go on only if they are equal.

    Raises:
        Unproven: They are not; the message shows both.
    """
    prove(expected == actual, f"{what}: expected {expected!r}, found {actual!r}")


async def refused(kind: type[E], call: Awaitable[object]) -> E:
    """
    The refusal that a call must end with.

    Raises:
        Unproven: It was done, or refused otherwise.
    """
    try:
        answer = await call
    except kind as error:
        return error
    except errors.ChenuError as error:
        raise Unproven(
            f"expected {kind.__name__}, found {type(error).__name__}: {error}"
        ) from error
    raise Unproven(f"expected {kind.__name__}, but it was done: {answer!r}"[:500])


async def until(ready: Callable[[], bool], what: str) -> None:
    """
    Wait until something is so.

    Raises:
        Unproven: It was not so within `PATIENCE_S`.
    """
    end_s = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(ready):
        prove(time.monotonic() < end_s, f"{what}: not within {PATIENCE_S:g} s")
        await asyncio.sleep(POLL_S)


def usd(nanousd: int) -> str:
    """Money for people, exact."""
    return f"{Decimal(nanousd) / NANO:f} USD"


def ms(duration: timedelta | float) -> str:
    """A time for people; a float is in seconds."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    return f"{seconds * 1_000:.1f} ms"
