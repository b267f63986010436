"""At most so many checkpoints of an identity wait for a person: exactly, whoever asks and where."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Failure, Stage, staged
from tests.service.asking import approval, blocked, rejection

ASKED = 143
LIMIT = 100


@pytest.fixture
async def anywhere(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server with the default limit, on each store in turn."""
    async with staged(database_url, tmp_path) as running:
        await running.budget()
        yield running


def text_of(number: int) -> str:
    """An action like no other."""
    return f"Delete all archived items of year {number:03}"


async def ask_all(*clients: Client, count: int = ASKED) -> list[tuple[str, Failure]]:
    """So many different actions at once, by turns: the id of each, and how it was refused."""
    requests = [
        pb.QueryRequest(request_id=str(uuid4()), text=text_of(number)) for number in range(count)
    ]
    asking = [
        client.fail(client.pipeline.Query, request)
        for number, request in enumerate(requests)
        for client in (clients[number % len(clients)],)
    ]
    failures = await asyncio.gather(*asking)
    return [(each.request_id, got) for each, got in zip(requests, failures, strict=True)]


def reasons(outcomes: Sequence[tuple[str, Failure]]) -> dict[str, int]:
    """How often each reason was given."""
    return dict(Counter(failure.reason for _, failure in outcomes))


async def pending(person: Client) -> int:
    """How many checkpoints wait."""
    request = cb.CountPendingCheckpointsRequest()
    counted = await person.call(person.checkpoints.CountPendingCheckpoints, request)
    return int(counted.pending)


async def test_of_143_at_once_exactly_100_wait(anywhere: Stage) -> None:
    """The others leave nothing: no query, no entry, no money held; one more decided is one more."""
    client, person = anywhere.client(), anywhere.person()

    outcomes = await ask_all(client)

    refused = [(id_, each) for id_, each in outcomes if each.reason == "CHECKPOINT_LIMIT"]
    waiting = [each for _, each in outcomes if each.reason == "CHECKPOINT_PENDING"]
    assert {"CHECKPOINT_PENDING": LIMIT, "CHECKPOINT_LIMIT": ASKED - LIMIT} == reasons(outcomes)
    assert LIMIT == await pending(person)
    request_id, failure = refused[0]
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, {"limit": "100"}) == (
        failure.code,
        dict(failure.metadata),
    )
    await nothing_is_recorded(anywhere, request_id)
    (budget,) = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(waiting[0]))
    after = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets[0]
    assert budget.reserved_nanousd == LIMIT * (budget.reserved_nanousd - after.reserved_nanousd)
    more = [await blocked(client, f"Delete note {number}") for number in range(2)]
    assert ["CHECKPOINT_PENDING", "CHECKPOINT_LIMIT"] == [each.reason for each in more]


async def nothing_is_recorded(stage: Stage, request_id: str) -> None:
    """The id is nobody's, and the ledger knows nothing of it."""
    client, person = stage.client(), stage.person()
    request = pb.GetQueryRequest(request_id=request_id)
    seen = await client.fail(client.pipeline.GetQuery, request)
    listed = await person.call(
        person.audit.ListEntries, ab.ListEntriesRequest(resource_id=request_id)
    )
    about_it = [each for each in listed.entries if each.decision != ab.LEDGER_DECISION_VIOLATION]

    assert "IDENTITY_BOUNDARY_VIOLATION" == seen.reason
    assert [] == about_it


async def test_a_refused_id_is_free_for_the_same_call_later(
    sqlite_url: str, tmp_path: Path
) -> None:
    """What the caller is told to do works: once a person has decided, the same call waits."""
    async with staged(sqlite_url, tmp_path, {"limits.pending_max": 1}) as stage:
        await stage.budget()
        client, person, request_id = stage.client(), stage.person(), str(uuid4())
        first = await blocked(client, text_of(1))
        refused = await blocked(client, text_of(2), request_id=request_id)
        await person.call(person.checkpoints.ResolveCheckpoint, approval(first))
        again = await blocked(client, text_of(2), request_id=request_id)

    assert ("CHECKPOINT_LIMIT", "CHECKPOINT_PENDING") == (refused.reason, again.reason)
    assert request_id == again.metadata["request_id"]


