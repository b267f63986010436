"""Policies through the binding, and the ones that ship."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import TypedDict, Unpack

import pytest

from chenu_server import _core
from chenu_server.vocabulary import (
    CheckpointType,
    Intent,
    PrincipalType,
    Role,
    Sphere,
    ToolEffect,
)

SENSITIVITIES = ("public", "internal", "confidential", "restricted")
FOLDER = resources.files("chenu_server.governance.policy").joinpath("cedar")
REFUND = (
    "refund",
    '{"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}',
)
OVER_100 = """
@id("refunds-over-100")
@checkpoint("execution_approval")
forbid (principal, action == Action::"call_tool.refund", resource) when {
  context.arguments.amount.greaterThan(decimal("100.0"))
};
"""


class Changes(TypedDict, total=False):
    """The fields of a query that a test changes."""

    principal_type: str
    roles: list[str]
    mode: str
    intents: list[str]
    detected_intents: list[str]
    sphere: str
    spheres: list[str]
    cross_sphere: bool
    sensitivity: str


def shipped(*operator: str, tools: Sequence[tuple[str, str]] = ()) -> _core.PolicySet:
    """The shipped policies, files of an operator, and tools."""
    text = {
        name: FOLDER.joinpath(name).read_text(encoding="utf-8")
        for name in ("schema.cedarschema", "base.cedar", "sensitive.cedar", "tools.cedar")
    }
    schema = text.pop("schema.cedarschema")
    files = [(f"operator{number}.cedar", content) for number, content in enumerate(operator)]
    return _core.PolicySet(schema=schema, shipped=list(text.items()), operator=files, tools=tools)


def query(**changes: Unpack[Changes]) -> _core.PolicyQuery:
    """A member's question, changed."""
    facts: Changes = {
        "principal_type": "user",
        "roles": ["member"],
        "mode": "command",
        "intents": ["query"],
        "detected_intents": ["query"],
        "sphere": "personal",
        "spheres": [],
        "cross_sphere": False,
        "sensitivity": "internal",
        **changes,
    }
    return _core.PolicyQuery(
        principal_id="alice",
        identity_id="acme",
        acting_for=(),
        operation="nova.query",
        target_kind="",
        target_id="",
        target_sphere="",
        agent_role="",
        providers=["anthropic"],
        amount_nanousd=None,
        **facts,
    )


def said(
    policies: _core.PolicySet, arguments: bytes, *, effect: str = "read", name: str = "refund"
) -> _core.CallVerdict:
    """What is said of a call."""
    return policies.evaluate_call(query(), name=name, effect=effect, arguments=arguments)


def test_a_verdict_crosses_whole() -> None:
    """Lanes D and E read every part of it."""
    policies = shipped('@id("no_agents") forbid (principal is Agent, action, resource);')
    asked = policies.evaluate(query())
    deleting = policies.evaluate(query(intents=["delete", "send"]))
    agent = policies.evaluate(query(principal_type="agent"))
    unknown = policies.evaluate(query(sphere="moon"))

    assert (True, [], [], []) == (
        asked.allowed,
        asked.denied_by,
        asked.checkpoints,
        asked.errors,
    )
    assert [
        ("destructive_action", "rule_3_delete"),
        ("execution_approval", "rule_4_send"),
    ] == deleting.checkpoints
    assert (False, ["no_agents"]) == (agent.allowed, agent.denied_by)
    assert (False, ["invalid_query"]) == (unknown.allowed, unknown.denied_by)
    assert ['sphere: "moon" is unknown'] == unknown.errors


def test_an_operators_mistake_is_a_value_error() -> None:
    """The server refuses to start and says which policy of which file is wrong."""
    with pytest.raises(ValueError, match=r"^operator0\.cedar: open: an operator's policy can"):
        shipped('@id("open") permit (principal, action, resource);')


def test_every_name_that_python_knows_is_known_to_the_policies() -> None:
    """A name that only one side has would deny every query that uses it."""
    policies = shipped()
    verdicts = [
        policies.evaluate(
            query(
                principal_type=principal_type,
                roles=list(Role),
                intents=list(Intent),
                sphere=sphere,
                spheres=list(Sphere),
                sensitivity=sensitivity,
            )
        )
        for principal_type in PrincipalType
        for sphere in Sphere
        for sensitivity in SENSITIVITIES
    ]

    assert [[]] == [list(errors) for errors in {tuple(verdict.errors) for verdict in verdicts}]


