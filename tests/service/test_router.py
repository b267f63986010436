"""Routes over the wire: which model would answer, and why not the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu.api.pipeline.v1 import routing_pb2
from tests.harness import PROVIDERS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def decide(stage: Stage, **fields: object) -> routing_pb2.RoutingDecision:
    """The router's decision on an ordinary question."""
    client = stage.client()
    role = str(fields.pop("agent_role", ""))
    routing = routing_pb2.RoutingRequest(**fields)  # type: ignore[arg-type] # checked by protobuf
    request = rb.RouteRequest(text="Which day is it?", routing=routing, agent_role=role)
    response = await client.call(client.router.Route, request)
    decision: routing_pb2.RoutingDecision = response.decision
    return decision


async def test_a_route_is_what_a_query_takes(shared: Stage) -> None:
    """Explaining and running use the same decision."""
    decision = await decide(shared)

    response = await shared.client().query("Which day is it?")

    assert (response.answer.provider, response.answer.model) == (decision.provider, decision.model)


async def test_the_same_request_gives_the_same_decision(shared: Stage) -> None:
    """Nothing is left to chance; no provider is called for it."""
    before = shared.upstream.arrivals_total

    first, second = await decide(shared), await decide(shared)

    assert first == second
    assert before == shared.upstream.arrivals_total


async def test_every_model_is_a_candidate_or_excluded(shared: Stage) -> None:
    """Whoever asks why not gets an answer for each model."""
    client = shared.client()
    shown = await client.call(client.router.ListProviders, rb.ListProvidersRequest())
    known = {(p.name, m.name) for p in shown.providers if p.availability == 1 for m in p.models}

    decision = await decide(shared, allowed_providers=["groq", "openai"])

    candidates = {(each.provider, each.model) for each in decision.candidates}
    excluded = {(each.provider, each.model) for each in decision.exclusions}
    assert known == candidates | excluded
    assert set() == candidates & excluded
    assert {"groq", "openai"} == {provider for provider, _ in candidates}


async def test_lists_are_in_the_order_that_the_contract_names(shared: Stage) -> None:
    """Exclusions by provider and model, providers by name, models by name, candidates by score."""
    client = shared.client()
    shown = await client.call(client.router.ListProviders, rb.ListProvidersRequest())
    nowhere = await decide(shared, required_capabilities=["telepathy"])
    candidates = (await decide(shared)).candidates

    providers = [provider.name for provider in shown.providers]
    models = [[model.name for model in provider.models] for provider in shown.providers]
    excluded = [(each.provider, each.model) for each in nowhere.exclusions]
    scores = [each.score for each in candidates]
    assert (sorted(providers), sorted(excluded)) == (providers, excluded)
    assert [sorted(names) for names in models] == models
    assert sorted(scores, reverse=True) == scores


async def test_a_chain_has_at_most_three_and_its_dearest_bound(shared: Stage) -> None:
    """What is reserved is the dearest of what may be tried."""
    decision = await decide(shared)

    bounds = {(each.provider, each.model): each.cost_bound_nanousd for each in decision.candidates}
    chain = [(each.provider, each.model) for each in decision.chain]
    assert 3 == len(chain)
    assert decision.cost_bound_nanousd == max(bounds[each] for each in chain)


@pytest.mark.parametrize(
    ("task", "provider"),
    [
        (routing_pb2.TASK_TYPE_CODE, "anthropic"),
        (routing_pb2.TASK_TYPE_CREATIVE, "anthropic"),
        (routing_pb2.TASK_TYPE_ANALYSIS, "openai"),
        (routing_pb2.TASK_TYPE_SEARCH, "google"),
        (routing_pb2.TASK_TYPE_TRANSLATION, "google"),
    ],
)
async def test_a_task_prefers_its_provider(shared: Stage, task: int, provider: str) -> None:
    """The defaults of the specification."""
    decision = await decide(shared, task_type=task)

    assert provider == decision.provider


@pytest.mark.parametrize(
    ("role", "provider"),
    [("nova", "anthropic"), ("orchestrator", "anthropic"), ("analyst", "openai")],
)
async def test_a_role_prefers_its_provider(shared: Stage, role: str, provider: str) -> None:
    """The defaults of the specification."""
    decision = await decide(shared, agent_role=role)

    assert provider == decision.provider


async def test_nova_has_claude_alone(shared: Stage) -> None:
    """Every other model is excluded as locked."""
    decision = await decide(shared, agent_role="nova")

    reasons = {each.reason for each in decision.exclusions}
    assert ["anthropic"] == [each.provider for each in decision.candidates]
    assert {routing_pb2.EXCLUSION_REASON_NOVA_LOCKED} == reasons


