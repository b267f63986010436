"""The identical action asked again while it waits: one checkpoint, many ids of one query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.vocabulary import PrincipalType
from tests.harness import Client, Failure, Stage, staged
from tests.service.asking import DELETE, approval, blocked, rejection


@pytest.fixture
async def anywhere(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server on each store in turn."""
    async with staged(database_url, tmp_path) as running:
        await running.budget()
        yield running


def asked(request_id: str = "", **fields: Any) -> pb.QueryRequest:
    """The action that is asked again."""
    return pb.QueryRequest(**{"text": DELETE, "request_id": request_id or str(uuid4()), **fields})


async def twice(client: Client, **fields: Any) -> tuple[Failure, str]:
    """Ask, and ask the same under another id: the first refusal, and the second id."""
    first, again = await blocked(client), asked(**fields)
    second = await client.fail(client.pipeline.Query, again)

    assert (first.reason, dict(first.metadata)) == (second.reason, dict(second.metadata))
    return first, again.request_id


async def pending(stage: Stage) -> int:
    """How many checkpoints wait for a person."""
    person = stage.person()
    request = cb.CountPendingCheckpointsRequest()
    counted = await person.call(person.checkpoints.CountPendingCheckpoints, request)
    return int(counted.pending)


async def reserved(stage: Stage) -> int:
    """How much the identity's budget holds."""
    person = stage.person()
    (budget,) = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets
    return int(budget.reserved_nanousd)


async def shown(client: Client, request_id: str) -> message_pb2.Query:
    """The query that an id names."""
    request = pb.GetQueryRequest(request_id=request_id)
    query: message_pb2.Query = (await client.call(client.pipeline.GetQuery, request)).query
    return query


async def approve(stage: Stage, failure: Failure) -> None:
    """A person says yes."""
    person = stage.person()
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))


async def test_twenty_identical_asks_at_once_are_one_checkpoint(anywhere: Stage) -> None:
    """A person is asked once, the money is held once, and all twenty are told of the same query."""
    client = anywhere.client()
    requests = [asked() for _ in range(20)]

    failures = await asyncio.gather(
        *(client.fail(client.pipeline.Query, request) for request in requests)
    )

    listed = await client.call(client.pipeline.ListQueries, pb.ListQueriesRequest())
    (query,) = listed.queries
    assert {"CHECKPOINT_PENDING"} == {each.reason for each in failures}
    assert {query.request_id} == {each.metadata["request_id"] for each in failures}
    assert 1 == len({each.metadata["checkpoint_id"] for each in failures})
    assert 1 == await pending(anywhere)
    assert query.request_id in {request.request_id for request in requests}
    held = await reserved(anywhere)
    await client.fail(client.pipeline.Query, asked(text="Delete all archived notes"))
    assert 2 * held == await reserved(anywhere)


async def test_every_id_reads_continues_and_repeats_the_first_query(anywhere: Stage) -> None:
    """Whoever kept only the second id misses nothing, before the run and after it."""
    client = anywhere.client()
    first, alias = await twice(client)
    first_id = first.metadata["request_id"]
    blocked_query = await shown(client, alias)
    watching = asyncio.create_task(
        client.events(client.pipeline.Watch, pb.WatchRequest(request_id=alias))
    )
    await approve(anywhere, first)

    continued, error = await client.events(
        client.pipeline.Continue, pb.ContinueRequest(request_id=alias)
    )
    watched, _ = await watching
    run, _ = await client.events(client.pipeline.Run, pb.RunRequest(query=asked(alias)))
    answers = [await client.call(client.pipeline.Query, asked(each)) for each in (first_id, alias)]

    assert (first_id, message_pb2.QUERY_STATE_BLOCKED) == (
        blocked_query.request_id,
        blocked_query.state,
    )
    assert error is None
    for events in (continued, watched, run):
        assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == events[-1].type
        assert {first_id} == {event.request_id for event in events}
    assert answers[0] == answers[1]
    assert first_id == answers[1].query.request_id
    assert 1 == anywhere.upstream.arrivals_total


