"""What the configuration sets of routes, checked against the models that can be called."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from chenu_server.config import ModelChain, Settings, TaskName
from chenu_server.pipeline.agent_models import AgentModels, ModelNames
from chenu_server.pipeline.route_rules import ROLE_PROVIDERS, TASK_PROVIDERS, WEIGHTS, RouteRules
from chenu_server.providers.catalog import Catalogue
from chenu_server.providers.catalog_schema import CatalogueError, did_you_mean

T = TypeVar("T")


def route_rules(settings: Settings, catalogue: Catalogue, enabled: Collection[str]) -> RouteRules:
    """
    The product's defaults under what is set.

    Raises:
        CatalogueError: A provider or model is named that no query can be routed to.
    """
    routing, models = settings.routing, settings.agents.models
    # A provider's name stands for its instances too.
    named = {*enabled, *(each.record for each in settings.providers.instances.values())}
    for key, chosen in (("tasks", routing.tasks), ("roles", routing.roles)):
        for name, provider in chosen.items():
            _must_be_enabled(provider, named, f"routing.{key}.{name}")
    weights: dict[str, tuple[int, int, int]] = {
        name: (each.quality, each.speed, each.cost) for name, each in routing.weights.items()
    }
    checked = _Checked(catalogue, enabled)
    everyone = {"global": models.everyone} if models.everyone else {}
    return RouteRules(
        weights={**WEIGHTS, **weights},
        tasks={**TASK_PROVIDERS, **_plain(routing.tasks)},
        roles={**ROLE_PROVIDERS, **routing.roles},
        overrides=AgentModels(
            tasks=checked.all_of("agents.models.tasks", _plain(models.tasks)),
            agents=checked.all_of("agents.models.agents", models.agents),
            departments=checked.all_of("agents.models.departments", models.departments),
            everyone=checked.all_of("agents.models", everyone).get("global", ()),
        ),
    )


def _plain(table: Mapping[TaskName, T]) -> dict[str, T]:
    """Its names as any others."""
    return {str(name): value for name, value in table.items()}


class _Checked:
    """Names of models, as the catalogue has them."""

    def __init__(self, catalogue: Catalogue, enabled: Collection[str]) -> None:
        self._catalogue = catalogue
        self._enabled = enabled

    def all_of(self, key: str, chains: Mapping[str, ModelChain]) -> dict[str, ModelNames]:
        """The models of each chain, in order."""
        return {
            name: tuple(self._model(each, f"{key}.{name}") for each in chain.models)
            for name, chain in chains.items()
        }

    def _model(self, named: str, key: str) -> tuple[str, str]:
        provider, _, name = named.partition("/")
        _must_be_enabled(provider, self._enabled, key)
        try:
            model = self._catalogue.model(provider, name)
        except CatalogueError as error:
            raise CatalogueError(f"{error} ({key})") from None
        if not model.is_complete:
            raise CatalogueError(
                f"nothing is routed to {named!r}, whose limits are not known: "
                f"give them in its record, or name another ({key})"
            )
        return provider, model.name


def _must_be_enabled(provider: str, enabled: Collection[str], key: str) -> None:
    if provider not in enabled:
        hint = did_you_mean(provider, enabled)
        raise CatalogueError(
            f"{provider!r} is no provider that is enabled{hint}: "
            f"add it to providers.enabled, or name another ({key})"
        )
