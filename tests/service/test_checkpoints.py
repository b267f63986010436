"""A query that needs a person: blocked, decided once, run once, exactly as approved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.vocabulary import PrincipalType, Role
from tests.harness import IDENTITY_ROLES, Client, Failure, Stage, staged
from tests.service.asking import DELETE, approval, blocked, rejection


@pytest.mark.parametrize("text", [DELETE, "Supprime tous mes anciens fils"])
async def test_a_destructive_query_is_blocked_before_any_provider(stage: Stage, text: str) -> None:
    """The 423: nothing ran, in either language."""
    failure = await blocked(stage.client(), text)

    assert grpc.StatusCode.FAILED_PRECONDITION == failure.code
    assert "CHECKPOINT_PENDING" == failure.reason
    assert "423" == failure.metadata["http_status"]
    assert "destructive_action" == failure.metadata["types"]
    assert "-1" == failure.trailers["grpc-retry-pushback-ms"]
    assert 0 == stage.upstream.arrivals_total


async def test_a_blocked_query_shows_all_seven_lanes(stage: Stage) -> None:
    """The two that wait for the person are there, and pending."""
    client = stage.client()
    failure = await blocked(client)

    shown = await client.call(
        client.pipeline.GetQuery, pb.GetQueryRequest(request_id=failure.metadata["request_id"])
    )

    pending = message_pb2.LANE_STATUS_PENDING
    assert list(message_pb2.Lane.values())[1:] == [report.lane for report in shown.query.lanes]
    assert [message_pb2.LANE_STATUS_BLOCKED, pending, pending] == [
        report.status for report in shown.query.lanes[4:]
    ]


async def test_an_approved_query_runs_once_and_only_when_continued(stage: Stage) -> None:
    """The approval opens the way; the run is the caller's, and there is one."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    before = stage.upstream.arrivals_total
    request = pb.ContinueRequest(request_id=failure.metadata["request_id"])

    first, error = await client.events(client.pipeline.Continue, request)
    second, again = await client.events(client.pipeline.Continue, request)

    assert (0, 1) == (before, stage.upstream.arrivals_total)
    assert (None, None) == (error, again)
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == first[-1].type
    assert [event.sequence for event in first] == [event.sequence for event in second]


async def test_resume_on_approval_runs_without_being_asked(stage: Stage) -> None:
    """A caller that cannot wait says so beforehand."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client, resume_on_approval=True)
    request = pb.WatchRequest(request_id=failure.metadata["request_id"])

    watching = asyncio.create_task(client.events(client.pipeline.Watch, request))
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    events, error = await watching

    assert error is None
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == events[-1].type
    assert 1 == stage.upstream.arrivals_total


async def test_an_approved_query_is_judged_with_the_roles_it_was_asked_with(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A policy that let it through to a person would else refuse it after the approval."""
    (tmp_path / "operator.cedar").write_text(
        '@id("admins_only")\nforbid (principal, action == Action::"submit", resource)\n'
        'unless { principal.roles.contains(Role::"budget_admin") };\n'
    )
    async with staged(sqlite_url, tmp_path, {"policies.operator_dir": str(tmp_path)}) as stage:
        await stage.budget()
        client, person = stage.client(roles=IDENTITY_ROLES), stage.person()
        failure = await blocked(client)
        await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))

        _, error = await client.events(
            client.pipeline.Continue, pb.ContinueRequest(request_id=failure.metadata["request_id"])
        )

    assert error is None


async def test_a_rejection_ends_the_query_and_nothing_runs(stage: Stage) -> None:
    """No is no: the money goes back and the same id stays rejected."""
    client, person = stage.client(), stage.person()
    request_id = str(uuid4())
    failure = await blocked(client, request_id=request_id)
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(failure))

    again = await blocked(client, request_id=request_id)
    shown = await client.call(client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id))

    assert "CHECKPOINT_REJECTED" == again.reason
    assert message_pb2.QUERY_STATE_REJECTED == shown.query.state
    assert 0 == stage.upstream.arrivals_total


async def test_fifty_approvals_at_once_have_one_winner_and_one_run(stage: Stage) -> None:
    """The loser learns who won; the provider is called once."""
    client = stage.client()
    failure = await blocked(client, resume_on_approval=True)
    people = [stage.person(name=f"person-{number}") for number in range(50)]

    async def decide(person: Client) -> str:
        try:
            await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "won"

    outcomes = await asyncio.gather(*map(decide, people))
    watch = pb.WatchRequest(request_id=failure.metadata["request_id"])
    events, _ = await client.events(client.pipeline.Watch, watch)
    late = await people[0].fail(people[0].checkpoints.ResolveCheckpoint, approval(failure))

    assert (1, 49) == (outcomes.count("won"), outcomes.count("ABORTED"))
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == events[-1].type
    assert 1 == stage.upstream.arrivals_total
    assert "CHECKPOINT_ALREADY_RESOLVED" == late.reason
    assert late.metadata["winner"].startswith("user:person-")


