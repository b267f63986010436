"""Who can be called, and at which prices."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from chenu_server.bootstrap.route_rules import route_rules
from chenu_server.config import Settings
from chenu_server.pipeline.routing import CatalogueRouter
from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.prices import resolve_prices
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings

_log = structlog.get_logger(__name__)

CHAIN_MAX = 3
"""How many candidates a query may try, one after another; an override may name one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who can be called: the records as they are priced today, and the providers."""

    loaded: Catalogue
    registry: ProviderRegistry
    router: CatalogueRouter
    records: dict[str, ProviderRecord]


async def open_routes(settings: Settings, stack: AsyncExitStack) -> Routes:
    """
    Load the catalogue, price it for today, open a session for each enabled provider.

    Raises:
        CatalogueError: The configuration names what the catalogue does not have.
    """
    chosen = settings.providers
    loaded = load_catalogue(chosen.catalog_dir)
    priced = _priced_today(loaded)
    rules = route_rules(settings, priced, chosen.enabled)
    registry = ProviderRegistry(
        loaded, {name: _provider_settings(settings, name) for name in chosen.enabled}
    )
    stack.push_async_callback(registry.close)
    await registry.prepare()
    router = CatalogueRouter(priced.providers, registry.providers, rules, chain_max=CHAIN_MAX)
    return Routes(loaded=loaded, registry=registry, router=router, records=dict(priced.providers))


def _provider_settings(settings: Settings, name: str) -> ProviderSettings:
    chosen = settings.providers.settings.get(name)
    if chosen is None:
        return ProviderSettings()
    key = chosen.api_key.get_secret_value() if chosen.api_key else None
    return ProviderSettings(
        api_key=key,
        base_url=chosen.base_url,
        proxy=chosen.proxy.get_secret_value() if chosen.proxy else None,
        ca_file=chosen.ca_file,
        connect_timeout_ms=chosen.connect_timeout_ms,
        first_event_timeout_ms=chosen.first_event_timeout_ms,
        between_events_timeout_ms=chosen.between_events_timeout_ms,
    )


def _priced_today(loaded: Catalogue) -> Catalogue:
    return resolve_prices(loaded, datetime.now(UTC).date())


async def price_again(routes: Routes) -> None:
    """Resolve dated prices for the day that has begun."""
    priced = _priced_today(routes.loaded)
    routes.router.replace(priced.providers)
    routes.records.update(priced.providers)
    _log.info("prices_resolved", day=str(datetime.now(UTC).date()))


def until_midnight_s() -> float:
    """How long this UTC day lasts; a little over, so that the new one has surely begun."""
    now = datetime.now(UTC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return (midnight - now).total_seconds() + 0.01
