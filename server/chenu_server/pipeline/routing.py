"""Which models may answer: the engine's router over the catalogue of enabled providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json

from chenu_server import engine
from chenu_server.errors import NotFound
from chenu_server.pipeline.model import (
    Candidate,
    Exclusion,
    QueryRequest,
    Route,
    Routing,
    Scored,
)
from chenu_server.pipeline.ports import Providers
from chenu_server.providers.model import ModelRecord, ProviderRecord, Rates

TASK_DEFAULTS: Final = (
    ("code", "anthropic"),
    ("creative", "anthropic"),
    ("analysis", "openai"),
    ("search", "google"),
    ("translation", "google"),
)
ROLE_DEFAULTS: Final = (
    ("nova", "anthropic"),
    ("orchestrator", "anthropic"),
    ("analyst", "openai"),
    ("researcher", "google"),
)
# What a model can or cannot do whatever its wire carries: its record says so.
MODEL_ABILITIES: Final = frozenset(
    {"functions", "json", "json_schema", "reasoning_effort", "reasoning_budget"}
)
CAPABILITY_MISSING: Final = "capability_missing"
NOVA_PROVIDER: Final = "anthropic"
NOVA_ALIAS: Final = "nova"

_NO_RATES: Final = Rates(
    input=0, output=0, cache_read=0, cache_write=0, cache_write_hour=0, source="unknown"
)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The catalogue as it stands: models and the engine's form of them, in one order."""

    models: tuple[ModelRecord, ...]
    wire_of: tuple[str, ...]
    name_bytes: tuple[int, ...]
    abilities: tuple[frozenset[str], ...]
    catalogue: engine.Catalogue
    nova_model: str

    @property
    def wires(self) -> frozenset[str]:
        """Those that any of the models is on."""
        return frozenset(self.wire_of)

    def model_named(self, routing: Routing) -> str | None:
        """The preferred model by its own name; a name that nobody has stays as it is."""
        wanted, provider = routing.preferred_model, routing.preferred_provider
        for model in self.models:
            if wanted in model.aliases and provider in ("", model.provider, model.maker):
                return model.name
        return wanted or None


class CatalogueRouter:
    """A `Router`. The same catalogue and request give the same route."""

    def __init__(
        self, records: Mapping[str, ProviderRecord], providers: Providers, *, chain_max: int
    ) -> None:
        self._chain_max = chain_max
        self._snapshot = _snapshot_of(records, providers)

    def replace(self, records: Mapping[str, ProviderRecord], providers: Providers) -> None:
        """Route by others from now on: new prices at midnight, and what a reload has read."""
        self._snapshot = _snapshot_of(records, providers)

    def route(
        self,
        request: QueryRequest,
        prompt: engine.Prompt,
        *,
        output_cap: int,
        ceiling: int,
        explained: bool,
    ) -> Route:
        """See `pipeline.ports.Router`."""
        snapshot = self._snapshot
        sizes = {wire: _Size.of(prompt, wire) for wire in snapshot.wires}
        bodies = [
            sizes[wire].body_bytes + name_bytes
            for wire, name_bytes in zip(snapshot.wire_of, snapshot.name_bytes, strict=True)
        ]
        extra = [sizes[wire].extra_tokens for wire in snapshot.wire_of]
        needed = frozenset((*request.routing.required_capabilities, *prompt.needs()))
        decision = snapshot.catalogue.route(
            _engine_query(request, sorted(needed), bodies, extra, output_cap, ceiling, snapshot)
        )
        if decision.unknown_preferred is not None:
            raise NotFound("model or provider", decision.unknown_preferred)
        chain = _chain(snapshot.models, decision, bodies, extra, self._chain_max)
        told = explained or not chain
        return Route(
            chain=chain,
            candidates=_candidates(snapshot.models, decision) if told else (),
            exclusions=_exclusions(snapshot, decision, needed) if told else (),
            dearest_bound_nanousd=decision.dearest_bound,
            price_unknown=decision.price_unknown_only,
        )


@dataclass(frozen=True, slots=True)
class _Size:
    """How large a prompt is on a wire: its body without the model's name, and what is added."""

    body_bytes: int
    extra_tokens: int

    @classmethod
    def of(cls, prompt: engine.Prompt, wire: str) -> _Size:
        return cls(prompt.size(wire), prompt.extra_tokens(wire))


