"""Several instances of a provider over the wire: each is a provider of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from chenu.api.governance.v1 import rate_limit_service_pb2 as lb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu.api.pipeline.v1 import routing_pb2
from chenu_server.upstream import FakeUpstream
from chenu_server.upstream.behaviour import Behaviour
from tests.harness import Client, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOVA = "claude-sonnet-5-5"
LUNA = "gpt-6-luna"
KEYS = {name: f"sk-of-{name}" for name in ("openai-eu", "openai-us", "claude-a", "router", "small")}


def instances(upstream: FakeUpstream) -> dict[str, Any]:
    """Two regions of OpenAI, accounts of others, and a Claude sold by another; nothing else."""
    url = upstream.base_url
    made: dict[str, dict[str, Any]] = {
        "openai-eu": {
            "record": "openai",
            "base_url": f"{url}/openai/eu/v1",
            "region": "eu",
            "models": [LUNA],
        },
        "openai-us": {"record": "openai", "base_url": f"{url}/openai/us/v1", "region": "us"},
        "claude-a": {"record": "anthropic", "base_url": f"{url}/anthropic/a"},
        "router": {"record": "openrouter", "base_url": f"{url}/openrouter/api/v1"},
        "small": {"record": "mistral", "base_url": f"{url}/mistral/v1", "limit": 2},
    }
    named = {name: {**made[name], "api_key": KEYS[name]} for name in made}
    return {"providers.enabled": [], "providers.settings": {}, "providers.instances": named}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """A server that calls instances alone."""
    folder = tmp_path_factory.mktemp("pool")
    (folder / "records").mkdir()
    # An operator says where a deployment of his runs: the record knows of the United States only.
    text = f'[models."{LUNA}"]\nregions = ["eu"]\nprice = {{ input = 7, output = 9 }}\n'
    (folder / "records" / "openai-eu.toml").write_text(text)
    shutil.copy(sqlite_template, folder / "chenu.db")
    (folder / "rules").mkdir()
    (folder / "rules" / "barred.cedar").write_text(
        '@id("barred") forbid (principal, action == Action::"submit", resource)'
        ' when { context.agent_role == "barred" && context.providers.contains("openai") };'
    )
    changes = {
        "providers.catalog_dir": str(folder / "records"),
        "policies.operator_dir": str(folder / "rules"),
    }
    async with staged(
        f"sqlite:///{folder / 'chenu.db'}", folder, lambda it: {**instances(it), **changes}
    ) as stage:
        await stage.budget()
        yield stage


@pytest.fixture(autouse=True)
def fresh(pool: Stage) -> None:
    """The upstream remembers nothing of another test's calls."""
    pool.upstream.reset()


def wish(**fields: Any) -> routing_pb2.RoutingRequest:
    """What is wanted of the model."""
    return routing_pb2.RoutingRequest(**fields)


async def decide(client: Client, role: str = "", **fields: Any) -> routing_pb2.RoutingDecision:
    """How an ordinary question would be routed."""
    request = rb.RouteRequest(text="Which day is it?", routing=wish(**fields), agent_role=role)
    decision: routing_pb2.RoutingDecision = (
        await client.call(client.router.Route, request)
    ).decision
    return decision


async def test_a_call_goes_to_the_instance_that_is_named_with_its_own_key(pool: Stage) -> None:
    """Two accounts of one provider must never be mixed up: each has its bill and its quota."""
    for name in ("openai-eu", "openai-us"):
        answer = await pool.client().query("Hello", routing=wish(allowed_providers=[name]))

        request = pool.upstream.requests[-1]
        assert (name, f"Bearer {KEYS[name]}") == (
            answer.answer.provider,
            request.headers["authorization"],
        )
        assert f"/openai/{name[-2:]}/v1/chat/completions" == request.path


