"""Policies through the binding, and the ones that ship."""

from __future__ import annotations

from importlib import resources
from typing import TypedDict, Unpack

import pytest

from chenu_server import _core
from chenu_server.vocabulary import CheckpointType, Intent, PrincipalType, Role, Sphere

SENSITIVITIES = ("public", "internal", "confidential", "restricted")
FOLDER = resources.files("chenu_server.governance.policy").joinpath("cedar")


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


def shipped(*operator: str) -> _core.PolicySet:
    """The shipped policies, and files of an operator."""
    text = {
        name: FOLDER.joinpath(name).read_text(encoding="utf-8")
        for name in ("schema.cedarschema", "base.cedar", "sensitive.cedar")
    }
    schema = text.pop("schema.cedarschema")
    files = [(f"operator{number}.cedar", content) for number, content in enumerate(operator)]
    return _core.PolicySet(schema=schema, shipped=list(text.items()), operator=files)


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
