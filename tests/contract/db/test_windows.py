"""The windows of identities, shared by processes: as exact as those of one that is alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.engine import IdentityWindows
from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.windows import IDENTITY_WINDOWS, Counted, SharedWindows
from tests.contract.db.conftest import rows_of
from tests.contract.db.gate import until
from tests.dice import examples
from tests.stores import Postgres

SECOND_US = 1_000_000
BEGIN_US = 1_795_003_200_000_000
WAITING = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
LIMIT = {"limit": 10, "window_us": 60 * SECOND_US, "burst": 0, "burst_window_us": 1, "block_us": 0}


def windows(**limit: int) -> Callable[[], IdentityWindows]:
    """Makes empty windows."""
    return lambda: IdentityWindows(**{**LIMIT, **limit}, keys_max=1_000)


@dataclass
class Clock:
    """A process's batch time."""

    now_us: int = BEGIN_US

    def __call__(self) -> int:
        """Now."""
        return self.now_us


@dataclass
class Processes:
    """Two processes' windows on one database, each with a clock of its own."""

    url: str
    clocks: tuple[Clock, Clock] = field(default_factory=lambda: (Clock(), Clock()))
    limit: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.both = tuple(
            SharedWindows(
                self.url,
                windows=windows(**self.limit),
                longest_us=60 * SECOND_US,
                now_us=clock,
            )
            for clock in self.clocks
        )

    async def close(self) -> None:
        """Let go of the connections."""
        for each in self.both:
            await each.close()

    async def arrive(self, number: int, identity_id: str = "acme") -> Counted:
        """A call at one of them."""
        return await self.both[number % 2].arrive(identity_id)


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[Processes]:
    """Ten calls a minute."""
    processes = Processes(postgres_url)
    yield processes
    await processes.close()


def verdicts(arrivals: list[Counted]) -> Counter[str]:
    """How many of each."""
    return Counter(each.verdict for each in arrivals)


async def test_calls_at_several_processes_share_one_window(two: Processes) -> None:
    """All at once, in whatever order they reach the database; and who waits as told gets in."""
    arrivals = await asyncio.gather(*(two.arrive(number) for number in range(60)))
    for clock in two.clocks:
        clock.now_us += 60 * SECOND_US - 1
    early = await two.arrive(0)
    for clock in two.clocks:
        clock.now_us += early.retry_after_us
    again = await asyncio.gather(*(two.arrive(number) for number in range(60)))

    assert {"admitted": 10, "limited": 50} == verdicts(arrivals) == verdicts(again)
    assert ("limited", 1) == (early.verdict, early.retry_after_us)


async def test_clocks_that_differ_make_no_room(two: Processes) -> None:
    """One process is two seconds behind the other, and an hour after a step."""
    two.clocks[1].now_us -= 2 * SECOND_US
    first = [await two.arrive(number) for number in range(20)]
    two.clocks[1].now_us -= 3_600 * SECOND_US
    then = [await two.arrive(number) for number in range(20)]

    assert {"admitted": 10, "limited": 10} == verdicts(first)
    assert {"limited": 20} == verdicts(then)


async def test_a_block_holds_at_every_process(postgres_url: str) -> None:
    """Whoever breaks the limit at one is blocked at all, and listed at all."""
    processes = Processes(postgres_url, limit={"block_us": 120 * SECOND_US})
    for _ in range(10):
        await processes.arrive(0)
    broke, blocked = await processes.arrive(0), await processes.arrive(1)
    state = await processes.both[1].state("acme")
    listed = [await each.blocked() for each in processes.both]
    other = await processes.both[1].state("other")
    await processes.close()

    assert ("limited", "blocked") == (broke.verdict, blocked.verdict)
    assert broke.retry_after_us == blocked.retry_after_us == 120 * SECOND_US
    assert ("acme", 10, 10, BEGIN_US + 120 * SECOND_US) == state
    assert [[state], [state]] == listed
    assert ("other", 0, 0, 0) == other


async def test_who_is_decided_at_the_same_time_is_decided_in_turn(two: Processes) -> None:
    """Each would else count on what the other is just about to change."""
    await two.arrive(0)
    locked = sa.select(IDENTITY_WINDOWS).with_for_update()
    with writer_engine(two.url).connect() as holder, holder.begin():
        holder.execute(locked)
        calls = [asyncio.create_task(two.arrive(number)) for number in range(40)]
        await until(lambda: holder.scalar(WAITING) == 2)
    arrivals = await asyncio.gather(*calls)

    assert {"admitted": 9, "limited": 31} == verdicts(arrivals)


