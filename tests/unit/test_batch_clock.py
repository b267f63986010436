"""The batches' time goes on after a step of the database's clock, and never goes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chenu_server.command import Moment
from chenu_server.infra.db.clock import BatchClock
from tests.dice import examples

HOUR_US = 3_600_000_000
START_US = 1_800_000_000_000_000


class Scene:
    """A database whose clock steps, and one worker's batches on it."""

    def __init__(self) -> None:
        self.mono_ns = 5_000_000_000
        self.step_us = 0
        self.last_us = 0
        self.clock = BatchClock(lambda: self.mono_ns)

    def passes(self, us: int) -> None:
        """Time goes by."""
        self.mono_ns += us * 1_000

    def batch(self, clock: BatchClock | None = None) -> int:
        """A batch that records something, of this worker or another one."""
        clock_us = START_US + self.mono_ns // 1_000 + self.step_us
        self.last_us = (clock or self.clock).moment(clock_us, self.mono_ns, self.last_us).now_us
        return self.last_us


def test_it_is_the_databases_clock() -> None:
    """Two processes' own clocks differ; the database has one."""
    scene = Scene()

    assert START_US + 5_000_000 == scene.batch()
    scene.passes(7)
    assert START_US + 5_000_007 == scene.batch()


def test_set_back_it_goes_on_at_its_own_pace() -> None:
    """A slot that is due in a minute is due in a minute, and not in an hour."""
    scene = Scene()
    before = scene.batch()
    scene.step_us = -HOUR_US
    scene.passes(60_000_000)

    assert before + 60_000_000 == scene.batch()


def test_set_ahead_and_back_again_it_goes_on() -> None:
    """What was recorded in the hour that never was stays recorded; nothing stands still for it."""
    scene = Scene()
    scene.batch()
    scene.step_us = HOUR_US
    ahead = scene.batch()
    scene.step_us = 0
    scene.passes(1_000)

    assert START_US + 5_000_000 + HOUR_US == ahead
    assert ahead + 1_000 == scene.batch()


def test_two_workers_on_a_clock_that_was_set_back_lose_no_time() -> None:
    """Each finds the other's batch behind its own; neither takes the pause between for nothing."""
    scene, other = Scene(), BatchClock()
    before = scene.batch()
    scene.batch(other)
    scene.step_us = -HOUR_US
    for _ in range(60):
        scene.passes(500_000)
        scene.batch()
        scene.passes(500_000)
        scene.batch(other)

    assert before + 60_000_000 == scene.last_us


def test_between_batches_it_tells_what_the_next_would_say() -> None:
    """Who waits for a slot compares its time with this, and never with a clock of the process."""
    scene = Scene()
    scene.step_us = -2 * HOUR_US
    now_us = scene.batch()
    scene.passes(123)

    assert now_us + 123 == scene.clock.now_us()


@examples(200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10_000_000),
            st.one_of(st.just(0), st.integers(-2 * HOUR_US, 2 * HOUR_US)),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_no_step_takes_it_back(steps: list[tuple[int, int, bool]]) -> None:
    """Nor does it fall behind the time that went by, whichever worker's turn it was."""
    scene, other = Scene(), BatchClock()
    scene.batch()
    scene.batch(other)
    for pause_us, step_us, is_others in steps:
        before = scene.last_us
        scene.passes(pause_us)
        scene.step_us += step_us
        scene.batch(other if is_others else scene.clock)
        assert before <= scene.last_us
    by_clock = START_US + scene.mono_ns // 1_000 + scene.step_us

    assert by_clock <= scene.last_us


def test_a_restart_goes_on_from_what_was_recorded() -> None:
    """No monotonic clock reaches over it."""
    fresh = BatchClock(lambda: 9_000)

    assert Moment(START_US, 0) == fresh.moment(START_US - HOUR_US, 0, START_US)
    assert START_US + 9 == fresh.now_us()
