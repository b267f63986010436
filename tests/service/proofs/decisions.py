"""Proofs of the reasons that policies and people give."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Failure, Stage
from tests.service.asking import approval, blocked, rejection
from tests.service.proofs.registry import proves


def no_analysis(folder: Path) -> dict[str, Any]:
    """An operator's policy against one intent."""
    (folder / "operator.cedar").write_text(
        '@id("no_analysis")\nforbid (principal, action == Action::"submit", resource)\n'
        'when { context.intents.contains(Intent::"analyze") };\n'
    )
    return {"policies.operator_dir": str(folder)}


@proves("POLICY_DENIED", configure=no_analysis)
async def forbidden_intent(stage: Stage) -> Failure:
    """An operator forbids analysis, and analysis is asked."""
    caller = stage.client()
    return await caller.fail(
        caller.pipeline.Query, pb.QueryRequest(text="Analyze the sales figures of last month")
    )


@proves("CHECKPOINT_PENDING")
async def destructive(stage: Stage) -> Failure:
    """Something is to be deleted."""
    return await blocked(stage.client())


@proves("CHECKPOINT_LIMIT", settings={"limits.pending_max": 1})
async def too_many_wait(stage: Stage) -> Failure:
    """One more question than a person is asked at a time."""
    client = stage.client()
    await blocked(client)
    return await blocked(client, "Delete all archived notes")


@proves("CHECKPOINT_REJECTED")
async def rejected(stage: Stage) -> Failure:
    """A person said no, and the same id asks again."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(failure))
    return await blocked(client, request_id=failure.metadata["request_id"])


@proves("CHECKPOINT_EXPIRED")
async def expired(stage: Stage) -> Failure:
    """Nobody decided until its time was over."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    stage.sql("UPDATE checkpoints SET expires_us = created_us")
    return await person.fail(person.checkpoints.ResolveCheckpoint, approval(failure))


@proves("CHECKPOINT_CANCELLED")
async def withdrawn(stage: Stage) -> Failure:
    """The query was cancelled before anyone decided."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    request = cb.CancelCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"])
    await client.call(client.checkpoints.CancelCheckpoint, request)
    return await person.fail(person.checkpoints.ResolveCheckpoint, approval(failure))


@proves("CHECKPOINT_ALREADY_RESOLVED")
async def second_decision(stage: Stage) -> Failure:
    """Someone else was first."""
    ann, bob = stage.person(name="ann"), stage.person(name="bob")
    failure = await blocked(stage.client())
    await ann.call(ann.checkpoints.ResolveCheckpoint, approval(failure))
    return await bob.fail(bob.checkpoints.ResolveCheckpoint, approval(failure))


@proves("SELF_APPROVAL", settings={"checkpoints.four_eyes": ["destructive_action"]})
async def ones_own(stage: Stage) -> Failure:
    """Who asked says yes, where somebody else has to."""
    person = stage.person()
    failure = await blocked(person)
    return await person.fail(person.checkpoints.ResolveCheckpoint, approval(failure))


@proves("QUERY_CANCELLED")
async def cancelled(stage: Stage) -> Failure:
    """The query was cancelled, and the same id asks again."""
    client = stage.client()
    request_id = (await blocked(client)).metadata["request_id"]
    await client.call(client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id))
    return await blocked(client, request_id=request_id)


@proves("REQUEST_ID_CONFLICT")
async def other_content(stage: Stage) -> Failure:
    """An id comes back with other content."""
    client, request_id = stage.client(), str(uuid4())
    await client.query("Hello", request_id=request_id)
    return await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Goodbye", request_id=request_id)
    )