def _snapshot_of(records: Mapping[str, ProviderRecord], providers: Providers) -> _Snapshot:
    enabled = [record for name, record in sorted(records.items()) if name in providers]
    models = tuple(model for record in enabled for model in record.models if model.is_complete)
    wires = {record.name: record.wire for record in enabled}
    nova = next((model.name for model in models if _is_nova(model)), "")
    abilities = tuple(_abilities(model, wires[model.provider]) for model in models)
    records_of = [
        _engine_record(model, wires[model.provider], able)
        for model, able in zip(models, abilities, strict=True)
    ]
    return _Snapshot(
        models=models,
        wire_of=tuple(wires[model.provider] for model in models),
        name_bytes=tuple(len(to_json(model.name)) for model in models),
        abilities=abilities,
        catalogue=engine.Catalogue(
            records_of,
            list(TASK_DEFAULTS),
            list(ROLE_DEFAULTS),
        ),
        nova_model=nova,
    )


def _is_nova(model: ModelRecord) -> bool:
    return model.maker == NOVA_PROVIDER and NOVA_ALIAS in model.aliases


def _abilities(model: ModelRecord, wire: str) -> frozenset[str]:
    """What may be asked of a model: what its wire carries, unless it is the model's own to do."""
    offered = frozenset(engine.wire_offers(wire))
    beyond_the_wire = MODEL_ABILITIES - offered
    carried = offered - MODEL_ABILITIES - frozenset(model.refuses)
    return carried | (frozenset(model.capabilities) - beyond_the_wire)


def _engine_record(model: ModelRecord, wire: str, abilities: frozenset[str]) -> engine.ModelRecord:
    assert model.context_tokens is not None and model.output_tokens_max is not None, "incomplete"
    rates = model.rates or _NO_RATES
    return engine.ModelRecord(
        provider=model.provider,
        instance_of=model.instance_of,
        model=model.name,
        wire=wire,
        quality=model.quality,
        speed=model.speed,
        input_rate=rates.input,
        output_rate=rates.output,
        dearest_input_rate=rates.dearest_input if model.rates else None,
        context_tokens=model.context_tokens,
        output_tokens_max=model.output_tokens_max,
        capabilities=sorted(abilities),
        regions=list(model.regions),
        tier=model.tier,
        locked_role=None,
    )


def _engine_query(
    request: QueryRequest,
    needed: Sequence[str],
    bodies: Sequence[int],
    extra: Sequence[int],
    output_cap: int,
    ceiling: int,
    snapshot: _Snapshot,
) -> engine.RouteQuery:
    routing: Routing = request.routing
    return engine.RouteQuery(
        task_type=routing.task_type,
        agent_role=request.agent_role,
        priority=routing.priority,
        strategy=routing.strategy,
        preferred_provider=routing.preferred_provider or None,
        preferred_model=snapshot.model_named(routing),
        capabilities=needed,
        cost_ceiling=ceiling or None,
        allowed_providers=list(routing.allowed_providers),
        forbidden_providers=list(routing.forbidden_providers),
        regions=list(routing.regions),
        body_bytes=bodies,
        extra_tokens=extra,
        output_cap=output_cap,
        nova_provider=NOVA_PROVIDER,
        nova_model=snapshot.nova_model,
    )


def _chain(
    models: tuple[ModelRecord, ...],
    decision: engine.Decision,
    bodies: Sequence[int],
    extra: Sequence[int],
    chain_max: int,
) -> tuple[Candidate, ...]:
    bounds = {scored.index: scored.bound for scored in decision.candidates}
    return tuple(
        Candidate(
            provider=models[index].provider,
            instance_of=models[index].instance_of,
            model=models[index].name,
            bound_nanousd=bounds[index],
            body_bytes=bodies[index],
            extra_tokens=extra[index],
            rates=models[index].rates or _NO_RATES,
        )
        for index in decision.chain[:chain_max]
    )


def _candidates(models: tuple[ModelRecord, ...], decision: engine.Decision) -> tuple[Scored, ...]:
    return tuple(
        Scored(
            provider=models[each.index].provider,
            model=models[each.index].name,
            score=each.score,
            quality=each.quality,
            speed=each.speed,
            cost=each.cost,
            bound_nanousd=each.bound,
        )
        for each in decision.candidates
    )


def _exclusions(
    snapshot: _Snapshot, decision: engine.Decision, needed: frozenset[str]
) -> tuple[Exclusion, ...]:
    excluded = (
        Exclusion(
            provider=snapshot.models[index].provider,
            model=snapshot.models[index].name,
            reason=reason,
            missing=tuple(sorted(needed - snapshot.abilities[index]))
            if reason == CAPABILITY_MISSING
            else (),
        )
        for index, reason in decision.exclusions
    )
    return tuple(sorted(excluded, key=lambda each: (each.provider, each.model)))