async def test_what_has_ended_is_read_under_every_id(stage: Stage) -> None:
    """Watched, continued or cancelled: it stays as it ended, and nothing runs again."""
    client = stage.client()
    first, alias = await twice(client)
    await approve(stage, first)
    answer = await client.call(client.pipeline.Query, asked(alias))

    watched, _ = await client.events(client.pipeline.Watch, pb.WatchRequest(request_id=alias))
    continued, error = await client.events(
        client.pipeline.Continue, pb.ContinueRequest(request_id=alias)
    )
    cancelled = await client.call(
        client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=alias)
    )

    assert error is None
    assert watched == continued
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == watched[-1].type
    assert answer.query == cancelled.query == await shown(client, alias)
    assert 1 == stage.upstream.arrivals_total


async def test_a_cancel_under_another_id_cancels_the_first_query(stage: Stage) -> None:
    """And with it the checkpoint and the money; no id of it is ever asked anew."""
    client = stage.client()
    first, alias = await twice(client)

    cancelled = await client.call(
        client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=alias)
    )
    again = await client.fail(client.pipeline.Query, asked(alias))

    assert (first.metadata["request_id"], message_pb2.QUERY_STATE_CANCELLED) == (
        cancelled.query.request_id,
        cancelled.query.state,
    )
    assert "QUERY_CANCELLED" == again.reason
    assert (0, 0) == (await pending(stage), await reserved(stage))


async def test_a_running_query_is_cancelled_and_waited_for_under_another_id(stage: Stage) -> None:
    """Its run is the first one's: there is no other to stop."""
    client = stage.client()
    first, alias = await twice(client)
    await approve(stage, first)
    stage.upstream.hold()
    asking = asyncio.create_task(client.fail(client.pipeline.Query, asked(alias)))
    await stage.upstream.until_open(1)

    request = pb.CancelQueryRequest(request_id=alias)
    cancelled = await client.call(client.pipeline.CancelQuery, request)
    refused = await asking

    assert message_pb2.QUERY_STATE_CANCELLED == cancelled.query.state
    assert "QUERY_CANCELLED" == refused.reason


async def test_who_asks_under_another_id_keeps_the_first_query_running(stage: Stage) -> None:
    """The caller that took it up may leave: somebody still waits for the answer."""
    client = stage.client()
    first, alias = await twice(client)
    await approve(stage, first)
    stage.upstream.hold()
    continuing = client.pipeline.Continue(
        pb.ContinueRequest(request_id=first.metadata["request_id"]),
        metadata=client.metadata,
        timeout=20,
    )
    await anext(aiter(continuing))
    asking = asyncio.create_task(client.outcome(client.pipeline.Query, asked(alias)))
    await stage.upstream.until_open(1)
    run = next(iter(stage.application.pipeline._runs.values()))
    async with asyncio.timeout(10):
        while run._attached < 2:  # noqa: ASYNC110 - nobody tells when a call is attached
            await asyncio.sleep(0.01)

    continuing.cancel()
    async with asyncio.timeout(10):
        while run._attached > 1:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    abandoning = run._abandoning
    stage.upstream.release()

    assert abandoning is None
    assert await asking is None


async def test_a_persons_no_is_told_under_every_id(stage: Stage) -> None:
    """A retry with another id is no way around it, nor is a second question under that id."""
    client, person = stage.client(), stage.person()
    first, alias = await twice(client)
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(first))

    refused = await client.fail(client.pipeline.Query, asked(alias))

    assert "CHECKPOINT_REJECTED" == refused.reason
    assert first.metadata["checkpoint_id"] == refused.metadata["checkpoint_id"]


async def test_asking_again_for_what_is_approved_and_not_used_runs_that(stage: Stage) -> None:
    """The yes was for exactly this action: nobody is asked a second time."""
    client = stage.client()
    first = await blocked(client)
    await approve(stage, first)

    answer = await client.call(client.pipeline.Query, asked())

    assert first_of(first) == answer.query.request_id
    assert (1, 0) == (stage.upstream.arrivals_total, await pending(stage))