NOVAS_OWN = [
    {},
    {"preferred_provider": "anthropic"},
    {"preferred_model": "nova"},
    {"preferred_model": "claude-sonnet-5-5", "preferred_provider": "anthropic"},
    {"allowed_providers": ["anthropic"], "forbidden_providers": ["openai"]},
]
ANOTHERS = [
    {"preferred_model": "openai/gpt-oss-120b"},
    {"preferred_model": "openai/gpt-oss-120b", "preferred_provider": "groq"},
    {"preferred_model": "claude-haiku-5-5"},
    {"preferred_model": "claude-opus-5-5", "preferred_provider": "anthropic"},
    {"preferred_provider": "openai"},
    {"allowed_providers": ["openai"]},
    {"forbidden_providers": ["anthropic"]},
]
in_every_strategy = pytest.mark.parametrize("strategy", routing_pb2.Strategy.values())
in_every_spelling = pytest.mark.parametrize("role", ["nova", "NOVA", " Nova "])


@in_every_strategy
@in_every_spelling
@pytest.mark.parametrize("fields", ANOTHERS, ids=str)
async def test_nova_asked_for_another_has_no_route(
    shared: Stage, fields: dict[str, object], role: str, strategy: int
) -> None:
    """She is neither replaced nor answers instead; `Route` and a query say the same, and why."""
    client, before = shared.client(), shared.upstream.arrivals_total
    wishes: dict[str, Any] = {"strategy": strategy, **fields}
    routing = routing_pb2.RoutingRequest(**wishes)

    decision = await decide(shared, agent_role=role, strategy=strategy, **fields)
    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Hello", agent_role=role, routing=routing)
    )

    own = {each.reason for each in decision.exclusions if each.model == "claude-sonnet-5-5"}
    told = [each for each in failure.metadata["exclusions"].split(",") if "claude-sonnet" in each]
    assert ([], []) == (list(decision.chain), list(decision.candidates))
    assert own <= {
        routing_pb2.EXCLUSION_REASON_NOT_PREFERRED_MODEL,
        routing_pb2.EXCLUSION_REASON_PROVIDER_NOT_ALLOWED,
        routing_pb2.EXCLUSION_REASON_PROVIDER_FORBIDDEN,
    }
    assert (1, "NO_ROUTE") == (len(own), failure.reason)
    assert 1 == len(told)
    assert before == shared.upstream.arrivals_total


@in_every_strategy
@pytest.mark.parametrize("fields", NOVAS_OWN, ids=str)
async def test_novas_own_model_may_be_asked_for(
    shared: Stage, fields: dict[str, object], strategy: int
) -> None:
    """By its name, by its alias, by its provider, or not at all."""
    decision = await decide(shared, agent_role="nova", strategy=strategy, **fields)

    assert [("anthropic", "claude-sonnet-5-5")] == [
        (each.provider, each.model) for each in decision.chain
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"preferred_model": "gpt-of-nobody"},
        {"preferred_provider": "OpenAI"},
        {"preferred_model": "nova", "preferred_provider": "openai"},
    ],
    ids=str,
)
async def test_nova_asked_for_what_nobody_has_is_told_so(
    shared: Stage, fields: dict[str, object]
) -> None:
    """A misspelt wish is an error for her as for everybody."""
    client = shared.client()
    routing = routing_pb2.RoutingRequest(**fields)  # type: ignore[arg-type] # as in `decide`
    request = rb.RouteRequest(text="Hello", agent_role="nova", routing=routing)

    failure = await client.fail(client.router.Route, request)

    assert "NOT_FOUND" == failure.reason


async def test_an_alias_is_taken_for_its_model(shared: Stage) -> None:
    """What the catalogue shows as another name of a model can be asked for."""
    client = shared.client()
    shown = await client.call(client.router.ListProviders, rb.ListProvidersRequest())
    aliases = {
        alias: (provider.name, model.name)
        for provider in shown.providers
        if provider.availability == rb.AVAILABILITY_CONFIGURED
        for model in provider.models
        for alias in model.aliases
    }

    decided = {alias: await decide(shared, preferred_model=alias) for alias in aliases}

    assert "nova" in aliases
    assert aliases == {alias: (it.provider, it.model) for alias, it in decided.items()}


