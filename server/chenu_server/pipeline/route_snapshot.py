"""The catalogue as a route is decided on: made once, when records or prices change.

What a query does not change stands here: the engine's form of the models, and the names of what
they and their prices are, by which a stored decision can be replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic_core import to_json

from chenu_server import engine
from chenu_server.pipeline.model import ModelOverride
from chenu_server.pipeline.ports import Providers
from chenu_server.pipeline.route_rules import NOVA_ALIAS, NOVA_PROVIDER, STRATEGIES, RouteRules
from chenu_server.providers.model import ModelRecord, ProviderRecord, Rates
from chenu_server.values import dataclass

# What a model can or cannot do whatever its wire carries: its record says so.
MODEL_ABILITIES: Final = frozenset(
    {
        "functions",
        "json",
        "json_schema",
        "reasoning_effort",
        "reasoning_budget",
        "vision",
        "documents",
        "image_urls",
        "document_urls",
    }
)
_FILES: Final = frozenset({"vision", "documents"})
NAME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class RouteSnapshot:
    """Models in one order, the engine's form of them, and the name of it all, 8 bytes each.

    `providers` are those of its models, as they are called.
    """

    providers: Providers
    models: tuple[ModelRecord, ...]
    abilities: tuple[frozenset[str], ...]
    media: tuple[engine.MediaLimits | None, ...]
    places: Mapping[tuple[str, str], int]
    catalogue: engine.Catalogue
    wires: tuple[str, ...]
    signals: engine.Signals
    name: bytes

    def places_of(self, override: ModelOverride | None) -> list[int]:
        """Where the models of an override stand; one that cannot be called stands nowhere."""
        if override is None:
            return []
        return [self.places[each] for each in override.models if each in self.places]


def snapshot_of(
    records: Mapping[str, ProviderRecord], providers: Providers, rules: RouteRules
) -> RouteSnapshot:
    """The models that can be called, by provider and then as their record has them."""
    enabled = [record for name, record in sorted(records.items()) if name in providers]
    # One whose limits are unknown is shown in the catalogue, and never routed to.
    models = tuple(model for record in enabled for model in record.models if model.is_complete)
    wires = {record.name: record.wire for record in enabled}
    abilities = tuple(_abilities(model, wires[model.provider]) for model in models)
    described = [
        _engine_record(model, wires[model.provider], able)
        for model, able in zip(models, abilities, strict=True)
    ]
    catalogue = engine.Catalogue(described, _engine_rules(models, rules))
    return RouteSnapshot(
        providers=providers,
        models=models,
        abilities=abilities,
        media=tuple(map(media_limits, models)),
        places={key: at for at, model in enumerate(models) for key in _keys(model)},
        catalogue=catalogue,
        wires=tuple(catalogue.wires),
        signals=catalogue.signals([]),  # nobody watches the providers yet: all are neutral
        name=_named(models, wires, rules),
    )


def _keys(model: ModelRecord) -> Iterable[tuple[str, str]]:
    return ((model.provider, name) for name in (model.name, *model.aliases))


def _abilities(model: ModelRecord, wire: str) -> frozenset[str]:
    """What may be asked of a model: what its wire carries, unless it is the model's own to do."""
    offered = frozenset(engine.wire_offers(wire))
    beyond_the_wire = MODEL_ABILITIES - offered
    carried = offered - MODEL_ABILITIES - frozenset(model.refuses)
    return carried | (_own_abilities(model) - beyond_the_wire)


def _own_abilities(model: ModelRecord) -> frozenset[str]:
    """What its record says; files only where it says how they are counted."""
    told = frozenset(model.capabilities) - _FILES
    images, documents = model.images, model.documents
    of_files = {
        "vision": images is not None,
        "image_urls": images is not None and images.urls,
        "documents": documents is not None,
        "document_urls": documents is not None and documents.urls,
    }
    return told.union(word for word, has in of_files.items() if has)


def media_limits(model: ModelRecord) -> engine.MediaLimits | None:
    """Which files a model takes; None for none."""
    if model.images is None and model.documents is None:
        return None
    # Also of a model whose window is not known, which is shown and never routed to.
    return engine.MediaLimits(
        model.images, model.documents, context_tokens=model.context_tokens or 0
    )


