"""Readers that take nothing: ended in time, held up by nobody, told once they read again."""

from __future__ import annotations

import asyncio
import gc
import logging
from asyncio import TimerHandle
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import structlog

from chenu.api.governance.v1 import audit_service_pb2 as audit
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.infra.rpc.interceptors import chain
from chenu_server.infra.rpc.interceptors.write_limit import WriteLimit
from chenu_server.pipeline.log import QueryLog
from tests.harness import Client, Stage, eventually, staged
from tests.http2 import Connection, connected
from tests.service.asking import approval, blocked
from tests.service.cases import AUDIT, PIPELINE

SOON = {"pipeline.write_timeout_s": 1, "log.level": "info"}
RUN, WATCH, CONTINUE = f"{PIPELINE}Run", f"{PIPELINE}Watch", f"{PIPELINE}Continue"
EXPORT = f"{AUDIT}ExportEntries"

Call = tuple[Client, Any]  # who calls, and with which request


class Patience:
    """The server's patience with its readers, which ends when a test says."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers: list[Callable[[], None]] = []

    def limit(self, _loop: object, limit_s: float) -> WriteLimit:
        """A limit on the writes of the current task, by this clock."""
        return WriteLimit(cast("Any", self), limit_s)

    def time(self) -> float:
        """It stands still."""
        return self._now_s

    def call_at(self, _due_s: float, act: Callable[[], None]) -> TimerHandle:
        """Nothing is called before the end."""
        self._timers.append(act)
        return TimerHandle(0, act, (), asyncio.get_running_loop())

    async def end(self) -> None:
        """Once a message is being written: all the time that it had is over."""

        async def begun() -> bool:
            return bool(self._timers)

        await eventually(begun)
        self._now_s += 1e6
        timers, self._timers = self._timers, []
        for act in timers:
            act()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Patience:
    """What a test does before this ends, it does in time."""
    made = Patience()
    monkeypatch.setattr(chain, "WriteLimit", made.limit)
    return made


@asynccontextmanager
async def on_stage(
    database_url: str, folder: Path, **settings: Any
) -> AsyncIterator[tuple[Stage, Connection]]:
    """A server with a budget, and a connection to it that has no window."""
    chosen = {key.replace("__", "."): value for key, value in settings.items()}
    async with staged(database_url, folder, {**SOON, **chosen}) as stage:
        await stage.budget()
        async with connected(stage.application.port) as connection:
            yield stage, connection


async def watched(stage: Stage) -> Call:
    """A query that has ended, to be read."""
    client, request_id = stage.client(), str(uuid4())
    await client.query("Hello", request_id=request_id)
    return client, pb.WatchRequest(request_id=request_id)


async def run(stage: Stage) -> Call:
    """A query to be run."""
    return stage.client(), pb.RunRequest(query=pb.QueryRequest(text="Hello"))


async def continued(stage: Stage) -> Call:
    """A query that a person has approved."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client, f"Delete item {uuid4()}")  # one asked again is another's
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    return client, pb.ContinueRequest(request_id=failure.metadata["request_id"])


async def exported(stage: Stage) -> Call:
    """The ledger, which holds an entry at least."""
    return stage.operator(), audit.ExportEntriesRequest()


CASES = {RUN: run, WATCH: watched, CONTINUE: continued, EXPORT: exported}


async def begun(connection: Connection, method: str, call: Call) -> int:
    """A stream whose first message is held up."""
    client, request = call
    number = connection.call(method, request.SerializeToString(), client.metadata)
    await until_headers(connection, number)
    return number


async def until_headers(connection: Connection, number: int) -> None:
    """Wait until the server has something to send."""

    async def answered() -> bool:
        return bool(connection.streams[number].headers)

    await eventually(answered)


def slow(lines: Sequence[Any]) -> int:
    """How many calls the access log says were ended for their reader."""
    return sum(line.get("outcome") == "SLOW_CONSUMER" for line in lines)


async def until_slow(lines: Sequence[Any], count: int = 1) -> None:
    """Wait until so many readers were ended."""

    async def logged() -> bool:
        return slow(lines) == count

    await eventually(logged)


@pytest.mark.parametrize("method", CASES)
async def test_a_reader_that_takes_nothing_is_ended_and_told_when_it_reads(
    sqlite_url: str, tmp_path: Path, method: str
) -> None:
    """Whichever stream it is: the log says so in time, the caller once it can be told."""
    async with on_stage(sqlite_url, tmp_path) as (stage, connection):
        call = await CASES[method](stage)
        with structlog.testing.capture_logs() as lines:
            number = await begun(connection, method, call)
            await until_slow(lines)
            told_before = connection.streams[number].ended
            connection.open_window(number)
            stream = await connection.until_ended(number)

    assert not told_before
    assert b"SLOW_CONSUMER" in stream.trailers
    assert 1 == len(stream.messages)
    assert 1 == slow(lines)


async def test_what_was_held_up_comes_whole_and_the_status_names_what_came_before(
    sqlite_url: str, tmp_path: Path, patience: Patience
) -> None:
    """A reader that takes the sequence for its cursor misses nothing."""
    async with on_stage(sqlite_url, tmp_path) as (stage, connection):
        client, request = await watched(stage)
        request.MergeFrom(pb.WatchRequest(after=event_pb2.Cursor(sequence=3)))
        with structlog.testing.capture_logs() as lines:
            number = await begun(connection, WATCH, (client, request))
            await patience.end()
            await until_slow(lines)
        connection.open_window(number)
        stream = await connection.until_ended(number)

    (sent,) = stream.messages
    assert 4 == pb.WatchResponse.FromString(sent).event.sequence
    assert b"\n\x08sequence\x12\x013" in stream.trailers


