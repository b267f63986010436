"""Nova is Claude: every way around that is closed. Names and wishes stand in `test_router`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu.api.pipeline.v1 import routing_pb2
from chenu_server.config import ConfigError
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError
from tests.harness import Stage, staged

ANOTHERS_MODEL = """
[models.other]
aliases = ["nova"]
context_tokens = 8192
output_tokens_max = 1024
capabilities = ["text"]
quality = 50
speed = 20
tier = "fast"
regions = ["us"]
"""
SONNET = '[models."claude-sonnet-5-5"]\n'
NAMES = {
    "an alias elsewhere": ("openai", ANOTHERS_MODEL),
    "a name elsewhere": ("groq", ANOTHERS_MODEL.replace("other", "nova").replace('"nova"', "")),
    "no model of Claude": ("anthropic", f"{SONNET}aliases = []\n{ANOTHERS_MODEL}"),
    "a retired model": ("anthropic", f"{SONNET}retired = true\n"),
    "a retired model beside": (
        "anthropic",
        '[models."claude-sonnet-4-20250514"]\nretired = true\naliases = ["nova"]\n',
    ),
    "nobody": ("anthropic", f"{SONNET}aliases = []\n"),
    "another wire": ("anthropic", 'wire = "openai_chat"\n'),
}


@pytest.mark.parametrize("named", NAMES)
def test_the_name_nova_is_one_current_model_of_claude(named: str, tmp_path: Path) -> None:
    """A catalogue in which it is another's, a retired one's or nobody's is refused at start."""
    provider, text = NAMES[named]
    (tmp_path / f"{provider}.toml").write_text(text)

    with pytest.raises(CatalogueError, match="nova"):
        load_catalogue(tmp_path)


def test_an_operator_may_give_the_name_to_another_claude(tmp_path: Path) -> None:
    """Models retire; the lock is to Claude, and not to one of its versions for ever."""
    text = f'{SONNET}aliases = []\n[models."claude-opus-5-5"]\naliases = ["nova"]\n'
    (tmp_path / "anthropic.toml").write_text(text)

    assert "claude-opus-5-5" == load_catalogue(tmp_path).model("anthropic", "nova").name


CONFIGURED: dict[str, dict[str, Any]] = {
    "her role": {"routing.roles": {"nova": "openai"}},
    "her role, spelt otherwise": {"routing.roles": {"Nova": "openai"}},
    "her role, padded": {"routing.roles": {" nova": "openai"}},
    "as an agent": {"agents.models.agents": {"nova": {"primary": "openai/gpt-6-luna"}}},
    "as an agent, spelt otherwise": {
        "agents.models.agents": {"Nova ": {"primary": "openai/gpt-6-luna"}}
    },
}


@pytest.mark.parametrize("how", CONFIGURED)
async def test_no_setting_gives_nova_another_model(
    how: str, sqlite_url: str, tmp_path: Path
) -> None:
    """It is refused at start, and not passed over."""
    with pytest.raises(ConfigError):
        async with staged(sqlite_url, tmp_path, CONFIGURED[how]):
            pass


@pytest.mark.parametrize("role", ["nova", "Nova", "NOVA", " nova", "nova\n", "ｎｏｖａ", "Ｎova"])
async def test_nova_fails_rather_than_fail_over(stage: Stage, role: str) -> None:
    """Claude is down: nobody else is asked in her place, however her name is spelt."""
    stage.upstream.behave("anthropic", status=503)
    client = stage.client()

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Hello", agent_role=role)
    )

    called = {each.provider for each in stage.upstream.arrivals}
    assert ("PROVIDER_UNAVAILABLE", {"anthropic"}) == (failure.reason, called)


@pytest.mark.parametrize("role", ["n\u200bova", "nov\u0000a", "no\u00adva", "nova\u202e"])
async def test_a_role_that_only_looks_like_nova_is_refused(stage: Stage, role: str) -> None:
    """A name with unseen characters in it is neither hers nor another's."""
    client = stage.client()

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Hello", agent_role=role)
    )

    assert ("INVALID_FIELD", "agent_role") == (failure.reason, failure.metadata["field"])


async def test_without_claude_nova_has_no_route(sqlite_url: str, tmp_path: Path) -> None:
    """A server that cannot call Claude serves others, and not her."""
    overrides: dict[str, Any] = {
        "providers.enabled": ["groq"],
        "providers.settings": {"groq": {"api_key": "sk-test"}},
    }
    async with staged(sqlite_url, tmp_path, overrides) as alone:
        client = alone.client()
        request = rb.RouteRequest(text="Hello", agent_role="nova")
        decision = (await client.call(client.router.Route, request)).decision

    reasons = {each.reason for each in decision.exclusions}
    assert ([], {routing_pb2.EXCLUSION_REASON_NOVA_LOCKED}) == (list(decision.chain), reasons)