async def test_the_catalogue_tells_of_each_instance(pool: Stage) -> None:
    """Who asks where an instance runs and what it serves need not read the configuration."""
    client = pool.client()

    shown = await client.call(client.router.ListProviders, rb.ListProvidersRequest())
    got = await client.call(client.router.GetProvider, rb.GetProviderRequest(name="openai-eu"))

    named = {each.name: each for each in shown.providers}
    told = {name: (named[name].instance_of, named[name].region) for name in KEYS}
    assert {
        "openai-eu": ("openai", "eu"),
        "openai-us": ("openai", "us"),
        "claude-a": ("anthropic", ""),
        "router": ("openrouter", ""),
        "small": ("mistral", ""),
    } == told
    assert named["openai-eu"] == got.provider
    assert [(LUNA, ["eu"])] == [(it.name, list(it.regions)) for it in got.provider.models]
    assert rb.AVAILABILITY_CONFIGURED == got.provider.availability
    assert rb.AVAILABILITY_NOT_CONFIGURED == named["openai"].availability


async def test_prices_come_from_the_record_unless_a_file_names_the_instance(pool: Stage) -> None:
    """A deployment may cost something else; an account of the same provider does not."""
    client = pool.client()
    shown = await client.call(client.router.ListProviders, rb.ListProvidersRequest())
    rates = {
        (provider.name, model.name): model.rates
        for provider in shown.providers
        for model in provider.models
    }

    assert rates["openai", LUNA] == rates["openai-us", LUNA]
    assert ("operator", 7) == (
        rates["openai-eu", LUNA].source,
        rates["openai-eu", LUNA].input_nanousd,
    )


async def test_residency_holds_for_instances(pool: Stage) -> None:
    """A region is a promise about data: an instance elsewhere is never called."""
    decision = await decide(pool.client(), regions=["eu"], allowed_providers=["openai"])

    assert [("openai-eu", LUNA)] == [(it.provider, it.model) for it in decision.chain]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"allowed_providers": ["openai"]}, {"openai-eu", "openai-us"}),
        ({"allowed_providers": ["openai-us"]}, {"openai-us"}),
        ({"forbidden_providers": ["openai"]}, {"claude-a", "router", "small"}),
        ({"forbidden_providers": ["openai-eu", "router"]}, {"openai-us", "claude-a", "small"}),
    ],
)
async def test_a_records_name_means_all_its_instances(
    pool: Stage, fields: dict[str, Any], expected: set[str]
) -> None:
    """Who forbids a provider forbids every door to it, also one that is opened later."""
    decision = await decide(pool.client(), **fields)

    assert expected == {each.provider for each in decision.candidates}


async def test_a_preferred_provider_may_be_a_record_or_an_instance(pool: Stage) -> None:
    """Callers that know providers only go on working when their operator adds instances."""
    client = pool.client()

    of_record = await decide(client, preferred_provider="openai", preferred_model=LUNA)
    of_instance = await decide(client, preferred_provider="openai-us")

    assert ["openai-eu", "openai-us"] == sorted(it.provider for it in of_record.chain[:2])
    assert "openai-us" == of_instance.provider


async def test_a_tasks_default_is_any_instance_of_its_provider(pool: Stage) -> None:
    """`analysis` prefers openai, whatever its instances are called."""
    decision = await decide(pool.client(), task_type=routing_pb2.TASK_TYPE_ANALYSIS)

    assert decision.provider in {"openai-eu", "openai-us"}