async def test_the_same_decision_id_gives_the_same_answer(stage: Stage) -> None:
    """A person's retry is not a second decision."""
    person = stage.person()
    failure = await blocked(stage.client())
    request = approval(failure)

    first = await person.call(person.checkpoints.ResolveCheckpoint, request)
    second = await person.call(person.checkpoints.ResolveCheckpoint, request)

    assert first == second


@pytest.mark.parametrize("decide", [approval, rejection])
async def test_the_winners_decision_id_is_nobody_elses(
    stage: Stage, decide: Callable[[Failure], cb.ResolveCheckpointRequest]
) -> None:
    """Bob, who sends what Ann has sent, is told that she decided and not that he did."""
    ann, bob = stage.person(name="ann"), stage.person(name="bob")
    request = decide(await blocked(stage.client()))
    await ann.call(ann.checkpoints.ResolveCheckpoint, request)

    refused = await bob.fail(bob.checkpoints.ResolveCheckpoint, request)

    assert (grpc.StatusCode.ABORTED, "CHECKPOINT_ALREADY_RESOLVED") == (
        refused.code,
        refused.reason,
    )
    assert "user:ann" == refused.metadata["winner"]


@pytest.mark.parametrize("kind", [PrincipalType.AGENT, PrincipalType.SERVICE])
async def test_only_a_person_approves(stage: Stage, kind: PrincipalType) -> None:
    """An agent with every role still is no person."""
    machine = stage.client(roles=IDENTITY_ROLES, type=kind, name="machine")
    failure = await blocked(stage.client())

    refused = await machine.fail(machine.checkpoints.ResolveCheckpoint, approval(failure))

    assert "ROLE_REQUIRED" == refused.reason
    assert {"role": "approver", "principal_type": "user"} == dict(refused.metadata)


async def test_a_person_of_another_identity_is_refused_like_for_a_missing_id(
    stage: Stage,
) -> None:
    """Existence elsewhere is nobody's business."""
    stranger = stage.person("other")
    failure = await blocked(stage.client())

    there = await stranger.fail(stranger.checkpoints.ResolveCheckpoint, approval(failure))
    missing = await stranger.fail(
        stranger.checkpoints.ResolveCheckpoint, approval(failure, checkpoint_id=str(uuid4()))
    )

    assert "IDENTITY_BOUNDARY_VIOLATION" == there.reason == missing.reason
    assert set(there.metadata) == set(missing.metadata)


async def test_an_approval_of_another_action_than_the_one_shown_is_refused(stage: Stage) -> None:
    """What a person saw is what runs."""
    person = stage.person()
    failure = await blocked(stage.client())

    refused = await person.fail(
        person.checkpoints.ResolveCheckpoint,
        approval(failure, expected_action_digest=bytes(32)),
    )

    assert "INVALID_FIELD" == refused.reason


async def test_a_rejection_needs_a_reason(stage: Stage) -> None:
    """Whoever asked must learn why not."""
    person = stage.person()
    failure = await blocked(stage.client())
    request = approval(failure, decision=cb.CHECKPOINT_DECISION_REJECT)

    refused = await person.fail(person.checkpoints.ResolveCheckpoint, request)

    assert ("INVALID_FIELD", "reason") == (refused.reason, refused.metadata["field"])


