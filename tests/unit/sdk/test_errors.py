"""Every refusal becomes a typed error with what a caller needs to act."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs

from chenu import errors
from chenu.aio import Client
from chenu.api.errors.v1 import error_reason_pb2
from chenu.api.pipeline.v1 import message_pb2
from chenu.names import names
from tests.unit.contract.test_proto import REASON_COMMENT, reason_comments
from tests.unit.sdk.gateway import Gateway, created, status


async def refused(client: Client, gateway: Gateway, answer: status_pb2.Status) -> errors.ChenuError:
    """The error that a call raises when the gateway refuses it."""
    gateway.answer = lambda _: answer
    with pytest.raises(errors.ChenuError) as caught:
        await client.pipeline.query("hello")
    return caught.value


def test_every_reason_has_a_family_with_the_contracts_status() -> None:
    """A reason without a class would reach callers untyped."""
    documented = {
        name: match["status"]
        for name, text in reason_comments().items()
        if (match := REASON_COMMENT.fullmatch(text))
    }

    assert documented == {name: code.name for name, (_, code) in errors.FAMILIES.items()}
    assert {name.upper() for name in names(error_reason_pb2.ErrorReason)} == set(documented)


@pytest.mark.parametrize("reason", sorted(errors.FAMILIES.keys() - {"GOVERNANCE_UNAVAILABLE"}))
async def test_a_refusal_is_raised_as_its_family(
    client: Client, gateway: Gateway, reason: str
) -> None:
    """Callers catch classes; the reason stays readable."""
    family, code = errors.FAMILIES[reason]
    error = await refused(client, gateway, status(code, reason))

    assert family is type(error)
    assert (reason, code) == (error.reason, error.code)


async def test_a_pending_checkpoint_says_what_waits(client: Client, gateway: Gateway) -> None:
    """A caller can point a person to the checkpoint without reading the message."""
    answer = status(
        grpc.StatusCode.FAILED_PRECONDITION,
        "CHECKPOINT_PENDING",
        checkpoint_id="c-1",
        request_id="q-1",
        types="destructive_action,cross_sphere",
        action_digest="01" * 32,
        expires_at="2026-11-21T10:30:00Z",
    )
    error = await refused(client, gateway, answer)

    assert isinstance(error, errors.CheckpointPending)
    assert ("c-1", "q-1") == (error.checkpoint_id, error.request_id)
    assert ("destructive_action", "cross_sphere") == error.types
    assert b"\x01" * 32 == error.action_digest
    assert datetime(2026, 11, 21, 10, 30, tzinfo=UTC) == error.expires_at


async def test_the_retry_time_is_exact(client: Client, gateway: Gateway) -> None:
    """The server promises that a call at that time succeeds; rounding would break it."""
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    answer = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", retry)
    error = await refused(client, gateway, answer)

    assert timedelta(seconds=1.5) == error.retry_after


async def test_a_bad_field_is_named(client: Client, gateway: Gateway) -> None:
    """Whoever sent it learns which field and why."""
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="text", description="is empty")
    answer = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad, field="text")
    error = await refused(client, gateway, answer)

    assert (("text", "is empty"),) == error.fields


async def test_a_newer_reason_is_still_an_error_of_ours(client: Client, gateway: Gateway) -> None:
    """An older SDK meets newer servers."""
    error = await refused(client, gateway, status(grpc.StatusCode.ABORTED, "FROM_THE_FUTURE"))

    assert errors.ChenuError is type(error)
    assert "FROM_THE_FUTURE" == error.reason


async def test_another_domains_reason_is_not_taken_for_ours(
    client: Client, gateway: Gateway
) -> None:
    """A proxy's error with the same word means something else."""
    answer = status(grpc.StatusCode.ABORTED, "NOT_FOUND")
    info = error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="proxy.example")
    answer.details[0].Pack(info)
    error = await refused(client, gateway, answer)

    assert errors.ConnectionLost is type(error)


async def test_a_dead_gateway_is_a_lost_connection() -> None:
    """No raw gRPC error reaches a caller."""
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(errors.ConnectionLost) as caught:
            await client.pipeline.query("hello", timeout_s=5)

    assert grpc.StatusCode.UNAVAILABLE == caught.value.code


def test_an_outcome_in_a_log_is_the_same_error() -> None:
    """Who reads a log long after learns what the first caller learned."""
    outcome = message_pb2.Outcome(
        reason="POLICY_DENIED", message="denied", metadata={"policies": "a,b"}
    )
    error = errors.from_outcome(outcome)

    assert isinstance(error, errors.PolicyDenied)
    assert ("a", "b") == error.policies


def test_a_block_in_a_log_is_the_same_error() -> None:
    """A cut connection must not turn a block into something else."""
    error = errors.pending("q-1", created(1).checkpoint_created)

    assert ("c-1", "q-1", ("destructive_action",)) == (
        error.checkpoint_id,
        error.request_id,
        error.types,
    )
    assert datetime(2026, 11, 21, 10, 30, tzinfo=UTC) == error.expires_at