@pytest.mark.parametrize("checkpoint", list(CheckpointType))
def test_every_checkpoint_type_may_be_demanded(checkpoint: CheckpointType) -> None:
    """An operator may ask for any type that people can resolve."""
    policies = shipped(
        f'@id("ask") @checkpoint("{checkpoint}") forbid (principal, action, resource);'
    )

    assert [(checkpoint, "ask")] == policies.evaluate(query()).checkpoints


def test_the_revision_tells_policies_apart() -> None:
    """A stored decision names the policies it was made by."""
    forbid = '@id("stop") forbid (principal, action, resource);'

    assert shipped().revision == shipped().revision
    assert shipped().revision != shipped(forbid).revision
    assert ["base_member", "rule_2_cross_sphere"] == shipped().policy_ids[:2]


@pytest.mark.parametrize("name", ["refund", "unlisted"])
@pytest.mark.parametrize(
    ("effect", "checkpoints"),
    [
        (ToolEffect.READ, []),
        (ToolEffect.WRITE, []),
        (ToolEffect.DELETE, [("destructive_action", "rule_3_tool_delete")]),
        (ToolEffect.SEND, [("execution_approval", "rule_4_tool_send")]),
        (ToolEffect.TRANSFER, [("data_access", "rule_5_tool_transfer")]),
        (ToolEffect.PAYMENT, [("execution_approval", "rule_6_tool_payment")]),
    ],
)
def test_what_a_tool_does_decides_who_is_asked(
    name: str, effect: ToolEffect, checkpoints: list[tuple[str, str]]
) -> None:
    """The shipped rules hold for a tool that nobody configured as for any other."""
    verdict = said(shipped(tools=[REFUND]), b'{"amount": 5}', effect=effect, name=name)

    assert (True, checkpoints, None) == (
        verdict.allowed,
        verdict.checkpoints,
        verdict.unrepresentable,
    )


def test_every_effect_that_python_knows_is_known_to_the_policies() -> None:
    """A word that only one side has would deny each call of such a tool."""
    policies = shipped()
    verdicts = [said(policies, b"{}", effect=effect) for effect in ToolEffect]

    assert [[]] * len(ToolEffect) == [verdict.errors for verdict in verdicts]
    assert ["invalid_query"] == said(policies, b"{}", effect="destroy").denied_by


@pytest.mark.parametrize(
    ("amount", "checkpoints"),
    [
        (b"100.00", []),
        (b"1e2", []),
        (b"100.01", [("execution_approval", "refunds-over-100")]),
        (b"100.0001", [("execution_approval", "refunds-over-100")]),
    ],
)
def test_refunds_over_100_need_a_person(amount: bytes, checkpoints: list[tuple[str, str]]) -> None:
    """One policy that its reader understands, exact to the last digit."""
    verdict = said(shipped(OVER_100, tools=[REFUND]), b'{"amount": %b}' % amount)

    assert (True, checkpoints) == (verdict.allowed, verdict.checkpoints)


def test_a_null_amount_is_one_that_is_not_there() -> None:
    """A policy asks for it with `has`, and says itself what a refund without an amount is."""
    name, schema = REFUND
    nullable = schema.replace('"number"', '["number", "null"]')
    asked = OVER_100.replace("when {", "when { context.arguments has amount &&")
    unsaid = OVER_100.replace("when {", "unless { context.arguments has amount &&").replace(
        "greaterThan", "lessThanOrEqual"
    )
    with pytest.raises(ValueError, match=r"^operator0\.cedar: refunds-over-100: "):
        shipped(OVER_100, tools=[(name, nullable)])

    assert [] == said(shipped(asked, tools=[(name, nullable)]), b'{"amount": null}').checkpoints
    verdict = said(shipped(unsaid, tools=[(name, nullable)]), b'{"amount": null}')
    assert [("execution_approval", "refunds-over-100")] == verdict.checkpoints


def test_what_cannot_be_told_to_policies_waits_for_a_person() -> None:
    """A digit too many must not be a way around a policy."""
    hard = OVER_100.replace('@checkpoint("execution_approval")', "")
    verdict = said(shipped(hard, tools=[REFUND]), b'{"amount": 0.12345}')

    assert (True, [("execution_approval", "unrepresentable_arguments")]) == (
        verdict.allowed,
        verdict.checkpoints,
    )
    assert verdict.unrepresentable is not None
    assert verdict.unrepresentable.startswith("arguments.amount is no number of at most 4 decimal")


def test_a_tool_that_cannot_be_used_is_a_value_error() -> None:
    """The server refuses to start and says which tool is wrong."""
    with pytest.raises(ValueError, match=r"^tools: refund: its schema: it is not JSON$"):
        shipped(tools=[("refund", "")])
