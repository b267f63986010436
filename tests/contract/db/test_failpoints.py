"""Failpoints do nothing until they are armed, and then exactly what was asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chenu_server import failpoints

# Its result is asserted, which a function without one does not allow.
HIT: Callable[[str], object] = failpoints.hit


def test_an_idle_point_does_nothing() -> None:
    """They stand in the path of every decision."""
    failpoints.arm("other=error")

    assert HIT("admit.before_commit") is None


def test_a_point_acts_once_on_the_hit_that_was_named() -> None:
    """A crash test kills at the n-th commit, and the server must work again after an error."""
    failpoints.arm("a=error@2; b=sleep:0")
    failpoints.hit("b")
    failpoints.hit("a")
    with pytest.raises(failpoints.FailpointError, match="a"):
        failpoints.hit("a")

    assert HIT("a") is None


def test_a_clock_is_wrong_from_the_reading_that_was_named() -> None:
    """It steps while a server runs, and stays there; a clock that nobody set is right."""
    failpoints.arm("clock.offset=shift:-2000@3; clock.database=shift:3600000")

    readings = [failpoints.shift_us("clock.offset") for _ in range(4)]

    assert [0, 0, -2_000_000, -2_000_000] == readings
    assert 3_600_000_000 == failpoints.shift_us("clock.database")
    assert 0 == failpoints.shift_us("clock.nobody's")


def test_a_point_waits_for_its_file(tmp_path: Path) -> None:
    """A test makes it when all is in place, however often the server has passed by before."""
    file = tmp_path / "now"
    failpoints.arm(f"a=error@{file}; clock.offset=shift:1000@{file}")
    failpoints.hit("a")
    before = failpoints.shift_us("clock.offset")
    file.touch()
    with pytest.raises(failpoints.FailpointError, match="a"):
        failpoints.hit("a")

    assert HIT("a") is None
    assert (0, 1_000_000, 1_000_000) == (
        before,
        failpoints.shift_us("clock.offset"),
        failpoints.shift_us("clock.offset"),
    )


@pytest.mark.parametrize(
    "action", ["explode", "", "kill@often", "sleep:long", "sleep:-1", "shift", "shift:", "kill@now"]
)
def test_a_mistyped_point_is_refused(action: str) -> None:
    """A crash test whose point never acts would pass for ever."""
    with pytest.raises(ValueError, match="failpoint a: "):
        failpoints.arm(f"a={action}")
