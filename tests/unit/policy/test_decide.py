"""Verdicts are remembered by every fact that they stand on."""

from __future__ import annotations

from typing import Any

import pytest

from chenu_server.governance.policy.decide import Facts, Policies
from chenu_server.governance.policy.load import load_policies

PLAIN = Facts(
    principal_type="service",
    principal_id="backend",
    identity_id="acme",
    roles=("member",),
    acting_for=(),
    operation="nova.query",
    mode="command",
    intents=("query",),
    detected_intents=("query",),
    sphere="personal",
    target_kind="",
    target_id="",
    target_sphere="",
    spheres=(),
    cross_sphere=False,
    sensitivity="internal",
    agent_role="",
    providers=("groq",),
)
OTHERWISE: dict[str, Any] = {
    "principal_type": "agent",
    "principal_id": "other",
    "identity_id": "other",
    "roles": ("member", "auditor"),
    "acting_for": ("user:ann",),
    "operation": "nova.other",
    "mode": "generation",
    "intents": ("analyze",),
    "detected_intents": ("delete",),
    "sphere": "business",
    "target_kind": "file",
    "target_id": "f1",
    "target_sphere": "business",
    "spheres": ("business",),
    "cross_sphere": True,
    "sensitivity": "restricted",
    "agent_role": "nova",
    "providers": ("anthropic",),
    "amount_nanousd": 5,
}
CONDITIONS = {
    "principal_type": "principal is Agent",
    "principal_id": 'principal == Service::"other"',
    "identity_id": 'principal.identity == "other"',
    "roles": 'principal.roles.contains(Role::"auditor")',
    "acting_for": 'principal.acting_for.contains("user:ann")',
    "operation": 'context.operation == "nova.other"',
    "intents": 'context.intents.contains(Intent::"analyze")',
    "mode": 'context.mode == Mode::"generation"',
    "detected_intents": 'context.detected_intents.contains(Intent::"delete")',
    "sphere": 'context.sphere == Sphere::"business"',
    "target_kind": 'resource.kind == "file"',
    "target_id": 'resource.id == "f1"',
    "target_sphere": 'resource has sphere && resource.sphere == Sphere::"business"',
    "spheres": 'context.spheres.contains(Sphere::"business")',
    "cross_sphere": "context.cross_sphere",
    "sensitivity": 'context.sensitivity == Sensitivity::"restricted"',
    "agent_role": 'context.agent_role == "nova"',
    "providers": 'context.providers.contains("anthropic")',
    "amount_nanousd": "context has amount_nanousd && context.amount_nanousd == 5",
}


@pytest.mark.parametrize("name", Facts._fields)
def test_a_fact_that_changes_is_judged_anew(name: str, tmp_path: Any) -> None:
    """A verdict that was given for other facts would be somebody else's."""
    condition = CONDITIONS[name]
    (tmp_path / "operator.cedar").write_text(
        f'@id("on_{name}") forbid (principal, action, resource) when {{ {condition} }};'
    )
    policies = load_policies(tmp_path)
    before = policies.evaluate(PLAIN)
    changed = policies.evaluate(PLAIN._replace(**{name: OTHERWISE[name]}))

    assert (True, []) == (before.allowed, before.denied_by)
    assert f"on_{name}" in changed.denied_by
    assert policies.evaluate(PLAIN).allowed


def test_equal_facts_are_evaluated_once() -> None:
    """The engine's work is done for new questions only."""
    policies: Policies = load_policies(None)
    asked = [policies.evaluate(Facts(*PLAIN)) for _ in range(3)]

    assert asked[0] is asked[1] is asked[2]
    assert (2, 1) == policies.evaluate.cache_info()[:2]


def test_a_call_is_judged_with_all_facts_of_its_query() -> None:
    """A call of somebody who may not ask is no call that may be released."""
    policies = load_policies(None)
    call: dict[str, Any] = {"name": "wipe", "effect": "delete", "arguments": b"{}"}
    held = policies.evaluate_call(PLAIN, **call)
    refused = policies.evaluate_call(PLAIN._replace(roles=("auditor",)), **call)

    assert [("destructive_action", "rule_3_tool_delete")] == held.checkpoints
    assert (False, ["default_deny"]) == (refused.allowed, refused.denied_by)
