"""What an operator says of tools, and what a call's rows say of it."""

from __future__ import annotations

import pytest

from chenu_server.caller import Principal
from chenu_server.governance.tools.model import Configured, Standing, ToolCall, Tools
from chenu_server.vocabulary import (
    PrincipalType,
    QueryStatus,
    ReleaseBasis,
    ToolCallState,
    ToolEffect,
)

READ, WRITE, SEND, PAYMENT = (
    ToolEffect.READ,
    ToolEffect.WRITE,
    ToolEffect.SEND,
    ToolEffect.PAYMENT,
)
CALL = ToolCall(
    identity_id="acme",
    call_id="c",
    query_id="q",
    part=0,
    tool="pay",
    effect=PAYMENT,
    audience="pay",
    schema_sha256=bytes(32),
    salt=bytes(32),
    taken_us=0,
    expires_us=0,
    key_id="",
    redeemed_us=0,
)


@pytest.mark.parametrize(
    ("configured", "asked", "wanted"),
    [
        (None, READ, READ),
        (READ, READ, READ),
        (READ, WRITE, WRITE),
        (READ, PAYMENT, PAYMENT),
        (WRITE, READ, WRITE),
        (WRITE, SEND, SEND),
        (PAYMENT, READ, PAYMENT),
        (PAYMENT, WRITE, PAYMENT),
        # Neither is stricter than the other: the operator's word holds.
        (PAYMENT, SEND, PAYMENT),
        (SEND, PAYMENT, SEND),
    ],
)
def test_a_request_may_be_stricter_and_never_laxer(
    configured: ToolEffect | None, asked: ToolEffect, wanted: ToolEffect
) -> None:
    """Whoever asks cannot talk an operator out of what a tool does."""
    tools = Tools(named={"pay": Configured(effect=configured)} if configured else {})

    assert wanted == tools.effect_of("pay", asked)


def test_schemas_are_those_that_were_given() -> None:
    """A tool without one is called with anything that its request allows."""
    named = {"a": Configured(effect=READ, schema="{}"), "b": Configured(effect=READ)}

    assert {"a": "{}"} == Tools(named=named).schemas


@pytest.mark.parametrize(
    ("status", "checkpoint_id", "state"),
    [
        (QueryStatus.COMPLETED, "", ToolCallState.PASSED),
        (QueryStatus.COMPLETED, "k", ToolCallState.RELEASED),
        (QueryStatus.BLOCKED, "k", ToolCallState.HELD),
        (QueryStatus.APPROVED, "k", ToolCallState.HELD),
        (QueryStatus.FAILED, "", ToolCallState.REFUSED),
        (QueryStatus.REJECTED, "k", ToolCallState.REFUSED),
        (QueryStatus.EXPIRED, "k", ToolCallState.EXPIRED),
        (QueryStatus.CANCELLED, "k", ToolCallState.CANCELLED),
    ],
)
def test_a_call_has_states_of_its_own(
    status: QueryStatus, checkpoint_id: str, state: ToolCallState
) -> None:
    """Of those that every operation has, and of whether a person had to look."""
    standing = Standing(
        call=CALL,
        principal=Principal(type=PrincipalType.SERVICE, id="backend"),
        acting_for=(),
        status=status,
        checkpoint_id=checkpoint_id,
        action_digest=bytes(32),
        created_us=1,
        updated_us=1,
        refusal=None,
    )

    assert state == standing.state
    assert standing.basis is (ReleaseBasis.PERSON if checkpoint_id else ReleaseBasis.POLICY)
