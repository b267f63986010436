"""Which models may answer: the engine's router over the catalogue of enabled providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

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
from chenu_server.providers.model import ChatRequest, Message, ModelRecord, ProviderRecord, Rates

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
NOVA_PROVIDER: Final = "anthropic"
NOVA_ALIAS: Final = "nova"

_NO_RATES: Final = Rates(input=0, output=0, cache_read=0, cache_write=0, source="unknown")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The catalogue as it stands: models and the engine's form of them, in one order."""

    models: tuple[ModelRecord, ...]
    catalogue: engine.Catalogue
    nova_model: str

    def model_named(self, routing: Routing) -> str | None:
        """The preferred model by its own name; a name that nobody has stays as it is."""
        wanted, provider = routing.preferred_model, routing.preferred_provider
        for model in self.models:
            if wanted in model.aliases and provider in ("", model.provider):
                return model.name
        return wanted or None


class CatalogueRouter:
    """A `Router`. The same catalogue and request give the same route."""

    def __init__(
        self, records: Mapping[str, ProviderRecord], providers: Providers, *, chain_max: int
    ) -> None:
        self._providers = providers
        self._chain_max = chain_max
        self._snapshot = _snapshot_of(records, providers)

    def replace(self, records: Mapping[str, ProviderRecord]) -> None:
        """Route by other records from now on: new prices at midnight."""
        self._snapshot = _snapshot_of(records, self._providers)

    def route(
        self,
        request: QueryRequest,
        *,
        system: str,
        user: str,
        output_cap: int,
        ceiling: int,
        explained: bool,
    ) -> Route:
        """See `pipeline.ports.Router`."""
        snapshot = self._snapshot
        bodies = self._body_bytes(snapshot, system, user, output_cap)
        extra = [self._providers[model.provider].extra_tokens for model in snapshot.models]
        decision = snapshot.catalogue.route(
            _engine_query(request, bodies, extra, output_cap, ceiling, snapshot)
        )
        if decision.unknown_preferred is not None:
            raise NotFound("model or provider", decision.unknown_preferred)
        chain = _chain(snapshot.models, decision, bodies, extra, self._chain_max)
        told = explained or not chain
        return Route(
            chain=chain,
            candidates=_candidates(snapshot.models, decision) if told else (),
            exclusions=_exclusions(snapshot.models, decision) if told else (),
            dearest_bound_nanousd=decision.dearest_bound,
            price_unknown=decision.price_unknown_only,
        )

    def _body_bytes(
        self, snapshot: _Snapshot, system: str, user: str, output_cap: int
    ) -> list[int]:
        messages = (Message(role="user", text=user),)
        return [
            self._providers[model.provider].body_bytes(
                ChatRequest(
                    model=model.name, system=system, messages=messages, output_cap=output_cap
                )
            )
            for model in snapshot.models
        ]


def _snapshot_of(records: Mapping[str, ProviderRecord], providers: Providers) -> _Snapshot:
    enabled = [record for name, record in sorted(records.items()) if name in providers]
    models = tuple(model for record in enabled for model in record.models)
    wires = {record.name: record.wire for record in enabled}
    nova = next((model.name for model in models if _is_nova(model)), "")
    return _Snapshot(
        models=models,
        catalogue=engine.Catalogue(
            [_engine_record(model, wires[model.provider]) for model in models],
            list(TASK_DEFAULTS),
            list(ROLE_DEFAULTS),
        ),
        nova_model=nova,
    )


def _is_nova(model: ModelRecord) -> bool:
    return model.provider == NOVA_PROVIDER and NOVA_ALIAS in model.aliases


def _engine_record(model: ModelRecord, wire: str) -> engine.ModelRecord:
    rates = model.rates or _NO_RATES
    return engine.ModelRecord(
        provider=model.provider,
        model=model.name,
        wire=wire,
        quality=model.quality,
        speed=model.speed,
        input_rate=rates.input,
        output_rate=rates.output,
        dearest_input_rate=rates.dearest_input if model.rates else None,
        context_tokens=model.context_tokens,
        output_tokens_max=model.output_tokens_max,
        capabilities=list(model.capabilities),
        regions=list(model.regions),
        tier=model.tier,
        locked_role=None,
    )


def _engine_query(
    request: QueryRequest,
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
        capabilities=list(routing.required_capabilities),
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
    models: tuple[ModelRecord, ...], decision: engine.Decision
) -> tuple[Exclusion, ...]:
    excluded = ((models[index], reason) for index, reason in decision.exclusions)
    return tuple(
        Exclusion(provider=model.provider, model=model.name, reason=reason)
        for model, reason in sorted(excluded, key=lambda each: (each[0].provider, each[0].name))
    )
