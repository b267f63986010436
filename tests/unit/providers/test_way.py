"""How a provider is reached: through the proxy of its settings, by the certificates named there."""

from __future__ import annotations

from pathlib import Path

import pytest

from chenu_server.engine import Prompt
from chenu_server.pipeline.conversation import asked
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.model import ChatRequest, ProviderFailure
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from tests.listener import listening

MODELS = {"groq": "openai/gpt-oss-120b", "anthropic": "claude-sonnet-5-5"}
PATHS = {"groq": "/chat/completions", "anthropic": "/v1/messages"}


async def call(provider: str, settings: ProviderSettings) -> ProviderFailure:
    """How a call fails that nobody answers."""
    registry = ProviderRegistry(load_catalogue(), {provider: settings})
    request = ChatRequest(
        model=MODELS[provider], prompt=Prompt(asked("Hello").messages), output_cap=9
    )
    stream = registry.providers[provider].stream(request, timeout_s=10, on_dispatch=lambda _: None)
    try:
        with pytest.raises(ProviderFailure) as failure:
            async for _ in stream:
                pass
    finally:
        await registry.close()
    return failure.value


@pytest.mark.parametrize("provider", MODELS)
async def test_a_provider_is_reached_through_its_proxy(provider: str) -> None:
    """On either wire; the proxy is asked for the provider's own address."""
    with listening() as proxy:
        settings = ProviderSettings(
            api_key="sk-test", base_url="http://models.invalid/base", proxy=proxy.url
        )
        failure = await call(provider, settings)

    assert [f"POST http://models.invalid/base{PATHS[provider]}"] == proxy.heard
    assert "http_403" == failure.kind


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes where is the operator's configuration, and a key is in it."""
    with listening() as proxy, listening() as provider:
        monkeypatch.setenv("http_proxy", proxy.url)
        await call("groq", ProviderSettings(api_key="sk-test", base_url=provider.url))

    assert ([], ["POST /chat/completions"]) == (proxy.heard, provider.heard)


@pytest.mark.parametrize("name", ["absent.pem", "empty.pem"])
async def test_certificates_that_cannot_be_read_are_found_at_start(
    tmp_path: Path, name: str
) -> None:
    """Else every call would fail, and look like the provider's trouble."""
    (tmp_path / "empty.pem").write_text("")
    settings = ProviderSettings(api_key="sk-test", ca_file=tmp_path / name)

    with pytest.raises(CatalogueError, match=r"providers\.settings\.groq\.ca_file"):
        ProviderRegistry(load_catalogue(), {"groq": settings})


@pytest.mark.parametrize("proxy", ["proxy:3128", "socks5://proxy", "http://a b"])
async def test_a_proxy_that_is_none_is_found_at_start(proxy: str) -> None:
    """The message names the key and repeats nothing of it: it may hold a password."""
    settings = ProviderSettings(api_key="sk-test", proxy=proxy)

    with pytest.raises(CatalogueError, match=r"providers\.settings\.groq\.proxy") as refusal:
        ProviderRegistry(load_catalogue(), {"groq": settings})
    assert proxy not in str(refusal.value)
