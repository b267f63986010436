"""Who can be called, and at which prices."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta

import structlog

from chenu_server import config
from chenu_server.bootstrap.route_rules import route_rules
from chenu_server.config import Settings
from chenu_server.pipeline.route_rules import RouteRules
from chenu_server.pipeline.routing import CatalogueRouter
from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.instances import Instance
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.prices import resolve_prices
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from chenu_server.values import dataclass, replace

_log = structlog.get_logger(__name__)

# The dearest bound of a chain is held: a longer one holds more money, for attempts that never come.
CHAIN_MAX = 3
"""How many candidates a query may try, one after another; an override may name one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The catalogue as loaded and as priced on a day (UTC), and the rules of routes."""

    loaded: Catalogue
    priced: Catalogue
    day: date
    rules: RouteRules

    @property
    def is_of_today(self) -> bool:
        """Whether its prices hold now."""
        return self.day == _today()


class Routes:
    """Who can be called: the records as they are priced today, and the providers.

    `use` puts others in their place, all at once. Who was routed before has its providers from its
    route, and they are open until `forget`.
    """

    def __init__(self, plan: Plan, registry: ProviderRegistry) -> None:
        self.plan = plan
        self.registry = registry
        self.router = CatalogueRouter(
            plan.priced.providers, registry.providers, plan.rules, chain_max=CHAIN_MAX
        )
        self._left: list[ProviderRegistry] = []

    @property
    def records(self) -> Mapping[str, ProviderRecord]:
        """Every provider of the catalogue, and every instance, at today's prices."""
        return self.plan.priced.providers

    def use(self, plan: Plan, registry: ProviderRegistry) -> ProviderRegistry:
        """Route by these from now on; the registry that is left, for `forget`."""
        left, self.registry = self.registry, registry
        # Kept open: runs that were routed by it are calling its providers, and a closed session
        # would fail what is being paid for.
        self._left.append(left)
        self.reprice(plan)
        return left

    def reprice(self, plan: Plan) -> None:
        """Route by this plan from now on."""
        self.plan = plan
        self.router.replace(plan.priced.providers, self.registry.providers, plan.rules)

    async def forget(self, left: ProviderRegistry) -> Collection[str]:
        """Close what nobody calls any more; the names of the providers that are gone.

        What a later registry has too is kept, even if the present one has it not: runs that began
        between two reloads are still on it.
        """
        # First, or what it has would be kept as something that it shares with itself.
        self._left.remove(left)
        try:
            await left.close(keep=self._registries)
        except BaseException:
            self._left.append(left)  # for `close`
            raise
        return left.providers.keys() - set().union(*(it.providers for it in self._registries))

    async def close(self) -> None:
        """Close every connection; calls that are under way fail."""
        for registry in self._registries:
            await registry.close()

    @property
    def _registries(self) -> tuple[ProviderRegistry, ...]:
        return (*self._left, self.registry)


async def open_routes(settings: Settings, stack: AsyncExitStack) -> Routes:
    """
    Load the catalogue, price it for today, open a session for each provider that is called.

    Raises:
        CatalogueError: The configuration names what the catalogue does not have.
    """
    plan = plan_of(settings)
    registry = registry_of(settings, plan)
    routes = Routes(plan, registry)
    stack.push_async_callback(routes.close)
    # Behind the callback, so that a failure here closes what was opened.
    await registry.prepare()
    return routes


def plan_of(settings: Settings) -> Plan:
    """
    Read the catalogue and price it. Takes a while, and needs no event loop.

    Raises:
        CatalogueError: The catalogue is not usable, or has not what an instance or a rule names.
    """
    loaded = load_catalogue(settings.providers.catalog_dir, _instances(settings))
    day = _today()
    priced = resolve_prices(loaded, day)
    rules = route_rules(settings, priced, settings.providers.called)
    return Plan(loaded=loaded, priced=priced, day=day, rules=rules)


def registry_of(
    settings: Settings, plan: Plan, *, before: ProviderRegistry | None = None
) -> ProviderRegistry:
    """
    The providers that the settings call, in a running event loop; see `ProviderRegistry`.

    Raises:
        CatalogueError: One of them is unknown or cannot be called.
    """
    called = settings.providers.called
    return ProviderRegistry(
        plan.loaded,
        {name: _provider_settings(each) for name, each in called.items()},
        # Those that are called as before keep their sessions.
        before=before,
    )


def _instances(settings: Settings) -> Mapping[str, Instance]:
    return {
        name: Instance(record=each.record, region=each.region, models=each.models)
        for name, each in settings.providers.instances.items()
    }


def _provider_settings(chosen: config.ProviderSettings) -> ProviderSettings:
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


def _today() -> date:
    return datetime.now(UTC).date()


async def price_again(routes: Routes) -> None:
    """Resolve dated prices for the day that has begun."""
    while True:
        loaded, day = routes.plan.loaded, _today()
        # In a thread: it takes the time of many calls, which would all stand still at midnight.
        priced = await asyncio.to_thread(resolve_prices, loaded, day)
        # Unless a reload has put another catalogue in the place of the one that was priced.
        if loaded is routes.plan.loaded:
            break
    routes.reprice(replace(routes.plan, priced=priced, day=day))
    _log.info("prices_resolved", day=str(day))


def until_midnight_s() -> float:
    """How long this UTC day lasts; a little over, so that the new one has surely begun."""
    now = datetime.now(UTC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return (midnight - now).total_seconds() + 0.01
