"""Which providers are built, and from what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings


async def test_only_providers_that_are_configured_are_built() -> None:
    """A provider without a key would only fail, query by query."""
    settings = {"openai": ProviderSettings(api_key="k"), "ollama": ProviderSettings()}
    registry = ProviderRegistry(load_catalogue(), settings)

    assert ["openai", "ollama"] == list(registry.providers)
    await registry.close()


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("opnai", ProviderSettings(api_key="k"), "did you mean 'openai'"),
        ("openai", ProviderSettings(), "an API key is needed"),
        ("openai", ProviderSettings(api_key=""), "not plain visible ASCII"),
        ("openai", ProviderSettings(api_key="secret\r\nX-Evil: 1"), "not plain visible ASCII"),
        ("openai", ProviderSettings(api_key="k", base_url="file:///etc"), "base_url"),
    ],
)
async def test_a_provider_that_cannot_work_is_an_error_at_start(
    name: str, settings: ProviderSettings, says: str
) -> None:
    """And the message never shows the key."""
    with pytest.raises(CatalogueError, match=says) as caught:
        ProviderRegistry(load_catalogue(), {name: settings})

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "example"),
    [("azure", "https://RESOURCE.openai.azure.com/openai/v1"), ("vllm", "http://HOST:8000/v1")],
)
async def test_a_provider_whose_address_is_ones_own_must_be_given_it(
    name: str, example: str
) -> None:
    """The message names the setting and shows how such an address looks."""
    with pytest.raises(CatalogueError) as caught:
        ProviderRegistry(load_catalogue(), {name: ProviderSettings(api_key="k")})

    assert (
        f"provider {name!r}: its address is one of your own; set it, as {example}"
        f" (providers.settings.{name}.base_url)"
    ) == str(caught.value)


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "vllm"])
@pytest.mark.parametrize("key", [None, "k"])
async def test_a_server_of_ones_own_may_want_a_key_or_none(
    monkeypatch: pytest.MonkeyPatch, name: str, key: str | None
) -> None:
    """What is configured is sent; nothing has to be."""
    keys: list[str | None] = []
    monkeypatch.setattr(
        "chenu_server.providers.registry.OpenAiProvider", lambda _, key, *__: keys.append(key)
    )
    settings = ProviderSettings(api_key=key, base_url="http://10.0.0.7:8000/v1")
    registry = ProviderRegistry(load_catalogue(), {name: settings})
    await registry.close()

    assert [key] == keys


def test_settings_do_not_show_their_key() -> None:
    """They are printed with the configuration."""
    assert "secret" not in repr(ProviderSettings(api_key="secret"))


async def test_time_outs_that_are_set_hold_over_the_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And those that are not leave the record's as they are."""
    built: list[ProviderRecord] = []
    monkeypatch.setattr(
        "chenu_server.providers.registry.OpenAiProvider", lambda record, *_: built.append(record)
    )
    catalogue, settings = load_catalogue(), ProviderSettings(first_event_timeout_ms=7)
    registry = ProviderRegistry(catalogue, {"ollama": settings})
    await registry.close()

    expected = replace(catalogue.provider("ollama"), first_event_timeout_ms=7, models=())
    assert [expected] == built