async def test_a_call_that_is_given_back_makes_room_everywhere(two: Processes) -> None:
    """Its id proved known: it was no new work. Its process's clock may be behind the other's."""
    two.clocks[1].now_us -= SECOND_US
    arrived = [await two.arrive(number) for number in range(10)]
    two.both[1].give_back("acme", arrived[-1].arrived_us)
    await two.arrive(1, "other")  # decided behind it

    assert "admitted" == (await two.arrive(0)).verdict
    assert "limited" == (await two.arrive(0)).verdict


async def test_processes_that_meet_in_many_identities_do_not_wait_for_each_other(
    two: Processes,
) -> None:
    """In opposite orders, all of them new: neither is ended as one of two that wait in a ring."""
    names = [f"identity {number}" for number in range(40)]
    calls = [
        two.arrive(number, name)
        for _ in range(10)
        for number, order in ((0, names), (1, names[::-1]))
        for name in order
    ]

    assert {"admitted": 400, "limited": 400} == verdicts(list(await asyncio.gather(*calls)))


async def test_who_brings_nothing_any_more_leaves_no_row(two: Processes) -> None:
    """A name that is seen once must not stay for ever; one that is blocked stays till its end."""
    await two.arrive(0, "once")
    for clock in two.clocks:
        clock.now_us += 61 * SECOND_US
    await two.arrive(1, "now")
    await two.arrive(0, "now")

    assert [("now",)] == rows_of(two.url, sa.select(IDENTITY_WINDOWS.c.identity_id))


CUT_OFF = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_a_connection_that_was_lost_costs_nobody_its_call(two: Processes) -> None:
    """It is noticed by the first call after it, which asks again on another one."""
    await two.arrive(0)
    with writer_engine(two.url).begin() as connection:
        connection.execute(CUT_OFF)

    assert ("admitted", 2) == (await two.arrive(0))[::3]


async def test_an_arrival_is_refused_while_the_database_is_away(
    two: Processes, postgres: Postgres
) -> None:
    """Nothing could be decided anyway; afterwards it is counted again."""
    await two.arrive(0)
    name = sa.make_url(two.url).database
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    postgres.execute(str(CUT_OFF).replace("current_database()", f"'{name}'"))
    with pytest.raises(GovernanceUnavailable):
        await two.arrive(0)
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert ("admitted", 2) == (await two.arrive(0))[::3]


async def test_who_waits_for_a_row_to_be_made_holds_none(two: Processes) -> None:
    """Another process makes it, and is about to lock one that is there: never in a ring."""
    await two.arrive(0, "there")
    with writer_engine(two.url).connect() as other, other.begin():
        made = {"admissions_us": b"", "blocked_until_us": 0, "counts_until_us": 0}
        other.execute(sa.insert(IDENTITY_WINDOWS).values(identity_id="made", **made))
        # The first of them goes alone, and the others are decided together.
        calls = [asyncio.ensure_future(two.both[0].arrive(name)) for name in ("", "made", "there")]
        await until(lambda: other.scalar(WAITING))
        there = IDENTITY_WINDOWS.c.identity_id == "there"
        locked = sa.select(IDENTITY_WINDOWS).where(there).with_for_update(nowait=True)
        assert 1 == len(other.execute(locked).all())

    assert {"admitted": 3} == verdicts(list(await asyncio.gather(*calls)))


@pytest.fixture(scope="module")
def shared_url(postgres: Postgres) -> Iterator[str]:
    """One database for all examples."""
    url = postgres.migrated()
    yield url
    postgres.drop(url)


arrivals = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from("ab"), st.integers(0, 8 * SECOND_US)), max_size=40
)


@examples(12)
@given(steps=arrivals, block_s=st.sampled_from([0, 5]))
def test_they_decide_as_one_process_would(
    shared_url: str, steps: list[tuple[int, str, int]], block_s: int
) -> None:
    """Call by call: verdict, wait and what is used."""
    limit = {"limit": 4, "window_us": 20 * SECOND_US, "burst": 2, "burst_window_us": SECOND_US}
    limit["block_us"] = block_s * SECOND_US
    alone = windows(**limit)()
    with writer_engine(shared_url).begin() as connection:
        connection.execute(sa.delete(IDENTITY_WINDOWS))

    async def together() -> list[tuple[str, int, int]]:
        clock = Clock()
        processes = Processes(shared_url, clocks=(clock, clock), limit=limit)
        told = []
        for number, identity_id, gap_us in steps:
            clock.now_us += gap_us
            arrival = await processes.arrive(number, identity_id)
            told.append((arrival.verdict, arrival.retry_after_us, arrival.used))
        await processes.close()
        return told

    now_us, expected = BEGIN_US, []
    for _, identity_id, gap_us in steps:
        now_us += gap_us
        arrival = alone.arrive(identity_id, now_us)
        used = alone.state(identity_id, now_us).used
        expected.append((arrival.verdict, arrival.retry_after_us, used))

    assert expected == asyncio.run(together())
