"""Models that an operator has set: for a task, before an agent, a department, and all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu.api.pipeline.v1 import routing_pb2
from chenu_server.providers.catalog import load_catalogue
from chenu_server.vocabulary import PrincipalType
from tests.harness import Stage, staged

CATALOGUE = load_catalogue()


def some(provider: str, at: int = 0) -> str:
    """A model that can be called."""
    whole = [
        each for each in CATALOGUE.provider(provider).models if each.is_complete and each.rates
    ]
    return f"{provider}/{whole[at].name}"


GROQ, MISTRAL, OPENAI, GOOGLE = map(some, ("groq", "mistral", "openai", "google"))
OLLAMA = some("ollama")
FOUR = {"primary": GROQ, "fallback": MISTRAL, "second_fallback": GOOGLE, "local": OLLAMA}
MODELS = {
    "tasks": {"code": {"primary": OPENAI, "local": GROQ}},
    "agents": {"scout": FOUR},
    "departments": {"research": {"primary": GOOGLE, "fallback": "anthropic/claude-haiku-5-5"}},
    "global": {"primary": MISTRAL},
}


@pytest_asyncio.fixture
async def overridden(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server on which every level has an override."""
    async with staged(sqlite_url, tmp_path, {"agents.models": MODELS}) as running:
        await running.budget()
        yield running


async def routed(stage: Stage, **fields: Any) -> routing_pb2.RoutingDecision:
    """The decision about an ordinary question."""
    client = stage.client()
    response = await client.call(client.router.Route, rb.RouteRequest(text="Hello", **fields))
    decision: routing_pb2.RoutingDecision = response.decision
    return decision


def chain(decision: routing_pb2.RoutingDecision) -> list[str]:
    """The names of a chain."""
    return [f"{each.provider}/{each.model}" for each in decision.chain]


CODE = {"task_type": routing_pb2.TASK_TYPE_CODE}


async def test_the_most_specific_override_applies(overridden: Stage) -> None:
    """Task before agent before department before global; each is told with its level."""
    agent = {"agent_id": "scout", "department": "research"}
    cases: list[tuple[dict[str, Any], str, str, str]] = [
        ({**agent, "routing": CODE}, "TASK", "code", OPENAI),
        (agent, "AGENT", "scout", GROQ),
        ({"department": "research"}, "DEPARTMENT", "research", GOOGLE),
        ({"agent_id": "nobody", "department": "none"}, "GLOBAL", "", MISTRAL),
    ]
    for fields, level, name, first in cases:
        decision = await routed(overridden, **fields)
        told = decision.basis.override

        assert (level, name) == (
            routing_pb2.OverrideLevel.Name(told.level).removeprefix("OVERRIDE_LEVEL_"),
            told.name,
        )
        assert first == chain(decision)[0]
        assert routing_pb2.PREFERENCE_OVERRIDE == decision.candidates[0].preference


async def test_an_override_is_tried_in_its_order_to_the_local_model(overridden: Stage) -> None:
    """Primary, fallback, second fallback, local: each is called once the one before has failed."""
    for provider in ("groq", "mistral", "google"):
        overridden.upstream.behave(provider, status=503)

    decision = await routed(overridden, agent_id="scout")
    answer = await overridden.client().query("Hello", agent_id="scout")

    called = [f"{each.provider}/{each.model}" for each in overridden.upstream.arrivals]
    assert list(FOUR.values()) == chain(decision) == called
    assert OLLAMA == f"{answer.answer.provider}/{answer.answer.model}"


async def test_an_override_widens_no_constraint(overridden: Stage) -> None:
    """What may not answer is excluded with its reason, and the next of the override is tried."""
    forbidden = {"forbidden_providers": ["groq"], "required_capabilities": ["text"]}

    decision = await routed(overridden, agent_id="scout", routing=forbidden)

    told = {f"{each.provider}/{each.model}": each.reason for each in decision.exclusions}
    assert routing_pb2.EXCLUSION_REASON_PROVIDER_FORBIDDEN == told[GROQ]
    assert GROQ == next(f"{it.provider}/{it.model}" for it in decision.basis.override.models)
    assert MISTRAL == chain(decision)[0]
    assert not any("groq" == each.provider for each in decision.chain)


async def test_what_a_request_prefers_comes_before_an_override(overridden: Stage) -> None:
    """The request is more specific than any level; the override still comes before defaults."""
    preferred = {"preferred_model": "claude-opus-5-5"}

    decision = await routed(overridden, department="research", routing=preferred)

    assert ["anthropic/claude-opus-5-5", GOOGLE] == chain(decision)[:2]


async def test_nova_is_never_overridden(overridden: Stage) -> None:
    """Not for a task, not for an agent, a department or all."""
    for fields in ({"routing": CODE}, {"agent_id": "scout"}, {"department": "research"}, {}):
        decision = await routed(overridden, agent_role="Nova", **fields)

        assert ["anthropic/claude-sonnet-5-5"] == chain(decision)
        assert not decision.basis.HasField("override")


async def test_an_agent_speaks_for_itself(overridden: Stage) -> None:
    """Its token says which agent it is, and no field can say otherwise."""
    scout = overridden.client(type=PrincipalType.AGENT, name="scout")
    ranger = overridden.client(type=PrincipalType.AGENT, name="ranger")

    mine = await scout.call(scout.router.Route, rb.RouteRequest(text="Hello"))
    same = await scout.query("Hello", agent_id="scout")
    for request in (
        pb.QueryRequest(text="Hello", agent_id="scout"),
        pb.QueryRequest(text="Hello", agent_id="Ranger"),
    ):
        failure = await ranger.fail(ranger.pipeline.Query, request)
        assert ("INVALID_FIELD", "agent_id") == (failure.reason, failure.metadata["field"])

    assert list(FOUR.values()) == chain(mine.decision)
    assert GROQ == f"{same.answer.provider}/{same.answer.model}"