async def test_a_route_to_nowhere_is_an_answer(shared: Stage) -> None:
    """Empty but for the reasons."""
    decision = await decide(shared, required_capabilities=["telepathy"])

    assert ("", "", []) == (decision.provider, decision.model, list(decision.chain))
    assert {routing_pb2.EXCLUSION_REASON_CAPABILITY_MISSING} == {
        each.reason for each in decision.exclusions
    }


MODEL = """
context_tokens = 8192
output_tokens_max = 1024
capabilities = ["text"]
quality = 50
speed = 20
tier = "fast"
regions = ["us"]
price = { input = 1, output = 2 }
"""


async def test_the_refusal_of_a_query_lists_eight_exclusions_and_counts_all(shared: Stage) -> None:
    """As the contract writes them: provider/model=reason."""
    client = shared.client()
    routing = routing_pb2.RoutingRequest(required_capabilities=["telepathy"])

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Hello", routing=routing)
    )

    told = failure.metadata["exclusions"].split(",")
    assert 8 == len(told)
    assert {"capability_missing"} == {each.partition("=")[2] for each in told}
    assert int(failure.metadata["count"]) > 8


async def test_a_models_name_may_hold_what_parts_a_list(sqlite_url: str, tmp_path: Path) -> None:
    """It is the provider's own: whoever reads the list finds it whole."""
    name = "50%,cheap=yes"
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue/groq.toml").write_text(f"[models.{json.dumps(name)}]\n{MODEL}")
    overrides = {"providers.catalog_dir": str(tmp_path / "catalogue")}
    routing = routing_pb2.RoutingRequest(
        required_capabilities=["telepathy"], allowed_providers=["groq"]
    )
    async with staged(sqlite_url, tmp_path, overrides) as stage:
        await stage.budget()
        client = stage.client()

        failure = await client.fail(
            client.pipeline.Query, pb.QueryRequest(text="Hello", routing=routing)
        )

    read = [each.rpartition("=")[0] for each in failure.metadata["exclusions"].split(",")]
    assert f"groq/{name}" in [unquote(each) for each in read]


async def test_a_model_of_unknown_limits_is_shown_and_never_routed_to(
    sqlite_url: str, tmp_path: Path
) -> None:
    """No request can be fitted into it, so it is no candidate, by name or without."""
    (tmp_path / "catalogue").mkdir()
    text = "".join(line for line in MODEL.splitlines(True) if "output_tokens_max" not in line)
    (tmp_path / "catalogue/groq.toml").write_text(f"[models.half]\n{text}")
    overrides = {"providers.catalog_dir": str(tmp_path / "catalogue")}
    async with staged(sqlite_url, tmp_path, overrides) as stage:
        client = stage.client()
        shown = await client.call(client.router.GetProvider, rb.GetProviderRequest(name="groq"))
        route = await client.call(client.router.Route, rb.RouteRequest(text="Hello"))
        named = rb.RouteRequest(
            text="Hello",
            routing=routing_pb2.RoutingRequest(preferred_provider="groq", preferred_model="half"),
        )
        refused = await client.fail(client.router.Route, named)

    (half,) = [each for each in shown.provider.models if "half" == each.name]
    met = [*route.decision.candidates, *route.decision.exclusions]
    assert (8192, 0) == (half.context_tokens, half.output_tokens_max)
    assert "groq" in {each.provider for each in met}
    assert "half" not in {each.model for each in met}
    assert "NOT_FOUND" == refused.reason


async def test_a_cost_ceiling_excludes_what_could_cost_more(shared: Stage) -> None:
    """The bound and not the likely price decides."""
    client = shared.client()
    request = rb.RouteRequest(text="Hello", max_cost_nanousd=1_000)

    response = await client.call(client.router.Route, request)

    assert all(each.cost_bound_nanousd <= 1_000 for each in response.decision.candidates)
    assert routing_pb2.EXCLUSION_REASON_OVER_COST_CEILING in {
        each.reason for each in response.decision.exclusions
    }


async def test_the_catalogue_is_everyones_and_shows_what_is_configured(shared: Stage) -> None:
    """It belongs to no identity."""
    here, there = shared.client("acme"), shared.client("other")

    shown = await here.call(here.router.ListProviders, rb.ListProvidersRequest())
    same = await there.call(there.router.ListProviders, rb.ListProvidersRequest())
    one = await here.call(here.router.GetProvider, rb.GetProviderRequest(name="groq"))

    assert shown == same
    assert list(PROVIDERS) == [
        each.name for each in shown.providers if each.availability == rb.AVAILABILITY_CONFIGURED
    ]
    assert one.provider in shown.providers
