"""The providers that can be called: one per record that the configuration names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import aiohttp

from chenu_server.providers.anthropic import AnthropicProvider
from chenu_server.providers.call import open_session
from chenu_server.providers.catalog import Catalogue
from chenu_server.providers.catalog_schema import BASE_URL, CatalogueError
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.openai_wire import OpenAiProvider
from chenu_server.providers.ports import Provider

_KEY = re.compile(r"[!-~]{1,4096}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """What the configuration says of one provider. The key is in no `repr`."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None


class ProviderRegistry:
    """The providers by name, each on an HTTP session of its own. Close it when done."""

    def __init__(self, catalogue: Catalogue, settings: Mapping[str, ProviderSettings]) -> None:
        """Build inside a running event loop.

        Raises:
            CatalogueError: A provider is unknown, or its key is missing or malformed.
        """
        keyed = {
            name: _usable(catalogue.provider(name), chosen) for name, chosen in settings.items()
        }
        self._sessions: list[aiohttp.ClientSession] = []
        self.providers: Mapping[str, Provider] = {
            record.name: self._built(record, api_key) for record, api_key in keyed.values()
        }

    async def prepare(self) -> None:
        """Load what is slow to import, away from the event loop: call before serving."""
        for provider in self.providers.values():
            if isinstance(provider, AnthropicProvider):
                await provider.prepare()

    async def close(self) -> None:
        """Close every connection; calls that are under way fail."""
        for session in self._sessions:
            await session.close()

    def _built(self, record: ProviderRecord, api_key: str | None) -> Provider:
        session = open_session()
        self._sessions.append(session)
        if record.wire == "anthropic_messages":
            return AnthropicProvider(record, api_key, session)
        return OpenAiProvider(record, api_key, session)


def _usable(
    record: ProviderRecord, settings: ProviderSettings
) -> tuple[ProviderRecord, str | None]:
    if settings.base_url is not None:
        if not BASE_URL.fullmatch(settings.base_url):
            raise CatalogueError(f"provider {record.name!r}: base_url is not a plain http URL")
        record = replace(record, base_url=settings.base_url)
    if record.auth == "none":
        return record, None
    if settings.api_key is None:
        raise CatalogueError(f"provider {record.name!r}: an API key is needed")
    if not _KEY.fullmatch(settings.api_key):  # else the HTTP library would quote it in an error
        raise CatalogueError(f"provider {record.name!r}: the API key is not plain visible ASCII")
    return record, settings.api_key