async def test_a_cancelled_query_takes_its_checkpoint_along(stage: Stage) -> None:
    """A person never decides on what nobody wants any more."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    request_id = failure.metadata["request_id"]
    await client.call(client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id))

    late = await person.fail(person.checkpoints.ResolveCheckpoint, approval(failure))
    again = await blocked(client, request_id=request_id)

    assert "CHECKPOINT_CANCELLED" == late.reason
    assert "QUERY_CANCELLED" == again.reason


async def test_only_the_requester_or_an_approver_withdraws_a_checkpoint(stage: Stage) -> None:
    """A colleague without the role cannot make a request go away."""
    failure = await blocked(stage.client())
    colleague = stage.client(roles=(Role.MEMBER,), name="colleague")
    request = cb.CancelCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"])

    refused = await colleague.fail(colleague.checkpoints.CancelCheckpoint, request)
    owner = stage.client()
    cancelled = await owner.call(owner.checkpoints.CancelCheckpoint, request)

    assert "ROLE_REQUIRED" == refused.reason
    assert checkpoint_pb2.CHECKPOINT_STATE_CANCELLED == cancelled.checkpoint.state


async def test_pending_checkpoints_are_listed_and_counted(stage: Stage) -> None:
    """What waits for people is easy to find."""
    person = stage.person()
    texts = [f"Delete all archived items of {year}" for year in (2021, 2022, 2023)]
    made = [await blocked(stage.client(), text) for text in texts]

    count = await person.call(
        person.checkpoints.CountPendingCheckpoints, cb.CountPendingCheckpointsRequest()
    )
    first = await person.call(
        person.checkpoints.ListCheckpoints, cb.ListCheckpointsRequest(page_size=2)
    )
    second = await person.call(
        person.checkpoints.ListCheckpoints,
        cb.ListCheckpointsRequest(page_size=2, page_token=first.next_page_token),
    )

    shown = [each.checkpoint_id for each in (*first.checkpoints, *second.checkpoints)]
    assert 3 == count.pending
    assert [each.metadata["checkpoint_id"] for each in reversed(made)] == shown
    assert "" == second.next_page_token


async def test_what_nobody_decides_expires_and_says_so_to_who_waits(stage: Stage) -> None:
    """A watcher learns it, the money goes back, and the same id stays expired."""
    client = stage.client()
    failure = await blocked(client)
    request_id = failure.metadata["request_id"]
    watching = asyncio.create_task(
        client.events(client.pipeline.Watch, pb.WatchRequest(request_id=request_id))
    )
    stage.sql("UPDATE checkpoints SET expires_us = created_us")

    await stage.application.sweeper.expire()
    events, error = await watching
    again = await blocked(client, request_id=request_id)

    kinds = [event.type for event in events]
    assert error is None
    assert event_pb2.EVENT_TYPE_CHECKPOINT_EXPIRED in kinds
    assert event_pb2.EVENT_TYPE_PIPELINE_ERROR == kinds[-1]
    assert message_pb2.QUERY_STATE_EXPIRED == events[-1].pipeline_error.query.state
    assert "CHECKPOINT_EXPIRED" == again.reason


async def test_an_approval_that_is_not_used_in_time_is_no_approval(stage: Stage) -> None:
    """Yes holds for as long as was said, and not for ever."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    stage.sql("UPDATE checkpoints SET use_before_us = created_us")

    request = pb.ContinueRequest(request_id=failure.metadata["request_id"])
    _, error = await client.events(client.pipeline.Continue, request)

    assert error is not None
    assert "CHECKPOINT_EXPIRED" == error.reason
    assert 0 == stage.upstream.arrivals_total


async def test_twenty_continue_at_once_and_it_runs_once(stage: Stage) -> None:
    """An approval is used once, whoever uses it; all see the same log."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    request = pb.ContinueRequest(request_id=failure.metadata["request_id"])

    streams = await asyncio.gather(
        *(client.events(client.pipeline.Continue, request) for _ in range(20))
    )

    logs = {tuple(event.sequence for event in events if event.sequence) for events, _ in streams}
    assert [None] * 20 == [error for _, error in streams]
    assert (1, 1) == (len(logs), stage.upstream.arrivals_total)


async def test_only_an_approved_query_is_continued(stage: Stage) -> None:
    """Whoever continues too early is told what it waits for; nothing runs."""
    client = stage.client()
    failure = await blocked(client)
    request = pb.ContinueRequest(request_id=failure.metadata["request_id"])

    _, error = await client.events(client.pipeline.Continue, request)

    assert error is not None
    assert (failure.reason, failure.metadata) == (error.reason, error.metadata)
    assert 0 == stage.upstream.arrivals_total


async def test_an_entry_says_who_decided_how_they_signed_in_and_with_what(
    funded: Stage,
) -> None:
    """As far as the token says; of what it does not, nothing is made up."""
    plain = funded.token({"acme": IDENTITY_ROLES}, type=PrincipalType.USER, name="ann")
    claims = jwt.decode(plain, options={"verify_signature": False})
    claims |= {"amr": ["pwd", "otp"], "azp": "approvals.example"}
    told = funded.with_token(jwt.encode(claims, funded.issuer.key, algorithm="HS256"))
    payloads: list[tuple[str, dict[str, Any]]] = []
    for person in (told, funded.with_token(plain)):
        failure = await blocked(funded.client(), f"Delete the notes of {len(payloads)}")
        await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
        request = ab.ListEntriesRequest(
            resource_id=failure.metadata["request_id"], decision=ab.LEDGER_DECISION_APPROVE
        )
        (entry,) = (await person.call(person.audit.ListEntries, request)).entries
        payloads.append((str(entry.principal.id), json.loads(entry.payload)))

    names = ("amr", "client")
    assert [
        ("ann", {"amr": ["pwd", "otp"], "client": "approvals.example"}),
        ("ann", {}),
    ] == [(who, {name: it[name] for name in names if name in it}) for who, it in payloads]
