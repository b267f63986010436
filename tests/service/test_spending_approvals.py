"""A service's own spending that a person must approve, on each store."""

from __future__ import annotations

from pathlib import Path

import pytest

from chenu.api.governance.v1 import action_pb2, checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.governance.v1 import reservation_pb2 as rb
from tests.harness import Stage, eventually, staged
from tests.service.asking import approval, rejection
from tests.service.recomputing import reservation_digest
from tests.service.spending import (
    HELD,
    PAYMENT,
    POSTED,
    USD,
    books,
    not_held,
    post,
    refused,
    reserve,
    shown,
    sms,
    unposted,
    void,
)


async def test_what_is_approved_is_held_by_the_same_call(funded: Stage) -> None:
    """The money waits along; the approval is used once, by the same `Reserve`."""
    client, person, request = funded.client(), funded.person(), sms(intents=[PAYMENT])
    failure = await refused(client, request)
    waiting = await shown(client, request)
    before = await books(funded)
    early = not_held(await unposted(client, request, 1))
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    approved = not_held(await unposted(client, request, 1))
    held = await reserve(client, request)
    again = await reserve(client, request)

    assert ("CHECKPOINT_PENDING", "execution_approval") == (
        failure.reason,
        failure.metadata["types"],
    )
    assert rb.RESERVATION_STATE_BLOCKED == waiting.state
    assert failure.metadata["action_digest"] == waiting.action_digest.hex()
    assert (0, 2 * USD, 0) == before
    assert ("blocked", "approved") == (early, approved)
    assert (HELD, HELD) == (held.state, again.state)
    assert POSTED == (await post(client, request, USD)).state
    assert (USD, 0, 0) == await books(funded)


async def test_an_approver_sees_all_that_is_approved(funded: Stage) -> None:
    """Who, how much, what for, under which id; and that it is no query."""
    client, person, request = funded.client(), funded.person(), sms(intents=[PAYMENT])
    failure = await refused(client, request)
    checkpoint_id = failure.metadata["checkpoint_id"]
    got = await person.call(
        person.checkpoints.GetCheckpoint, cb.GetCheckpointRequest(checkpoint_id=checkpoint_id)
    )
    content = await person.call(
        person.checkpoints.GetCheckpointContent,
        cb.GetCheckpointContentRequest(checkpoint_id=checkpoint_id),
    )
    facts, description = (piece.data.decode() for piece in content.pieces)

    checkpoint = got.checkpoint
    assert action_pb2.OPERATION_KIND_RESERVATION == checkpoint.operation_kind
    assert ("sms.send", 2 * USD) == (checkpoint.action, checkpoint.max_cost_nanousd)
    assert ("campaign", "7") == (checkpoint.target.kind, checkpoint.target.id)
    assert "To everybody who asked for it" == checkpoint.text_preview == description
    assert all(
        told in facts
        for told in (request.request_id, "service:backend", str(2 * USD), "sms.send", "payment")
    )


async def test_an_approver_can_recompute_what_the_approval_binds(funded: Stage) -> None:
    """From what was read and ARCHITECTURE.md §8: nothing that is not shown is approved."""
    client = funded.client(acting_for=("user:ann", "service:cron"))
    target = action_pb2.Target(
        operation="sms.send", kind="campaign", id="é/7", sphere=action_pb2.SPHERE_TEAM
    )
    request = sms(
        target=target,
        intents=[PAYMENT, action_pb2.INTENT_DELETE],
        sphere=action_pb2.SPHERE_BUSINESS,
        run_id="r-1",
        labels={"b": "2", "a": "1"},
    )
    request.ttl.seconds = 90
    failure = await refused(client, request)
    content = await client.call(
        client.checkpoints.GetCheckpointContent,
        cb.GetCheckpointContentRequest(checkpoint_id=failure.metadata["checkpoint_id"]),
    )
    facts, description = (piece.data for piece in content.pieces)

    assert failure.metadata["action_digest"] == reservation_digest(facts, description).hex()


async def test_what_is_rejected_stays_so_and_holds_nothing(funded: Stage) -> None:
    """A no is for good, under this id."""
    client, person, request = funded.client(), funded.person(), sms(intents=[PAYMENT])
    failure = await refused(client, request)
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(failure))

    assert "CHECKPOINT_REJECTED" == (await refused(client, request)).reason
    assert rb.RESERVATION_STATE_REJECTED == (await shown(client, request)).state
    assert (0, 0, 0) == await books(funded)


