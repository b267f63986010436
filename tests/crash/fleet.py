"""Three servers on one PostgreSQL, who watches what they run, and how one of them is cut off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

import grpc
import sqlalchemy as sa

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.upstream import Behaviour
from tests.crash.scene import Scene
from tests.crash.site import DONE, Running, Site
from tests.harness import eventually, failure_of

ANSWER: Final = "Es ist sieben Uhr — 七時 — und alles ist gut. " * 6
STREAMED: Final = Behaviour(answer=ANSWER, deltas=12, pace_ms=20)
HALF: Final = ANSWER[: len(ANSWER) // 2]
SAID: Final = Behaviour(answer=ANSWER, deltas=12, held_after=6)
"""Half of it comes while the upstream holds, and the rest once it is released."""
PATIENCE_S: Final = 20.0
WATCH_S: Final = 40.0

_LOSE_LOCK: Final = sa.text(
    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN owners AS o"
    " ON l.classid = ((o.lock_key >> 32) & 4294967295)::oid"
    " AND l.objid = (o.lock_key & 4294967295)::oid"
    " WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND o.label LIKE :label"
)
_LEASE: Final = sa.text("SELECT owner_id, lease_until_us FROM owners WHERE label LIKE :label")
_RUNS_AT: Final = sa.text(
    "SELECT o.label FROM queries AS q JOIN owners AS o ON o.owner_id = q.owner_id"
    " WHERE q.request_id = :request_id"
)
_NOW_US: Final = sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


@asynccontextmanager
async def three(
    site: Site, failpoints: Sequence[str] = ("", "", "")
) -> AsyncIterator[list[Running]]:
    """Three servers, each with failpoints of its own."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(site.running(each)) for each in failpoints]
        await servers[0].fund()
        yield servers


# --- who watches ------------------------------------------------------------------------------


class Watching:
    """Somebody follows a query at a server, from its beginning to its end.

    Attributes:
        texts: What there was of its text after each piece, and when by the monotonic clock.
    """

    def __init__(self, at: Running, scene: Scene) -> None:
        """Begin."""
        self.texts: list[tuple[float, str]] = []
        self._events: list[Any] = []
        self._call = at.backend.pipeline.Watch(
            pb.WatchRequest(request_id=scene.request_id),
            metadata=at.backend.metadata,
            timeout=WATCH_S,
        )
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> str:
        try:
            async for response in self._call:
                self._events.append(response.event)
                if response.event.HasField("llm_call_delta"):
                    said = self.text + response.event.llm_call_delta.text
                    self.texts.append((time.monotonic(), said))
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error)
            return failure.reason or failure.code.name
        return DONE

    @property
    def text(self) -> str:
        """What it has said by now."""
        return self.texts[-1][1] if self.texts else ""

    @property
    def told(self) -> list[tuple[int, int]]:
        """The committed events by now: numbers and types."""
        return [(each.sequence, each.type) for each in self._events if each.sequence]

    @property
    def log(self) -> list[tuple[int, int, str]]:
        """All of it, once it has ended: the committed events, and behind them what is kept of it.

        Of an answer that was never settled more may have been seen than the end says there is.
        """
        kept = self.text.encode()[: self._ended().output_length].decode()
        return [*((*each, "") for each in self.told), (0, 0, kept)]

    @property
    def end(self) -> str:
        """What its last event says that it came to."""
        return str(self._ended().outcome.reason) or DONE

    def _ended(self) -> Any:
        """The query as its last event has it."""
        last = self._events[-1]
        return (
            last.pipeline_error if last.HasField("pipeline_error") else last.pipeline_complete
        ).query

    async def over(self) -> str:
        """What the watching came to, once it is over."""
        return await self._task

    async def until_said(self, length: int) -> None:
        """Wait until it has said so many characters."""

        async def has_text() -> bool:
            return len(self.text) >= length

        await eventually(has_text, PATIENCE_S)


async def log_of(at: Running, scene: Scene) -> list[tuple[int, int, str]]:
    """A query's whole log as a server tells it: numbers and types, and the text of its deltas."""
    watching = Watching(at, scene)
    assert DONE == await watching.over()
    return watching.log


async def until_known(at: Running, scene: Scene) -> None:
    """Wait until a server can be asked about it."""
    request = pb.GetQueryRequest(request_id=scene.request_id)

    async def is_known() -> bool:
        return await at.backend.outcome(at.backend.pipeline.GetQuery, request) is None

    await eventually(is_known)


# --- how one is cut off -----------------------------------------------------------------------


def now_us(site: Site) -> int:
    """The database's clock, by which everything there is dated."""
    with site.database() as database:
        return int(database.scalar(_NOW_US) or 0)


def runs_at(site: Site, scene: Scene, servers: Sequence[Running]) -> int:
    """Which of the servers runs a query."""
    with site.database() as database:
        label = str(database.scalar(_RUNS_AT, {"request_id": scene.request_id}))
    (number,) = (n for n, at in enumerate(servers) if label.endswith(f" pid {at.server.pid}"))
    return number


def lose_lock(site: Site, at: Running) -> None:
    """Break the connection on which a server has the lock that says that it lives."""
    with site.database() as database:
        assert database.execute(_LOSE_LOCK, {"label": _label(at)}).one()


async def until_lease_is_over(site: Site, at: Running, since_s: float) -> None:
    """Wait until a server has not renewed its lease for so long after its end."""

    async def is_over() -> bool:
        with site.database() as database:
            _, until_us = database.execute(_LEASE, {"label": _label(at)}).one()
        return now_us(site) > int(until_us) + since_s * 1_000_000

    await eventually(is_over, PATIENCE_S)


@contextmanager
def shut_out(site: Site, at: Running) -> Iterator[None]:
    """Let a server that lives have neither lock nor lease; all else goes on being written."""
    with site.database() as database:
        # Or it is renewed between the look at it and the rule, which then holds for no row.
        database.execute(sa.text("LOCK TABLE owners IN ACCESS EXCLUSIVE MODE"))
        owner_id, until_us = database.execute(_LEASE, {"label": _label(at)}).one()
        # Who takes over writes to its row too, and leaves the lease as it is.
        rule = f"owner_id <> '{owner_id}' OR lease_until_us <= {until_us}"
        database.execute(sa.text(f"ALTER TABLE owners ADD CONSTRAINT shut_out CHECK ({rule})"))
    lose_lock(site, at)
    try:
        yield
    finally:
        with site.database() as database:
            database.execute(sa.text("ALTER TABLE owners DROP CONSTRAINT shut_out"))


def _label(at: Running) -> str:
    return f"% pid {at.server.pid}"
