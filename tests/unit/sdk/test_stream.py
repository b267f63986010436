"""A log survives its connections and ends as its query ended."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from chenu import errors
from chenu.aio import Client, Log
from chenu.api.pipeline.v1 import event_pb2, pipeline_service_pb2
from tests.unit.sdk.gateway import (
    Cut,
    Gateway,
    Hang,
    Refuse,
    Step,
    approved,
    blocked,
    busy,
    called,
    completed,
    created,
    delta,
    failed,
    queued,
    started,
    status,
)


async def read(log: Log) -> list[event_pb2.Event]:
    """All events of a log."""
    async with log:
        return [event async for event in log]


async def test_a_run_gives_every_event_and_the_text(client: Client, gateway: Gateway) -> None:
    """The plain case: one connection, one answer."""
    script = [started(), called(), delta(0, "Hel"), delta(3, "lo"), completed(3, 5)]
    gateway.runs = [script]
    log = client.pipeline.run("hello")

    assert script == await read(log)
    assert "Hello" == log.text


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    ],
)
async def test_a_cut_run_is_taken_up_at_its_cursor(
    client: Client, gateway: Gateway, code: grpc.StatusCode
) -> None:
    """Nothing is missed and nothing is repeated, whatever the transport calls the break."""
    gateway.runs = [[started(), called(), delta(0, "Hel"), Cut(code)]]
    gateway.watches = [[delta(0, "Hello"), Cut(code)], [completed(3, 5)]]
    log = client.pipeline.run("hello")

    assert [started(), called(), delta(0, "Hel"), delta(3, "lo"), completed(3, 5)] == await read(
        log
    )
    assert "Hello" == log.text
    assert [
        pipeline_service_pb2.WatchRequest(
            request_id=log.request_id,
            after=event_pb2.Cursor(sequence=2, attempt=1, offset=offset),
        )
        for offset in (3, 5)
    ] == gateway.asked[1:]


async def test_a_run_that_was_cut_before_its_first_event_is_asked_again(
    client: Client, gateway: Gateway
) -> None:
    """The server may not know the query yet, so watching it would be a violation."""
    gateway.runs = [[Cut()], [started(), completed(2, 0)]]

    assert [started(), completed(2, 0)] == await read(client.pipeline.run("hello"))
    first, second = gateway.asked
    assert first == second


async def test_a_log_that_stops_without_its_final_event_is_taken_up(
    client: Client, gateway: Gateway
) -> None:
    """A stream that ends early is an error, never a success."""
    gateway.runs = [[started()]]
    gateway.watches = [[completed(2, 0)]]

    assert [started(), completed(2, 0)] == await read(client.pipeline.run("hello"))


async def test_a_hole_is_read_again(client: Client, gateway: Gateway) -> None:
    """A hole is as bad as a cut, and as curable."""
    gateway.runs = [[started(), completed(3, 0)]]
    gateway.watches = [[called(2), completed(3, 0)]]

    assert [started(), called(2), completed(3, 0)] == await read(client.pipeline.run("hello"))


async def test_a_slow_reader_is_attached_again(client: Client, gateway: Gateway) -> None:
    """The server ends slow readers; the log itself goes on."""
    slow = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER", sequence="1")
    gateway.runs = [[started(), Refuse(slow)]]
    gateway.watches = [[completed(2, 0)]]

    assert [started(), completed(2, 0)] == await read(client.pipeline.run("hello"))


async def test_a_run_ends_with_its_refusal(client: Client, gateway: Gateway) -> None:
    """A refusal before admission is a status only, and is not tried again."""
    gateway.runs = [[Refuse(status(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"))]]

    with pytest.raises(errors.RateRefused):
        await read(client.pipeline.run("hello"))
    assert 1 == len(gateway.asked)


@pytest.mark.parametrize("last", [Cut(), Refuse(status(grpc.StatusCode.DATA_LOSS, "INTERNAL"))])
async def test_a_failed_run_raises_its_outcome_once(
    client: Client, gateway: Gateway, last: Cut | Refuse
) -> None:
    """The final event holds the outcome, so a cut after it loses nothing."""
    gateway.runs = [[started(), failed(2, "POLICY_DENIED", policies="p"), last]]

    with pytest.raises(errors.ChenuError) as caught:
        await read(client.pipeline.run("hello", give_up_s=0))
    assert caught.value.reason == ("POLICY_DENIED" if isinstance(last, Cut) else "INTERNAL")
    assert 1 == len(gateway.asked)


async def test_a_run_that_was_cut_raises_the_outcome_that_the_log_states(
    client: Client, gateway: Gateway
) -> None:
    """`Watch` ends OK after a failure; the caller of `run` must learn of it all the same."""
    gateway.runs = [[started(), called(), delta(0, "abcdef"), Cut()]]
    gateway.watches = [[failed(3, "EXECUTION_INTERRUPTED", 3, outcome_unknown="true")]]
    log = client.pipeline.run("hello")

    with pytest.raises(errors.QueryStopped) as caught:
        await read(log)
    assert caught.value.outcome_unknown
    assert "abc" == log.text


@pytest.mark.parametrize("cut_after", [1, 2, 3])
async def test_a_block_is_raised_wherever_the_connection_breaks(
    client: Client, gateway: Gateway, cut_after: int
) -> None:
    """`Watch` stays open over a block; whoever waits for `run` must not wait for a person."""
    log = [started(1), created(2), blocked(3)]
    gateway.runs = [[*log[:cut_after], Cut()]]
    gateway.watches = [[*log[cut_after:], Hang()]]

    waiting = client.pipeline.run("hello", timeout_s=20)

    with pytest.raises(errors.CheckpointPending) as caught:
        await read(waiting)
    assert "c-1" == caught.value.checkpoint_id
    assert waiting.request_id == caught.value.request_id


async def test_watch_reads_over_a_block_and_ends_without_an_error(
    client: Client, gateway: Gateway
) -> None:
    """Who watches wants the log, whatever the outcome."""
    script = [started(1), created(2), blocked(3), failed(4, "CHECKPOINT_EXPIRED")]
    gateway.watches = [script]

    assert script == await read(client.pipeline.watch("q-1"))


async def test_watch_starts_at_the_cursor_that_is_given(client: Client, gateway: Gateway) -> None:
    """A process that restarts goes on where it was."""
    gateway.watches = [[called(2), Cut()], [completed(3, 0)]]
    after = event_pb2.Cursor(sequence=1)

    assert [called(2), completed(3, 0)] == await read(client.pipeline.watch("q-1", after=after))
    assert event_pb2.Cursor(sequence=1) == after


async def test_resume_continues_an_approved_query(client: Client, gateway: Gateway) -> None:
    """A lost `Continue` may not have brought it to run, and a watch would wait for nothing."""
    gateway.continues = [[called(2), Cut()], [completed(3, 0)]]
    after = event_pb2.Cursor(sequence=1)

    assert [called(2), completed(3, 0)] == await read(client.pipeline.resume("q-1", after=after))
    assert [
        pipeline_service_pb2.ContinueRequest(
            request_id="q-1", after=event_pb2.Cursor(sequence=sequence)
        )
        for sequence in (1, 2)
    ] == gateway.asked


@pytest.mark.parametrize("cut_after", [1, 2, 3, 4])
async def test_a_resumed_log_reads_over_the_block_that_was_lifted(
    client: Client, gateway: Gateway, cut_after: int
) -> None:
    """Its beginning tells of a wait that is over, wherever the connection breaks in it."""
    log = [started(1), created(2), blocked(3), approved(4), completed(5, 0)]
    gateway.continues = [[*log[:cut_after], Cut()], log[cut_after:]]

    assert log == await read(client.pipeline.resume("q-1"))


async def test_a_resumed_query_that_finds_no_room_says_so(client: Client, gateway: Gateway) -> None:
    """The approval is not used up, and when to come back is the caller's decision."""
    gateway.continues = [[started(1), created(2), blocked(3), approved(4), busy("QUEUE_FULL")]]

    with pytest.raises(errors.RateRefused):
        await read(client.pipeline.resume("q-1"))
    assert 1 == len(gateway.asked)


