"""Which providers are built, and from what."""

from __future__ import annotations

import pytest

from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError
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


def test_settings_do_not_show_their_key() -> None:
    """They are printed with the configuration."""
    assert "secret" not in repr(ProviderSettings(api_key="secret"))