async def test_its_place_is_free_for_another_reader(
    sqlite_url: str, tmp_path: Path, patience: Patience
) -> None:
    """Readers that hang use up an identity's streams for a while, never for ever."""
    async with on_stage(sqlite_url, tmp_path, pipeline__watchers_max=1) as (stage, connection):
        client, request = await watched(stage)
        await begun(connection, WATCH, (client, request))
        full = await client.fail(client.pipeline.Watch, request)
        await patience.end()

        async def served() -> bool:
            return await client.outcome(client.pipeline.Watch, request) is None

        await eventually(served)

    assert "SERVER_OVERLOADED" == full.reason


@pytest.mark.parametrize("reads", [True, False])
async def test_what_an_identity_leaves_unread_is_bounded(
    sqlite_url: str, tmp_path: Path, patience: Patience, reads: bool
) -> None:
    """It stays in memory until the reader reads or leaves, so it must not add up."""
    async with on_stage(sqlite_url, tmp_path, pipeline__unread_max=1) as (stage, connection):
        client, request = await watched(stage)
        with structlog.testing.capture_logs() as lines:
            number = await begun(connection, WATCH, (client, request))
            await patience.end()
            await until_slow(lines)
        full = await client.fail(client.pipeline.Watch, request)
        other = stage.client("other")
        elsewhere = await other.fail(other.pipeline.Watch, request)
        connection.open_window(number) if reads else connection.close()

        async def served() -> bool:
            return await client.outcome(client.pipeline.Watch, request) is None

        await eventually(served)

    assert "SERVER_OVERLOADED" == full.reason
    assert "unread streams of this identity" == full.metadata["resource"]
    assert "IDENTITY_BOUNDARY_VIOLATION" == elsewhere.reason


async def test_it_holds_no_log(sqlite_url: str, tmp_path: Path, patience: Patience) -> None:
    """What a reader does not read is not kept in memory for it."""
    async with on_stage(sqlite_url, tmp_path) as (stage, connection):
        client, request = await watched(stage)
        await begun(connection, WATCH, (client, request))
        held = logs_of(request.request_id)
        await patience.end()

        async def gone() -> bool:
            return not logs_of(request.request_id)

        await eventually(gone)

    assert 1 == held


def logs_of(request_id: str) -> int:
    """How many logs of a query are in memory."""
    gc.collect()
    logs = [each for each in gc.get_objects() if isinstance(each, QueryLog)]
    return sum(log.key[1] == request_id for log in logs)


async def test_it_does_not_keep_a_query_that_nobody_else_waits_for(
    sqlite_url: str, tmp_path: Path, patience: Patience
) -> None:
    """Whoever takes nothing is not attached: the query is abandoned like any other."""
    async with on_stage(sqlite_url, tmp_path, pipeline__abandon_after_ms=10) as (stage, connection):
        stage.upstream.hold()
        client, request_id = stage.client(), str(uuid4())
        query = pb.QueryRequest(text="Hello", request_id=request_id)
        await begun(connection, RUN, (client, pb.RunRequest(query=query)))
        await patience.end()

        async def cancelled() -> bool:
            request = pb.GetQueryRequest(request_id=request_id)
            shown = await client.call(client.pipeline.GetQuery, request)
            return bool(message_pb2.QUERY_STATE_CANCELLED == shown.query.state)

        await eventually(cancelled)
        running = stage.application.pipeline.running

    assert 0 == running


@pytest.mark.parametrize("method", CASES)
async def test_a_drain_waits_for_no_reader_that_was_ended(
    sqlite_url: str, tmp_path: Path, method: str
) -> None:
    """Three that take nothing would hold a deployment up for its whole grace."""
    async with AsyncExitStack() as stack:
        settings = {**SOON, "server.drain_grace_s": 600}
        running = await stack.enter_async_context(AsyncExitStack())
        stage = await running.enter_async_context(staged(sqlite_url, tmp_path, settings))
        await stage.budget()
        connection = await stack.enter_async_context(connected(stage.application.port))
        with structlog.testing.capture_logs() as lines:
            for _ in range(3):
                await begun(connection, method, await CASES[method](stage))
            draining = asyncio.create_task(running.aclose())
            drained, _ = await asyncio.wait({draining}, timeout=30)
            connection.close()  # else a drain that does wait would do so for its whole grace
            await draining

    assert {draining} == drained
    assert 3 == slow(lines)


async def test_one_that_leaves_without_its_status_is_no_error(
    sqlite_url: str, tmp_path: Path, patience: Patience, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody needs to look into it, so nothing is written that says so."""
    async with on_stage(sqlite_url, tmp_path, log__level="debug") as (stage, connection):
        with structlog.testing.capture_logs() as lines:
            await begun(connection, WATCH, await watched(stage))
            await patience.end()
            await until_slow(lines)
            connection.close()

            async def noticed() -> bool:
                return any(line["event"] == "status_not_taken" for line in lines)

            await eventually(noticed)

    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.usefixtures("patience")
async def test_a_reader_that_is_merely_late_is_served(sqlite_url: str, tmp_path: Path) -> None:
    """Within its time a reader may do as it likes."""
    async with on_stage(sqlite_url, tmp_path) as (stage, connection):
        number = await begun(connection, WATCH, await watched(stage))
        connection.open_window(number)
        stream = await connection.until_ended(number)

    assert b"grpc-status\x010" in stream.trailers
    events = [event_of(each) for each in stream.messages]
    sequences = [event.sequence for event in events if event.sequence]
    assert list(range(1, len(sequences) + 1)) == sequences
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == events[-1].type


def event_of(message: bytes) -> event_pb2.Event:
    """The event in an answer of `Watch`."""
    return pb.WatchResponse.FromString(message).event