@pytest.mark.parametrize(
    "last",
    [
        Cut(),
        Cut(grpc.StatusCode.CANCELLED),
        busy("SERVER_OVERLOADED"),
        Refuse(status(grpc.StatusCode.UNAVAILABLE, "GOVERNANCE_UNAVAILABLE")),
    ],
)
async def test_a_run_that_only_waited_is_asked_again(
    client: Client, gateway: Gateway, last: Cut | Refuse
) -> None:
    """A place in a queue is not recorded: to watch it would be a boundary violation."""
    answer = [queued(), started(), completed(2, 0)]
    gateway.runs = [[queued(), last], [queued(), last], answer]

    events = await read(client.pipeline.run("hello"))

    assert [queued(), queued(), *answer] == events
    assert 1 == len({asked.SerializeToString() for asked in gateway.asked})
    assert {pipeline_service_pb2.RunRequest} == {type(asked) for asked in gateway.asked}


async def test_a_run_that_waited_and_started_is_watched(client: Client, gateway: Gateway) -> None:
    """From its first recorded event on, the log is there to be watched."""
    gateway.runs = [[queued(), started(), Cut()]]
    gateway.watches = [[completed(2, 0)]]

    assert [queued(), started(), completed(2, 0)] == await read(client.pipeline.run("hello"))