async def test_of_many_who_ask_for_what_is_approved_it_runs_once(stage: Stage) -> None:
    """Who comes while it waits for its run is answered by it; who comes later asks a new thing."""
    client = stage.client()
    first = await blocked(client)
    await approve(stage, first)

    outcomes = await asyncio.gather(
        *(client.outcome(client.pipeline.Query, asked()) for _ in range(5))
    )

    late = [outcome for outcome in outcomes if outcome is not None]
    assert len(late) < 5
    assert {"CHECKPOINT_PENDING"} >= {outcome.reason for outcome in late}
    assert first.metadata["checkpoint_id"] not in {
        outcome.metadata["checkpoint_id"] for outcome in late
    }
    assert 1 == stage.upstream.arrivals_total


async def test_a_query_that_has_ended_or_runs_is_not_attached_to(stage: Stage) -> None:
    """What waits no more answers no new question: a person is asked again."""
    client, person = stage.client(), stage.person()
    rejected = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(rejected))
    second = await blocked(client, resume_on_approval=True)
    stage.upstream.hold()
    await approve(stage, second)
    await stage.upstream.until_open(1)

    third = await blocked(client)
    stage.upstream.release()

    failures = (rejected, second, third)
    assert 3 == len({each.metadata["checkpoint_id"] for each in failures})
    assert {"CHECKPOINT_PENDING"} == {each.reason for each in failures}


async def test_what_no_approval_binds_may_differ_and_the_firsts_holds(stage: Stage) -> None:
    """How a caller waits is not the action. Asked to run by itself, the first does not begin to."""
    client = stage.client()
    first, alias = await twice(client, detached=True, resume_on_approval=True)

    await approve(stage, first)
    query = await shown(client, alias)
    repeated = await client.fail(client.pipeline.Query, asked(alias))

    assert message_pb2.QUERY_STATE_APPROVED == query.state
    assert "REQUEST_ID_CONFLICT" == repeated.reason
    assert 0 == stage.upstream.arrivals_total


@pytest.mark.parametrize("end", [False, True])
async def test_another_id_is_bound_to_what_was_asked_under_it(stage: Stage, end: bool) -> None:
    """Other content, or another principal's, is a conflict for ever: it never runs anything."""
    client = stage.client()
    _, alias = await twice(client, detached=True)
    if end:
        await client.call(client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=alias))
    other = stage.client(name="other")

    refused = [
        await client.fail(client.pipeline.Query, asked(alias, text="Hello")),
        await client.fail(client.pipeline.Query, asked(alias)),
        await other.fail(other.pipeline.Query, asked(alias, detached=True)),
    ]
    known = await client.fail(client.pipeline.Query, asked(alias, detached=True))

    assert ["REQUEST_ID_CONFLICT"] * 3 == [each.reason for each in refused]
    assert ("QUERY_CANCELLED" if end else "CHECKPOINT_PENDING") == known.reason


async def test_another_principals_ask_has_its_own_checkpoint(stage: Stage) -> None:
    """Also an agent's for another person: an approval says for whom."""
    agent = PrincipalType.AGENT
    clients = [
        stage.client(),
        stage.client(name="other"),
        stage.client(name="backend", type=agent),
        stage.client(name="backend", type=agent, acting_for=["user:carol"]),
        stage.client(name="backend", type=agent, acting_for=["user:dave"]),
    ]

    failures = [await blocked(client) for client in clients]

    assert 5 == len({each.metadata["checkpoint_id"] for each in failures})
    assert 5 == await pending(stage)


async def test_another_id_belongs_to_its_identity(stage: Stage) -> None:
    """Reached from elsewhere it is a violation, like an id that is nowhere."""
    stranger = stage.client("globex")
    _, alias = await twice(stage.client())

    seen = await stranger.fail(stranger.pipeline.GetQuery, pb.GetQueryRequest(request_id=alias))
    stopped = await stranger.fail(
        stranger.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=alias)
    )

    assert "IDENTITY_BOUNDARY_VIOLATION" == seen.reason == stopped.reason
    assert 1 == await pending(stage)


async def test_a_stream_under_another_id_shows_the_first_querys_log(stage: Stage) -> None:
    """`Run` ends at the block, as it does under the first id."""
    client = stage.client()
    first, alias = await twice(client)

    events, error = await client.events(client.pipeline.Run, pb.RunRequest(query=asked(alias)))

    assert error is not None
    assert (first.reason, dict(first.metadata)) == (error.reason, dict(error.metadata))
    assert event_pb2.EVENT_TYPE_PIPELINE_BLOCKED == events[-1].type
    assert {first.metadata["request_id"]} == {event.request_id for event in events}


