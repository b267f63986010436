"""Limits through the binding, against models that remember everything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from chenu_server import _core
from tests.binding import samples


@given(
    gaps=st.lists(st.integers(0, 9), max_size=60),
    limit=st.integers(1, 5),
    window_us=st.integers(1, 30),
)
def test_a_window_admits_exactly_what_fits(gaps: list[int], limit: int, window_us: int) -> None:
    """Never one more in any span, never one refused while there is room."""
    windows = samples.windows(limit=limit, window_us=window_us, burst=0, block_us=0)
    admitted: list[int] = []
    now_us = 1_000
    for gap in gaps:
        now_us += gap
        counted = [time for time in admitted if now_us - time < window_us]
        room = len(counted) < limit
        wait_us = 0 if room else counted[-limit] + window_us - now_us
        arrival = windows.arrive("acme", now_us)

        assert ("admitted" if room else "limited", wait_us) == (
            arrival.verdict,
            arrival.retry_after_us,
        )
        admitted += [now_us] if room else []


class Model:
    """Start-time fair queuing with a list that is sorted anew for each question."""

    def __init__(self) -> None:
        self.virtual_time = 0
        self.waiting: list[tuple[str, int]] = []
        self.starts: dict[str, int] = {}
        self.fresh: dict[str, bool] = {}

    def join(self, identity: str, ticket: int) -> None:
        """Append a call; an identity without one starts now, or where it went on."""
        if identity not in {who for who, _ in self.waiting}:
            self.starts[identity] = max(self.virtual_time, self.starts.get(identity, 0))
            self.fresh[identity] = True
        self.waiting.append((identity, ticket))

    def order(self) -> list[tuple[int, bool, int, str]]:
        """All calls as they would be served."""
        seen: dict[str, int] = {}
        turns = []
        for identity, ticket in self.waiting:
            place = seen.get(identity, 0)
            seen[identity] = place + 1
            later = place > 0 or not self.fresh[identity]
            turns.append((self.starts[identity] + place, later, ticket, identity))
        return sorted(turns)

    def take(self) -> int | None:
        """Serve the first."""
        if not self.waiting:
            return None
        tag, _, ticket, identity = self.order()[0]
        self.virtual_time = tag
        self.starts[identity], self.fresh[identity] = tag + 1, False
        self.waiting.remove((identity, ticket))
        return ticket


@given(steps=st.lists(st.sampled_from(["take", "a", "b", "c"]), max_size=60))
def test_the_queue_serves_as_its_model_does(steps: list[str]) -> None:
    """Order and places follow from the rule alone, not from how the engine keeps them."""
    queue, model = _core.FairQueue(waiting_max=100), Model()
    for ticket, step in enumerate(steps):
        if step == "take":
            assert model.take() == queue.take()
        else:
            model.join(step, ticket)
            queue.join(step, ticket)
        order = [turn[2] for turn in model.order()]
        assert list(range(len(order))) == [queue.place(ticket) for ticket in order]
        assert (order[0] if order else None, len(order)) == (queue.next(), len(queue))


def test_threads_together_are_admitted_exactly_the_limit() -> None:
    """The windows are shared by the threads of a process."""
    windows = samples.windows(limit=500, burst=0, block_us=0)

    with ThreadPoolExecutor(8) as threads:
        arrivals = list(threads.map(lambda _: windows.arrive("acme", 0).verdict, range(2_000)))

    assert 500 == arrivals.count("admitted")


def test_a_bucket_tells_the_exact_wait() -> None:
    """The wait ends up in RetryInfo as it is."""
    buckets = _core.CallBuckets(rate_per_s=3, burst=1, keys_max=10)

    assert 0 == buckets.take("acme", 0)
    assert 333_334 == buckets.take("acme", 0)
    assert 1 == buckets.take("acme", 333_333)
    assert 0 == buckets.take("acme", 333_334)
