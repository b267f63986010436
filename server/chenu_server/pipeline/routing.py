"""Which models may answer: the engine's router over the catalogue of enabled providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chenu_server import engine
from chenu_server.errors import NotFound
from chenu_server.pipeline.model import (
    Basis,
    Candidate,
    Exclusion,
    ModelOverride,
    QueryRequest,
    Route,
    Scored,
)
from chenu_server.pipeline.ports import Providers
from chenu_server.pipeline.route_rules import RouteRules
from chenu_server.pipeline.route_snapshot import RouteSnapshot, snapshot_of
from chenu_server.providers.model import ModelRecord, ProviderRecord, Rates

CAPABILITY_MISSING: Final = "capability_missing"
MEDIA_TOO_LARGE: Final = "media_too_large"

_NO_RATES: Final = Rates(
    input=0, output=0, cache_read=0, cache_write=0, cache_write_hour=0, source="unknown"
)


class CatalogueRouter:
    """A `Router`. The same catalogue and request give the same route."""

    def __init__(
        self,
        records: Mapping[str, ProviderRecord],
        providers: Providers,
        rules: RouteRules,
        *,
        chain_max: int,
    ) -> None:
        self._rules = rules
        self._chain_max = chain_max
        self._snapshot = snapshot_of(records, providers, rules)

    def replace(
        self, records: Mapping[str, ProviderRecord], providers: Providers, rules: RouteRules
    ) -> None:
        """Route by others from now on: new prices at midnight, and what a reload has read."""
        self._rules = rules
        self._snapshot = snapshot_of(records, providers, rules)

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
        override = self._rules.overrides.of(request)
        needed = frozenset((*request.routing.required_capabilities, *prompt.needs()))
        query = _engine_query(request, prompt, needed, override, output_cap, ceiling, snapshot)
        decision = snapshot.catalogue.route(query, snapshot.signals)
        if decision.unknown_preferred is not None:
            raise NotFound("model or provider", decision.unknown_preferred)
        # An override has a fourth place, which the others do not need: the local model's.
        most = max(self._chain_max, len(override.models) if override else 0)
        chain = _chain(snapshot.models, decision.best(most))
        # Nearly every query gets a route and asks no question: to make an object of Python's for
        # each model of the catalogue would cost it more than the route itself.
        told = explained or not chain
        return Route(
            chain=chain,
            candidates=_candidates(snapshot.models, decision.candidates) if told else (),
            exclusions=_exclusions(snapshot, decision, needed) if told else (),
            dearest_bound_nanousd=decision.dearest_bound,
            price_unknown=decision.price_unknown_only,
            basis=_basis(snapshot, query, request, override) if told else None,
            snapshot=snapshot.name,
            providers=snapshot.providers,
        )


def _engine_query(
    request: QueryRequest,
    prompt: engine.Prompt,
    needed: frozenset[str],
    override: ModelOverride | None,
    output_cap: int,
    ceiling: int,
    snapshot: RouteSnapshot,
) -> engine.RouteQuery:
    routing = request.routing
    return engine.RouteQuery(
        task_type=routing.task_type,
        agent_role=request.agent_role,
        strategy=routing.strategy,
        preferred_provider=routing.preferred_provider or None,
        preferred_model=routing.preferred_model or None,
        overrides=snapshot.places_of(override),
        capabilities=sorted(needed),
        cost_ceiling=ceiling or None,
        allowed_providers=list(routing.allowed_providers),
        forbidden_providers=list(routing.forbidden_providers),
        regions=list(routing.regions),
        body_bytes=[prompt.size(wire) for wire in snapshot.wires],
        extra_tokens=[prompt.extra_tokens(wire) for wire in snapshot.wires],
        media_tokens=prompt.media_tokens(snapshot.media) if prompt.has_files else (),
        output_cap=output_cap,
    )


def _basis(
    snapshot: RouteSnapshot,
    query: engine.RouteQuery,
    request: QueryRequest,
    override: ModelOverride | None,
) -> Basis:
    weights, role_provider, task_provider = snapshot.catalogue.basis(query)
    return Basis(
        strategy=request.routing.strategy,
        weights=weights,
        role_provider=role_provider or "",
        task_provider=task_provider or "",
        override=override,
    )


def _chain(models: tuple[ModelRecord, ...], best: Sequence[engine.Scored]) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            provider=models[each.index].provider,
            instance_of=models[each.index].instance_of,
            model=models[each.index].name,
            bound_nanousd=each.bound,
            body_bytes=each.body_bytes,
            extra_tokens=each.extra_tokens,
            dearest_input_rate=each.dearest_input_rate,
            output_rate=each.output_rate,
            # The engine leaves no candidate whose price is unknown.
            rates=models[each.index].rates or _NO_RATES,
        )
        for each in best
    )


def _candidates(
    models: tuple[ModelRecord, ...], candidates: Sequence[engine.Scored]
) -> tuple[Scored, ...]:
    return tuple(
        Scored(
            provider=models[each.index].provider,
            model=models[each.index].name,
            score=each.score,
            quality=each.quality,
            speed=each.speed,
            cost=each.cost,
            bound_nanousd=each.bound,
            preference=each.preference,
        )
        for each in candidates
    )


def _exclusions(
    snapshot: RouteSnapshot, decision: engine.Decision, needed: frozenset[str]
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
    # In the contract's order: the catalogue's says nothing to who reads why there is no route.
    return tuple(sorted(excluded, key=lambda each: (each.provider, each.model)))