@pytest.mark.parametrize("approved", [False, True])
async def test_an_approval_that_does_not_come_or_is_not_used_ends_it(
    funded: Stage, *, approved: bool
) -> None:
    """The money goes with the checkpoint's time, or the approval's."""
    client, person, request = funded.client(), funded.person(), sms(intents=[PAYMENT])
    failure = await refused(client, request)
    if approved:
        await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    funded.sql("UPDATE checkpoints SET created_us = 0, expires_us = 1, use_before_us = 1")

    async def freed() -> bool:
        return (0, 0, 0) == await books(funded)

    await eventually(freed)

    assert "CHECKPOINT_EXPIRED" == (await refused(client, request)).reason
    assert rb.RESERVATION_STATE_EXPIRED == (await shown(client, request)).state


@pytest.mark.parametrize("by_checkpoint", [False, True])
async def test_what_waits_is_withdrawn_whole(funded: Stage, *, by_checkpoint: bool) -> None:
    """By the service or by an approver: reservation, checkpoint and money go together."""
    client, person, request = funded.client(), funded.person(), sms(intents=[PAYMENT])
    failure = await refused(client, request)
    checkpoint_id = failure.metadata["checkpoint_id"]
    if by_checkpoint:
        await person.call(
            person.checkpoints.CancelCheckpoint,
            cb.CancelCheckpointRequest(checkpoint_id=checkpoint_id),
        )
    else:
        await void(client, request)
    got = await person.call(
        person.checkpoints.GetCheckpoint, cb.GetCheckpointRequest(checkpoint_id=checkpoint_id)
    )

    assert checkpoint_pb2.CHECKPOINT_STATE_CANCELLED == got.checkpoint.state
    assert "voided" == not_held(await refused(client, request))
    assert (
        "CHECKPOINT_CANCELLED"
        == (await person.fail(person.checkpoints.ResolveCheckpoint, approval(failure))).reason
    )
    assert (0, 0, 0) == await books(funded)


async def test_one_approval_is_for_one_reservation(funded: Stage) -> None:
    """Two that are alike are two payments, so a person is asked twice."""
    client, person = funded.client(), funded.person()
    one, other = sms(intents=[PAYMENT]), sms(intents=[PAYMENT])
    failures = [await refused(client, request) for request in (one, other)]
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failures[0]))

    digests = {failure.metadata["action_digest"] for failure in failures}
    assert 2 == len(digests)
    assert HELD == (await reserve(client, one)).state
    assert "CHECKPOINT_PENDING" == (await refused(client, other)).reason


async def test_an_operators_policy_goes_by_the_amount(database_url: str, tmp_path: Path) -> None:
    """As its author writes it: beyond 5 USD a person is asked, and one sender may not at all."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "money.cedar").write_text(
        """
        @id("dear") @checkpoint("budget_approval")
        forbid (principal, action == Action::"reserve", resource)
        when { context.amount_nanousd > 5000000000 };

        @id("no_sms")
        forbid (principal == Service::"newcomer", action == Action::"reserve", resource)
        when { context.operation == "sms.send" };
        """
    )
    settings = {"policies.operator_dir": str(folder)}
    async with staged(database_url, tmp_path, settings) as stage:
        await stage.budget(limit_nanousd=20 * USD)
        client = stage.client()
        dear = await refused(client, sms(5 * USD + 1))
        forbidden = await refused(stage.client(name="newcomer"), sms(1))

        assert HELD == (await reserve(client, sms(5 * USD))).state
        assert ("CHECKPOINT_PENDING", "budget_approval") == (dear.reason, dear.metadata["types"])
        assert ("POLICY_DENIED", "no_sms") == (forbidden.reason, forbidden.metadata["policies"])
        assert (await client.query("Hello")).answer.text


async def test_no_more_wait_for_a_person_than_may(database_url: str, tmp_path: Path) -> None:
    """A reservation that would be one too many leaves nothing under its id."""
    async with staged(database_url, tmp_path, {"limits.pending_max": 1}) as stage:
        await stage.budget(limit_nanousd=10 * USD)
        client, person = stage.client(), stage.person()
        first = await refused(client, sms(intents=[PAYMENT]))
        second = sms(intents=[PAYMENT])
        full = await refused(client, second)
        await person.call(person.checkpoints.ResolveCheckpoint, rejection(first))

        assert ("CHECKPOINT_LIMIT", "1") == (full.reason, full.metadata["limit"])
        assert "CHECKPOINT_PENDING" == (await refused(client, second)).reason
