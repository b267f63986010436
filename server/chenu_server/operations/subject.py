"""Who asks what, after lanes A to C: as policies see it, and as the kernel takes it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chenu_server.asking import Plain
from chenu_server.caller import Caller
from chenu_server.governance.policy.decide import Facts
from chenu_server.pipeline.model import (
    OPERATION,
    Analysis,
    Candidate,
    Encoded,
    QueryRequest,
    Route,
    Snapshot,
)
from chenu_server.pipeline.ports import Admission, Resumption

OUTPUT_FORMAT: Final = {"text": "text", "json": "json", "json_schema": "json"}


def facts_of(asked: Admission | Resumption) -> Facts:
    """The facts that policies decide on."""
    providers = _names_in(asked.encoded.route)
    return facts(asked.caller, asked.request, asked.analysis, asked.snapshot, providers)


def facts(
    caller: Caller,
    request: QueryRequest,
    analysis: Analysis,
    snapshot: Snapshot,
    providers: tuple[str, ...],
) -> Facts:
    """The same of their parts; `providers` are those that may be called, or was."""
    target = request.target
    # No word of an approval, which lifts only the types that it covers: the gate is asked as if
    # there were none, and the two are compared.
    return Facts(
        principal_type=caller.principal.type,
        principal_id=caller.principal.id,
        identity_id=caller.identity_id,
        # In one order: verdicts are remembered by all facts, and a set has none.
        roles=tuple(sorted(caller.roles)),
        acting_for=caller.acting_for,
        operation=target.operation or OPERATION,
        mode=request.mode,
        intents=analysis.intents,
        detected_intents=analysis.detected,
        sphere=request.sphere,
        target_kind=target.kind,
        target_id=target.id,
        target_sphere=target.sphere or "",
        spheres=snapshot.spheres,
        cross_sphere=snapshot.crosses_spheres,
        sensitivity=analysis.sensitivity,
        agent_role=request.agent_role,
        providers=providers,
    )


def _names_in(route: Route) -> tuple[str, ...]:
    """The chain's providers; who forbids a provider forbids its instances, whatever their names."""
    names = (name for each in route.chain for name in (each.provider, each.instance_of))
    return tuple(dict.fromkeys(filter(None, names)))


def asked(request: QueryRequest, analysis: Analysis, snapshot: Snapshot) -> Plain:
    """What the asker says."""
    target, conversation = request.target, request.conversation
    return {
        "request_id": request.request_id,
        "action": target.operation or OPERATION,
        "target": target.path,
        "last_text": conversation.last_text,
        "sphere": request.sphere,
        "mode": request.mode,
        "intents": analysis.intents,
        "detected_intents": analysis.detected,
        "agent_role": request.agent_role,
        "resume_on_approval": request.resume_on_approval,
        "thread_id": request.thread_id,
        "run_id": request.run_id,
        "labels": request.labels,
        "output_format": OUTPUT_FORMAT[conversation.response_format.kind],
        "context_hash": snapshot.content_hash,
        # Admitted only while they stand: who was taken for dead meanwhile has lost them.
        "files": [file.sha256 for file in conversation.files],
    }


def plan(encoded: Encoded) -> Plain:
    """Who may be called, and what for."""
    route = encoded.route
    return {
        "chain": chain(route.chain),
        # Told where nobody may be called; else nobody asks for them.
        "exclusions": () if route.chain else route.exclusions,
        "price_unknown": route.price_unknown,
        "snapshot": route.snapshot,
        "output_cap": encoded.output_cap,
        "cap_is_default": encoded.cap_is_default,
        "max_cost_nanousd": encoded.max_cost_nanousd,
        "action_digest": encoded.action_digest,
    }


def chain(candidates: Iterable[Candidate]) -> list[Plain]:
    """Who may be called, best first."""
    return [
        {
            "provider": each.provider,
            "model": each.model,
            "bound_nanousd": each.bound_nanousd,
            "body_bytes": each.body_bytes,
            "extra_tokens": each.extra_tokens,
            "dearest_input": each.dearest_input_rate,
            "output_rate": each.output_rate,
            "rates_source": each.rates.source,
        }
        for each in candidates
    ]
