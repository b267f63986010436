"""A checkpoint that somebody else has to decide on, over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.vocabulary import PrincipalType
from tests.harness import Client, Stage, staged
from tests.service.asking import approval, blocked, rejection
from tests.service.test_reload import called, reload

SETTINGS = {"checkpoints.four_eyes": ["destructive_action"]}


@pytest.fixture
async def strict(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server on either store that asks for it on deletions."""
    async with staged(database_url, tmp_path, SETTINGS) as running:
        await running.budget()
        yield running


async def _is_strict(client: Client, checkpoint_id: str) -> bool:
    shown = await client.call(
        client.checkpoints.GetCheckpoint, cb.GetCheckpointRequest(checkpoint_id=checkpoint_id)
    )
    return bool(shown.checkpoint.four_eyes)


async def test_who_asked_cannot_approve_and_another_can(strict: Stage) -> None:
    """Nor can the person for whom an agent asked; nothing runs until somebody else says yes."""
    ann, ben = strict.person(name="ann"), strict.person(name="ben")
    bot = strict.client(type=PrincipalType.AGENT, name="bot", acting_for=["user:ann"])
    for asker in (ann, bot):
        failure = await blocked(asker)
        before = strict.upstream.arrivals_total
        refused = [
            await ann.fail(ann.checkpoints.ResolveCheckpoint, decision(failure))
            for decision in (approval, rejection)
        ]
        shown = await _is_strict(ann, failure.metadata["checkpoint_id"])
        await ben.call(ben.checkpoints.ResolveCheckpoint, approval(failure))
        request = pb.ContinueRequest(request_id=failure.metadata["request_id"])
        _, error = await asker.events(asker.pipeline.Continue, request)

        expected = {"checkpoint_id": failure.metadata["checkpoint_id"]}
        denied = grpc.StatusCode.PERMISSION_DENIED
        assert [(denied, "SELF_APPROVAL", expected)] * 2 == [
            (each.code, each.reason, dict(each.metadata)) for each in refused
        ]
        assert shown
        assert (None, before + 1) == (error, strict.upstream.arrivals_total)


async def test_one_of_several_that_is_ones_own_keeps_all_from_being_decided(
    strict: Stage,
) -> None:
    """Whole or nothing, for this too."""
    ann, ben, backend = strict.person(name="ann"), strict.person(name="ben"), strict.client()
    failures = [await blocked(backend), await blocked(ann)]
    listed = await ann.call(ann.checkpoints.ListCheckpoints, cb.ListCheckpointsRequest())
    digests = {each.checkpoint_id: each.action_digest for each in listed.checkpoints}
    request = cb.ResolveCheckpointsRequest(
        decisions=[
            approval(each, expected_action_digest=digests[each.metadata["checkpoint_id"]])
            for each in failures
        ]
    )

    refused = await ann.fail(ann.checkpoints.ResolveCheckpoints, request)
    pending = await ann.call(
        ann.checkpoints.CountPendingCheckpoints, cb.CountPendingCheckpointsRequest()
    )
    await ben.call(ben.checkpoints.ResolveCheckpoints, request)

    assert ("SELF_APPROVAL", 2) == (refused.reason, pending.pending)
    assert failures[1].metadata["checkpoint_id"] == refused.metadata["checkpoint_id"]


async def test_who_asked_can_withdraw_it(strict: Stage) -> None:
    """That decides nothing."""
    ann = strict.person(name="ann")
    failure = await blocked(ann)
    request = cb.CancelCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"])

    assert await ann.call(ann.checkpoints.CancelCheckpoint, request)


async def test_a_reload_that_asks_for_it_holds_for_what_waits(stage: Stage) -> None:
    """An operator who tightens it means those that are open, too."""
    ann = stage.person(name="ann")
    failure = await blocked(ann)
    before = await _is_strict(ann, failure.metadata["checkpoint_id"])
    await reload(stage, {**called(stage), **SETTINGS})
    refused = await ann.fail(ann.checkpoints.ResolveCheckpoint, approval(failure))

    assert ("SELF_APPROVAL", False) == (refused.reason, before)
    assert await _is_strict(ann, failure.metadata["checkpoint_id"])