def _engine_record(model: ModelRecord, wire: str, abilities: frozenset[str]) -> engine.ModelRecord:
    assert model.context_tokens is not None and model.output_tokens_max is not None, "incomplete"
    rates = model.rates
    return engine.ModelRecord(
        provider=model.provider,
        instance_of=model.instance_of,
        model=model.name,
        aliases=list(model.aliases),
        wire=wire,
        # As it stands in the body, quotes and all: the bound counts the bytes that are sent.
        name_bytes=len(to_json(model.name)),
        quality=model.quality,
        speed=model.speed,
        output_rate=rates.output if rates else 0,
        dearest_input_rate=rates.dearest_input if rates else None,
        rate_steps=[
            (step.above, step.rates.dearest_input, step.rates.output)
            for step in (rates.steps if rates else ())
        ],
        context_tokens=model.context_tokens,
        output_tokens_max=model.output_tokens_max,
        capabilities=sorted(abilities),
        regions=list(model.regions),
        # Nova's lock is the rules' to say, and no other role has any.
        locked_role=None,
    )


def _engine_rules(models: Iterable[ModelRecord], rules: RouteRules) -> engine.RouteRules:
    # Nobody, where her provider is not called: no other model then speaks in her name.
    nova = next((model.name for model in models if _is_nova(model)), None)
    return engine.RouteRules(
        task_defaults=sorted(rules.tasks.items()),
        role_defaults=sorted(rules.roles.items()),
        weights=[rules.weights[strategy] for strategy in STRATEGIES],
        nova=None if nova is None else (NOVA_PROVIDER, nova),
    )


def _is_nova(model: ModelRecord) -> bool:
    return model.maker == NOVA_PROVIDER and NOVA_ALIAS in model.aliases


def _named(models: Iterable[ModelRecord], wires: Mapping[str, str], rules: RouteRules) -> bytes:
    """The first bytes of a digest of each: catalogue with its rules, prices, signals."""
    # By name: the same models must have the same digest in whichever order their records list them.
    ordered = sorted(models, key=lambda model: (model.provider, model.name))
    overrides = rules.overrides
    catalogue: list[object] = [
        [[wires[model.provider], *_facts(model)] for model in ordered],
        [[name, *rules.weights[name]] for name in STRATEGIES],
        [list(each) for each in sorted(rules.tasks.items())],
        [list(each) for each in sorted(rules.roles.items())],
        _listed(overrides.tasks),
        _listed(overrides.agents),
        _listed(overrides.departments),
        _listed({"": overrides.everyone}),
    ]
    prices: list[object] = [
        [[model.provider, model.name, _prices(model.rates)] for model in ordered]
    ]
    named = (
        engine.digest("chenu.catalogue.v1", catalogue),
        engine.digest("chenu.prices.v1", prices),
        engine.digest("chenu.signals.v1", []),
    )
    return b"".join(digest[:NAME_BYTES] for digest in named)


def _facts(model: ModelRecord) -> list[object]:
    return [
        model.provider,
        model.name,
        sorted(model.aliases),
        model.quality,
        model.speed,
        model.context_tokens,
        model.output_tokens_max,
        sorted(model.capabilities),
        sorted(model.refuses),
        sorted(model.regions),
        model.instance_of,
        *(
            [] if limits is None else [getattr(limits, name) for name in limits.__slots__]
            for limits in (model.images, model.documents)
        ),
    ]


def _prices(rates: Rates | None) -> list[object]:
    if rates is None:
        return []
    # Behind the rest, so that a price without steps has the name that it has always had.
    steps = [[step.above, *_numbers(step.rates)] for step in rates.steps]
    return [*_numbers(rates), rates.source, *([steps] if steps else [])]


def _numbers(rates: Rates) -> list[object]:
    return [
        rates.input,
        rates.output,
        rates.cache_read,
        rates.cache_write,
        rates.cache_write_hour,
    ]


def _listed(overrides: Mapping[str, tuple[tuple[str, str], ...]]) -> list[object]:
    return [[name, [list(model) for model in models]] for name, models in sorted(overrides.items())]