async def test_the_ledger_says_which_query_an_ask_was_attached_to(stage: Stage) -> None:
    """Whoever looks for the second id finds what became of it."""
    person = stage.person()
    first, alias = await twice(stage.client())

    listed = await person.call(person.audit.ListEntries, ab.ListEntriesRequest(resource_id=alias))

    (entry,) = listed.entries
    assert (ab.LEDGER_DECISION_BLOCK, "CHECKPOINT_PENDING") == (entry.decision, entry.reason)
    assert first.metadata["request_id"] in entry.payload


async def test_other_ids_are_known_after_a_restart(sqlite_url: str, tmp_path: Path) -> None:
    """They stand in the database, not in a process."""
    async with staged(sqlite_url, tmp_path) as stage:
        await stage.budget()
        first, alias = await twice(stage.client())
    async with staged(sqlite_url, tmp_path) as stage:
        client = stage.client()
        query = await shown(client, alias)
        again = await client.fail(client.pipeline.Query, asked(alias))

    assert first.metadata["request_id"] == query.request_id == again.metadata["request_id"]


async def test_two_workers_ask_a_person_once(postgres_url: str, tmp_path: Path) -> None:
    """The second id may come to another worker, be watched at a third and continued anywhere."""
    async with (
        staged(postgres_url, tmp_path) as one,
        staged(postgres_url, tmp_path) as two,
    ):
        await one.budget()
        clients = [one.client(), two.client()]
        requests = [asked() for _ in range(20)]
        failures = await asyncio.gather(
            *(
                clients[number % 2].fail(clients[number % 2].pipeline.Query, request)
                for number, request in enumerate(requests)
            )
        )
        first = failures[0]
        waiting = await pending(one)
        await approve(two, first)
        aliases = [each.request_id for each in requests if each.request_id != first_of(first)]
        answers = await asyncio.gather(
            *(
                clients[number % 2].call(clients[number % 2].pipeline.Query, asked(alias))
                for number, alias in enumerate(aliases)
            )
        )

    assert 1 == waiting == len({each.metadata["checkpoint_id"] for each in failures})
    assert {first_of(first)} == {answer.query.request_id for answer in answers}
    assert 1 == one.upstream.arrivals_total + two.upstream.arrivals_total


async def by_query(client: Client, request_id: str) -> Failure | None:
    """Ask for a whole answer."""
    return await client.outcome(client.pipeline.Query, asked(request_id))


async def by_run(client: Client, request_id: str) -> Failure | None:
    """Ask for a stream."""
    request = pb.RunRequest(query=asked(request_id))
    return (await client.events(client.pipeline.Run, request))[1]


async def by_continue(client: Client, request_id: str) -> Failure | None:
    """Take up what was approved."""
    request = pb.ContinueRequest(request_id=request_id)
    return (await client.events(client.pipeline.Continue, request))[1]


@pytest.mark.parametrize("ask", [by_query, by_run, by_continue])
async def test_what_another_worker_has_approved_runs_where_somebody_watches(
    ask: Callable[[Client, str], Awaitable[Failure | None]], postgres_url: str, tmp_path: Path
) -> None:
    """What the watcher was last told is not the answer, and it is told the rest in order."""
    async with (
        staged(postgres_url, tmp_path) as one,
        staged(postgres_url, tmp_path) as two,
    ):
        await one.budget()
        client = one.client()
        first, alias = await twice(client)
        watching = client.pipeline.Watch(
            pb.WatchRequest(request_id=alias), metadata=client.metadata, timeout=30
        )
        async for response in watching:
            if response.event.type == event_pb2.EVENT_TYPE_PIPELINE_BLOCKED:
                break
        await approve(two, first)
        error = await ask(client, first_of(first))
        rest = [response.event.type async for response in watching]

    assert error is None
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == rest[-1]
    assert rest.index(event_pb2.EVENT_TYPE_LLM_CALL_START) < rest.index(
        event_pb2.EVENT_TYPE_LLM_CALL_DELTA
    )


def first_of(failure: Failure) -> str:
    """The id of the query that waits."""
    return failure.metadata["request_id"]