async def test_a_run_that_loses_its_place_is_not_asked_again_too_late(
    client: Client, gateway: Gateway
) -> None:
    """A time behind the deadline is the caller's to know, now."""
    gateway.runs = [[queued(), busy("DEADLINE_UNREACHABLE", retry_s=60)]]

    with pytest.raises(errors.RateRefused) as caught:
        await read(client.pipeline.run("hello", timeout_s=20, give_up_s=600))
    assert caught.value.retry_after is not None
    assert 1 == len(gateway.asked)


async def test_a_quiet_watch_outlives_its_calls(
    client: Client, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query can wait for a person for a day; each call that watches it is shorter."""
    monkeypatch.setattr("chenu.aio.pipeline.WATCH_CALL_TIMEOUT_S", 0.1)
    monkeypatch.setattr("chenu.aio.stream.HELD_S", 0.05)
    gateway.watches = [[Hang()], [Hang()], [Hang()], [started(), completed(2, 0)]]

    assert 2 == len(await read(client.pipeline.watch("q-1", give_up_s=0.05)))


@pytest.mark.parametrize(
    "script", [[started(7)], [Cut(grpc.StatusCode.DEADLINE_EXCEEDED)]], ids=["gap", "deadline"]
)
async def test_answers_that_bring_nothing_new_are_no_progress(
    client: Client, gateway: Gateway, script: list[Step]
) -> None:
    """A log with a hole, or something in front that has no time, is not asked without an end."""
    gateway.watches = [script] * 1_000

    with pytest.raises(errors.ConnectionLost):
        await read(client.pipeline.watch("q-1", give_up_s=0.5))
    assert len(gateway.asked) < 20


async def test_a_final_event_is_the_end_whatever_becomes_of_the_call(
    client: Client, gateway: Gateway
) -> None:
    """The outcome is known: a deadline that passes behind it takes nothing away."""
    gateway.runs = [[started(), completed(2, 0), Hang()]]

    assert 2 == len(await read(client.pipeline.run("hello", timeout_s=0.5)))


async def test_a_connection_that_stays_lost_is_given_up(client: Client, gateway: Gateway) -> None:
    """Trying for ever would hide an outage."""
    gateway.runs = [[started(), Cut()]]
    gateway.watches = [[Cut()]]

    with pytest.raises(errors.ConnectionLost):
        await read(client.pipeline.run("hello", give_up_s=0))
    assert 1 == len(gateway.asked)


async def test_a_query_that_runs_out_of_time_is_not_attached_again(
    client: Client, gateway: Gateway
) -> None:
    """The deadline is the caller's; a log that outlives it would ignore it."""
    gateway.runs = [[started(), Hang()]]

    with pytest.raises(errors.ConnectionLost) as caught:
        await read(client.pipeline.run("hello", timeout_s=0.3))
    assert grpc.StatusCode.DEADLINE_EXCEEDED == caught.value.code
    assert 1 == len(gateway.asked)


async def test_leaving_a_log_ends_its_call(client: Client, gateway: Gateway) -> None:
    """An abandoned call is never collected, so the server would stream to nobody."""
    gateway.runs = [[started(), Hang()]]
    async for _ in client.pipeline.run("hello"):
        break

    assert await asyncio.wait_for(gateway.ended.wait(), 10)


async def test_the_end_of_the_with_block_ends_the_call(client: Client, gateway: Gateway) -> None:
    """Whoever keeps the iterator has still left."""
    gateway.runs = [[started(), Hang()]]
    async with client.pipeline.run("hello") as log:
        events = aiter(log)
        await anext(events)

    assert await asyncio.wait_for(gateway.ended.wait(), 10)
    del events


async def test_a_cancelled_reader_ends_its_call(client: Client, gateway: Gateway) -> None:
    """A task that is cancelled while it waits leaves nothing behind."""
    gateway.runs = [[started(), Hang()]]
    task = asyncio.create_task(read(client.pipeline.run("hello")))
    await asyncio.wait_for(gateway.called.wait(), 10)
    task.cancel()

    assert await asyncio.wait_for(gateway.ended.wait(), 10)


async def test_a_watch_that_begins_at_the_end_just_ends(client: Client, gateway: Gateway) -> None:
    """A reader that keeps its cursor may come back once too often."""
    gateway.watches = [[]]
    log = client.pipeline.watch("q", after=event_pb2.Cursor(sequence=9))

    assert [] == await read(log)
    assert 1 == len(gateway.asked)


async def test_a_deadline_beyond_every_clock_is_one(client: Client, gateway: Gateway) -> None:
    """`inf` means that the caller waits, not that it has waited."""
    gateway.watches = [[started(), completed(2, 0)]]

    assert 2 == len(await read(client.pipeline.watch("q", timeout_s=float("inf"))))
