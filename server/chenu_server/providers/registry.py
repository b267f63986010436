"""The providers that can be called: one per record that the configuration names."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from chenu_server.providers.address import problem_of
from chenu_server.providers.anthropic import AnthropicProvider
from chenu_server.providers.call import Way, open_session
from chenu_server.providers.catalog import Catalogue
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.openai_wire import OpenAiProvider
from chenu_server.providers.ports import Provider

_PROXY = re.compile(r"https?://[!-~]+")
_KEY = re.compile(r"[!-~]{1,4096}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """What the configuration says of one provider. The key is in no `repr`."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    ca_file: Path | None = None
    connect_timeout_ms: int | None = None
    first_event_timeout_ms: int | None = None
    between_events_timeout_ms: int | None = None


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
        ways = {name: _way_to(keyed[name][0], chosen) for name, chosen in settings.items()}
        self._sessions: list[aiohttp.ClientSession] = []
        self.providers: Mapping[str, Provider] = {
            record.name: self._built(record, api_key, ways[record.name])
            for record, api_key in keyed.values()
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

    def _built(self, record: ProviderRecord, api_key: str | None, way: Way) -> Provider:
        session = open_session(way)
        self._sessions.append(session)
        if record.wire == "anthropic_messages":
            return AnthropicProvider(record, api_key, session)
        return OpenAiProvider(record, api_key, session)


def _usable(
    record: ProviderRecord, settings: ProviderSettings
) -> tuple[ProviderRecord, str | None]:
    if settings.base_url is not None:
        if problem := problem_of(settings.base_url, record.wire):
            raise _unusable(record, f"base_url {problem}", "base_url")
        record = replace(record, base_url=settings.base_url)
    if not record.base_url:
        text = f"its address is one of your own; set it, as {record.base_url_example}"
        raise _unusable(record, text, "base_url")
    record = _timed(record, settings)
    if record.auth == "none" or (record.auth == "optional" and settings.api_key is None):
        return record, None
    if settings.api_key is None:
        raise _unusable(record, "an API key is needed; set it", "api_key")
    if not _KEY.fullmatch(settings.api_key):  # else the HTTP library would quote it in an error
        text = "the API key is not plain visible ASCII; set it to the key alone"
        raise _unusable(record, text, "api_key")
    return record, settings.api_key


def _way_to(record: ProviderRecord, settings: ProviderSettings) -> Way:
    """How its host is reached, checked at start: a wrong file would fail every call."""
    if settings.proxy is not None and not _PROXY.fullmatch(settings.proxy):
        raise _unusable(record, "a proxy is named as http://host:port", "proxy")
    if settings.ca_file is None:
        return Way(proxy=settings.proxy)
    try:
        trust = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # an ssl.SSLError is one
        text = f"{settings.ca_file} holds no certificates that can be read ({error.strerror})"
        raise _unusable(record, text, "ca_file") from error
    return Way(proxy=settings.proxy, trust=trust)


def _timed(record: ProviderRecord, settings: ProviderSettings) -> ProviderRecord:
    return replace(
        record,
        connect_timeout_ms=settings.connect_timeout_ms or record.connect_timeout_ms,
        first_event_timeout_ms=settings.first_event_timeout_ms or record.first_event_timeout_ms,
        between_events_timeout_ms=(
            settings.between_events_timeout_ms or record.between_events_timeout_ms
        ),
    )


def _unusable(record: ProviderRecord, text: str, key: str) -> CatalogueError:
    """What is wrong with a provider's settings, on one line with the key to change."""
    return CatalogueError(
        f"provider {record.name!r}: {text} (providers.settings.{record.name}.{key})"
    )
