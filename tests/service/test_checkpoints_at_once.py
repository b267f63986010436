"""A person's decisions on several checkpoints: all of them in one commit, or none."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Failure, Stage
from tests.service.asking import approval, blocked, rejection

TEXTS = ("Delete all my old threads", "Delete every archived note", "Delete my last invoice")


async def waiting(client: Client, count: int = len(TEXTS), **fields: Any) -> list[Failure]:
    """So many queries that wait for a person, with what each was told."""
    return [await blocked(client, text, **fields) for text in TEXTS[:count]]


def repeated(text: str, failure: Failure) -> pb.QueryRequest:
    """The same question once more."""
    request_id = failure.metadata["request_id"]
    return pb.QueryRequest(text=text, request_id=request_id, resume_on_approval=True)


def decided(*decisions: cb.ResolveCheckpointRequest) -> cb.ResolveCheckpointsRequest:
    """All of them at once."""
    return cb.ResolveCheckpointsRequest(decisions=decisions)


def seen(decision: cb.ResolveCheckpointRequest, failure: Failure) -> cb.ResolveCheckpointRequest:
    """The decision of somebody who was shown the action."""
    decision.expected_action_digest = bytes.fromhex(failure.metadata["action_digest"])
    return decision


async def states(person: Client, failures: list[Failure]) -> list[str]:
    """Where each checkpoint stands."""
    found = [
        await person.call(
            person.checkpoints.GetCheckpoint,
            cb.GetCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"]),
        )
        for failure in failures
    ]
    name = checkpoint_pb2.CheckpointState.Name
    return [name(each.checkpoint.state).removeprefix("CHECKPOINT_STATE_") for each in found]


async def test_yes_and_no_at_once_let_run_what_was_approved_and_end_the_rest(funded: Stage) -> None:
    """One commit, one time, in the order in which they were decided; a repeat is no decision."""
    client, person = funded.client(), funded.person()
    one, other, third = await waiting(client, resume_on_approval=True)
    asked = decided(
        seen(approval(one), one), seen(rejection(other), other), seen(approval(third), third)
    )
    answer = await person.call(person.checkpoints.ResolveCheckpoints, asked)
    again = await person.call(person.checkpoints.ResolveCheckpoints, asked)
    rejected = await client.fail(client.pipeline.Query, repeated(TEXTS[1], other))
    runs = [
        await client.call(client.pipeline.Query, repeated(text, failure))
        for text, failure in ((TEXTS[0], one), (TEXTS[2], third))
    ]

    assert ["APPROVED", "REJECTED", "APPROVED"] == await states(person, [one, other, third])
    assert [of.metadata["checkpoint_id"] for of in (one, other, third)] == [
        each.checkpoint_id for each in answer.checkpoints
    ]
    assert 1 == len({each.resolve_time.ToNanoseconds() for each in answer.checkpoints})
    assert [each.decision_id for each in answer.checkpoints] == [
        each.decision_id for each in again.checkpoints
    ]
    assert "CHECKPOINT_REJECTED" == rejected.reason
    assert [message_pb2.QUERY_STATE_COMPLETED] * 2 == [each.query.state for each in runs]
    assert 2 == funded.upstream.arrivals_total


async def test_one_that_cannot_be_decided_so_keeps_all_from_being(funded: Stage) -> None:
    """Whoever was first with one of them is named, and the others go on waiting."""
    client, ann, bob = funded.client(), funded.person(), funded.person(name="bob")
    one, other, third = await waiting(client)
    await ann.call(ann.checkpoints.ResolveCheckpoint, rejection(other))
    late = decided(*(seen(approval(of), of) for of in (one, other, third)))
    lost = await bob.fail(bob.checkpoints.ResolveCheckpoints, late)
    unseen = decided(seen(approval(one), one), seen(approval(third), one))
    blind = await bob.fail(bob.checkpoints.ResolveCheckpoints, unseen)

    assert ("CHECKPOINT_ALREADY_RESOLVED", other.metadata["checkpoint_id"]) == (
        lost.reason,
        lost.metadata["checkpoint_id"],
    )
    assert ("INVALID_FIELD", "expected_action_digest") == (blind.reason, blind.metadata["field"])
    assert third.metadata["checkpoint_id"] in blind.metadata["problem"]
    assert ["PENDING", "REJECTED", "PENDING"] == await states(ann, [one, other, third])
    assert 0 == funded.upstream.arrivals_total


async def test_of_two_who_decide_on_overlapping_ones_one_decides_on_all_of_his(
    funded: Stage,
) -> None:
    """The other has decided on none, and is told so."""
    client, ann, bob = funded.client(), funded.person(), funded.person(name="bob")
    failures = await waiting(client)
    one, other, third = failures
    theirs = [
        (ann, decided(seen(approval(one), one), seen(approval(other), other))),
        (bob, decided(seen(approval(third), third), seen(approval(other), other))),
    ]
    answers = await asyncio.gather(
        *(who.call(who.checkpoints.ResolveCheckpoints, asked) for who, asked in theirs),
        return_exceptions=True,
    )
    now = await states(ann, failures)

    won = [not isinstance(answer, grpc.aio.AioRpcError) for answer in answers]
    assert 1 == sum(won)
    assert now == (
        ["APPROVED", "APPROVED", "PENDING"] if won[0] else ["PENDING", "APPROVED", "APPROVED"]
    )


async def test_what_could_not_be_meant_is_refused_before_anything_is_looked_up(
    funded: Stage,
) -> None:
    """Not shown, twice, none, too many, a no without a reason."""
    client, person = funded.client(), funded.person()
    (failure,) = await waiting(client, 1)
    unseen = approval(failure)
    shown, silent = seen(approval(failure), failure), seen(rejection(failure), failure)
    silent.reason = " "
    for asked, field in [
        (decided(unseen), "expected_action_digest"),
        (decided(shown, shown), "checkpoint_id"),
        (decided(), "decisions"),
        (decided(*[shown] * 17), "decisions"),
        (decided(silent), "reason"),
    ]:
        refused = await person.fail(person.checkpoints.ResolveCheckpoints, asked)

        assert ("INVALID_FIELD", field) == (refused.reason, refused.metadata["field"])
    assert ["PENDING"] == await states(person, [failure])