async def test_only_what_would_wait_besides_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    """The same ask again, an ordinary query, a denial and another identity's ask are not."""
    async with staged(sqlite_url, tmp_path, {"limits.pending_max": 1}) as stage:
        await stage.budget()
        await stage.budget("globex", limit_nanousd=1)
        await stage.budget("initech")
        client, globex, initech = stage.client(), stage.client("globex"), stage.client("initech")
        first = await blocked(client, text_of(1))
        attached = await blocked(client, text_of(1))
        answered = await client.query("Hello")
        elsewhere = await blocked(initech, text_of(1))
        denied = await blocked(globex, text_of(1))
        refused = await blocked(client, text_of(2))

    assert first.metadata["request_id"] == attached.metadata["request_id"]
    assert answered.answer.text
    assert "CHECKPOINT_PENDING" == elsewhere.reason
    assert "BUDGET_EXHAUSTED" == denied.reason
    assert "CHECKPOINT_LIMIT" == refused.reason


@pytest.mark.parametrize("end", ["approve", "reject", "cancel", "expire"])
async def test_whatever_ends_the_wait_makes_room(sqlite_url: str, tmp_path: Path, end: str) -> None:
    """An approval that is not used yet waits for its caller, and for no person."""
    async with staged(sqlite_url, tmp_path, {"limits.pending_max": 1}) as stage:
        await stage.budget()
        client, person = stage.client(), stage.person()
        first = await blocked(client, text_of(1))
        request_id = first.metadata["request_id"]
        if end == "cancel":
            request = pb.CancelQueryRequest(request_id=request_id)
            await client.call(client.pipeline.CancelQuery, request)
        elif end == "expire":
            stage.sql("UPDATE checkpoints SET expires_us = created_us")
            await stage.application.sweeper.expire()
        else:
            decided = approval(first) if end == "approve" else rejection(first)
            await person.call(person.checkpoints.ResolveCheckpoint, decided)
        second = await blocked(client, text_of(2))
        third = await blocked(client, text_of(3))

    assert ("CHECKPOINT_PENDING", "CHECKPOINT_LIMIT") == (second.reason, third.reason)


async def test_zero_switches_it_off(sqlite_url: str, tmp_path: Path) -> None:
    """As it does every other limit."""
    async with staged(sqlite_url, tmp_path, {"limits.pending_max": 0}) as stage:
        await stage.budget()
        outcomes = await ask_all(stage.client(), count=LIMIT + 5)

    assert {"CHECKPOINT_PENDING": LIMIT + 5} == reasons(outcomes)


async def test_a_refusal_at_the_cap_and_another_id_count_as_new_work(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Else the cap could be knocked at for nothing. A known id is given back, as ever."""
    settings = {"limits.pending_max": 1, "limits.identity_limit": 4}
    async with staged(sqlite_url, tmp_path, settings) as stage:
        await stage.budget()
        client, alias = stage.client(), str(uuid4())
        told = [
            await blocked(client, text_of(1)),
            await blocked(client, text_of(1), request_id=alias),
            *[await blocked(client, text_of(1), request_id=alias) for _ in range(5)],
            await blocked(client, text_of(2)),
            await blocked(client, text_of(2)),
            await blocked(client, text_of(2)),
        ]

    assert ["CHECKPOINT_PENDING"] * 7 + ["CHECKPOINT_LIMIT"] * 2 + ["RATE_LIMITED"] == [
        each.reason for each in told
    ]


async def test_two_workers_share_one_cap(postgres_url: str, tmp_path: Path) -> None:
    """143 asks at two servers of one database: not one more waits than may."""
    async with (
        staged(postgres_url, tmp_path) as one,
        staged(postgres_url, tmp_path) as two,
    ):
        await one.budget()
        outcomes = await ask_all(one.client(), two.client())
        waiting = await pending(one.person())

    assert {"CHECKPOINT_PENDING": LIMIT, "CHECKPOINT_LIMIT": ASKED - LIMIT} == reasons(outcomes)
    assert LIMIT == waiting
