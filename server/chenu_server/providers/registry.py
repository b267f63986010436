"""The providers that can be called: one per record or instance that the configuration names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from chenu_server.engine import Upstream, has_certificates
from chenu_server.providers.address import problem_of
from chenu_server.providers.anthropic import AnthropicProvider
from chenu_server.providers.call import Way, open_session
from chenu_server.providers.catalog import Catalogue
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.openai_wire import OpenAiProvider
from chenu_server.providers.ports import Provider
from chenu_server.providers.probe import Probed, probed
from chenu_server.values import dataclass, field, replace

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


@dataclass(frozen=True, slots=True)
class _Door:
    """How one provider is called: what decides whether another configuration means the same."""

    record: ProviderRecord  # without its models: which are routed to is not the provider's matter
    api_key: str | None = field(repr=False)
    way: Way

    @property
    def account(self) -> tuple[ProviderRecord, str | None, str | None]:
        """Whom it leads to, by whatever certificates."""
        return self.record, self.api_key, self.way.proxy


@dataclass(frozen=True, slots=True)
class _Opened:
    door: _Door
    session: Upstream
    provider: Provider


class ProviderRegistry:
    """The providers by name, each on connections of its own. Close it when done."""

    def __init__(
        self,
        catalogue: Catalogue,
        settings: Mapping[str, ProviderSettings],
        *,
        before: ProviderRegistry | None = None,
    ) -> None:
        """Build inside a running event loop.

        A provider that is called as it was `before` keeps its session, with its connections.

        Raises:
            CatalogueError: A provider is unknown, or its key is missing or malformed.
        """
        doors = {name: _door(catalogue.provider(name), each) for name, each in settings.items()}
        known: Mapping[str, _Opened] = {} if before is None else before._opened
        self._opened: Mapping[str, _Opened] = {
            name: _opened(door, known.get(name)) for name, door in doors.items()
        }
        self.providers: Mapping[str, Provider] = {
            name: opened.provider for name, opened in self._opened.items()
        }

    def other_than(self, before: ProviderRegistry) -> frozenset[str]:
        """The providers whose account or host is not known to be the one of `before`."""
        known = {name: opened.door.account for name, opened in before._opened.items()}
        # By the account alone: with other certificates it is the same one, which may have been told
        # to wait.
        return frozenset(
            name for name, opened in self._opened.items() if known.get(name) != opened.door.account
        )

    async def prepare(self) -> None:
        """Load what is slow to import, away from the event loop: call before serving."""
        for provider in self.providers.values():
            if isinstance(provider, AnthropicProvider):
                await provider.prepare()

    async def probe(self, catalogue: Catalogue) -> list[Probed]:
        """What each provider says when it is asked for its models, by name. Nothing is billed."""
        return await asyncio.gather(
            *(
                probed(
                    each.door.record,
                    [model.name for model in catalogue.provider(name).models],
                    each.door.api_key,
                    each.session,
                )
                for name, each in sorted(self._opened.items())
            )
        )

    async def close(self, *, keep: Iterable[ProviderRegistry] = ()) -> None:
        """Close every connection but those that one of `keep` has too; calls on them fail."""
        kept = {each.session for registry in keep for each in registry._opened.values()}
        for opened in self._opened.values():
            if opened.session not in kept:
                opened.session.close()


def _door(record: ProviderRecord, settings: ProviderSettings) -> _Door:
    usable, api_key = _usable(record, settings)
    return _Door(replace(usable, models=()), api_key, _way_to(usable, settings))


def _opened(door: _Door, before: _Opened | None) -> _Opened:
    # Called as before: its connections are warm, and calls of before the reload are on them.
    if before is not None and before.door == door:
        return before
    session = open_session(door.way)
    if door.record.wire == "anthropic_messages":
        return _Opened(door, session, AnthropicProvider(door.record, door.api_key, session))
    return _Opened(door, session, OpenAiProvider(door.record, door.api_key, session))


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
        certificates = settings.ca_file.read_bytes()
    except OSError as error:
        text = f"{settings.ca_file} cannot be read ({error.strerror})"
        raise _unusable(record, text, "ca_file") from error
    if not has_certificates(certificates):
        text = f"{settings.ca_file} holds no certificates that can be read"
        raise _unusable(record, text, "ca_file")
    return Way(proxy=settings.proxy, certificates=certificates)


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
    section = "instances" if record.instance_of else "settings"
    return CatalogueError(
        f"provider {record.name!r}: {text} (providers.{section}.{record.name}.{key})"
    )
