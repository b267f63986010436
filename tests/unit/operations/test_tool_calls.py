"""What is found out about a proposed call before its answer is settled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.governance.tools.model import Configured, Tools
from chenu_server.operations.run import Settle
from chenu_server.pipeline.conversation import Part
from chenu_server.vocabulary import PartKind, ToolCallState, ToolEffect
from tests.unit.operations.samples import World, ended, settlement

OPEN, TIGHT = '{"type":"object"}', '{"type":"object","maxProperties":1}'
CALL = Part(kind=PartKind.TOOL_CALL, text='{"a":1,"b":2}', name="look", call_id="c")


def decided(tools: Tools, held_to: dict[str, str]) -> tuple[ToolCallState, str]:
    """What becomes of the call, whose arguments were held to these schemas."""
    world = World(tools=tools)
    admitted = world.admitted()
    asked = settlement(admitted, ended(admitted, 1), output=(CALL,))
    assert asked.proposing is not None
    proposing = replace(asked.proposing, schemas=held_to)
    world.act(Settle(replace(asked, proposing=proposing), world.rules))
    (part,) = world.query.output_parts
    assert part.call is not None
    return part.call.state, part.call.reason


def named(schema: str) -> Tools:
    """A tool that only reads, with this schema of its operator's."""
    return Tools(named={"look": Configured(effect=ToolEffect.READ, schema=schema)})


@pytest.mark.parametrize(
    ("now", "held_to"), [(TIGHT, {"look": OPEN}), (TIGHT, {}), ("", {"look": OPEN})]
)
def test_a_schema_that_changed_while_the_model_wrote_lets_no_call_pass(
    now: str, held_to: dict[str, str]
) -> None:
    """Its approval and its release would say that the arguments satisfy what nobody checked."""
    assert (ToolCallState.REFUSED, "POLICY_DENIED") == decided(named(now), held_to)


def test_a_call_that_was_held_to_its_operators_schema_is_judged_by_policies() -> None:
    """As it stands in the configuration."""
    assert (ToolCallState.PASSED, "") == decided(named(OPEN), {"look": OPEN})
    assert (ToolCallState.PASSED, "") == decided(named(""), {})


@pytest.mark.parametrize(
    ("unlisted", "state"),
    [
        ("allow", ToolCallState.PASSED),
        ("checkpoint", ToolCallState.HELD),
        ("deny", ToolCallState.REFUSED),
    ],
)
def test_what_is_not_named_follows_one_rule(unlisted: str, state: ToolCallState) -> None:
    """However harmless the request says that it is."""
    assert state == decided(Tools(unlisted=unlisted), {})[0]