async def test_nova_speaks_through_an_instance_of_anthropic_and_no_other(pool: Stage) -> None:
    """Claude sold by somebody else is not hers, nor is any other model, whatever is preferred."""
    client = pool.client()

    answer = await client.query("Who are you?", agent_role="nova")
    asked: list[dict[str, Any]] = [
        {"preferred_provider": "router"},
        {"preferred_provider": "openai-us"},
        {"allowed_providers": ["router"]},
        {"forbidden_providers": ["anthropic"]},
        {"preferred_provider": "router", "preferred_model": "anthropic/claude-sonnet-5.5"},
    ]
    refused = [
        await client.fail(
            client.pipeline.Query,
            pb.QueryRequest(text="Who are you?", agent_role="nova", routing=wish(**fields)),
        )
        for fields in asked
    ]

    assert ("claude-a", NOVA) == (answer.answer.provider, answer.answer.model)
    assert {"NO_ROUTE"} == {each.reason for each in refused}
    assert ["anthropic"] == [each.provider for each in pool.upstream.arrivals]
    pool.upstream.behave("anthropic", status=503)
    failed = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="And now?", agent_role="nova")
    )
    assert "PROVIDER_UNAVAILABLE" == failed.reason
    assert {"anthropic"} == {each.provider for each in pool.upstream.arrivals}


async def test_a_policy_that_forbids_a_provider_forbids_its_instances(pool: Stage) -> None:
    """It was written before somebody gave an instance a name."""
    client = pool.client()
    asked = pb.QueryRequest(
        text="Hello", agent_role="barred", routing=wish(allowed_providers=["openai-us"])
    )
    elsewhere = wish(allowed_providers=["router"])

    failure = await client.fail(client.pipeline.Query, asked)
    answer = await client.query("Hello", agent_role="barred", routing=elsewhere)

    assert ("POLICY_DENIED", "router") == (failure.reason, answer.answer.provider)


async def test_a_failing_instance_is_followed_by_another_of_the_same_record(pool: Stage) -> None:
    """A pool of keys is there for that."""
    request = wish(allowed_providers=["openai"], preferred_model=LUNA)
    first = (await decide(pool.client(), allowed_providers=["openai"], preferred_model=LUNA)).chain
    pool.upstream.script(f"openai/{LUNA}", [Behaviour(status=401)])

    answer = await pool.client().query("Hello", routing=request)

    assert first[1].provider == answer.answer.provider
    paths = [request.path.split("/")[2] for request in pool.upstream.requests]
    assert [first[0].provider[-2:], first[1].provider[-2:]] == paths


async def test_each_instance_has_slots_of_its_own(pool: Stage) -> None:
    """A limit is what one account may ask; the other one's is not used up by it."""
    operator = pool.operator()

    limits = await operator.call(operator.limits.ListRateLimits, lb.ListRateLimitsRequest())

    told = {each.provider: each.limit for each in limits.providers}
    assert {**dict.fromkeys(KEYS, 100), "small": 2} == told
    for _ in range(2):
        await pool.client().query("Hello", routing=wish(allowed_providers=["small"]))
    failure = await pool.client().fail(
        pool.client().pipeline.Query,
        pb.QueryRequest(text="Hello", routing=wish(allowed_providers=["small"])),
        timeout_s=2,
    )
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "DEADLINE_UNREACHABLE") == (
        failure.code,
        failure.reason,
    )
    answer = await pool.client().query("Hello", routing=wish(allowed_providers=["openai-us"]))
    assert "openai-us" == answer.answer.provider


async def test_an_instance_that_is_held_back_holds_back_no_other(pool: Stage) -> None:
    """A pool of keys is there so that another one answers."""
    pool.upstream.script("openai", [Behaviour(status=429, retry_after="30")])
    client = pool.client()

    async def answered_by(*names: str) -> str:
        routing = routing_pb2.RoutingRequest(allowed_providers=names, preferred_provider=names[0])
        answer = await client.query("Hello", routing=routing)
        return str(answer.answer.provider)

    first = await answered_by("openai-eu", "openai-us")
    again = await answered_by("openai-eu", "openai-us")
    refused = await client.fail(
        client.pipeline.Query,
        pb.QueryRequest(
            text="Hello", routing=routing_pb2.RoutingRequest(allowed_providers=["openai-eu"])
        ),
        timeout_s=2,
    )

    assert ["openai-us"] * 2 == [first, again]
    assert ("DEADLINE_UNREACHABLE", "openai-eu") == (refused.reason, refused.metadata["provider"])
