"""Lane D's judgement: policy, route, price and money, on rows and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chenu_server.caller import Caller
from chenu_server.engine import PolicyVerdict, bound, cap_that_fits, reserve
from chenu_server.errors import (
    BudgetExhausted,
    BudgetFrozen,
    BudgetRequired,
    ChenuError,
    NoRoute,
    PolicyDenied,
    PriceUnknown,
)
from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.budgets.decide import Standing
from chenu_server.governance.budgets.overruns import frozen_among
from chenu_server.governance.policy.decide import Facts
from chenu_server.pipeline.model import (
    OPERATION,
    Analysis,
    Candidate,
    Encoded,
    Exclusion,
    QueryRequest,
    Route,
    Snapshot,
)
from chenu_server.unit import Moment, Need, Rows
from chenu_server.units.rules import Rules
from chenu_server.values import dataclass, replace
from chenu_server.vocabulary import CheckpointType, Scope

EXCLUSIONS_TOLD = 8
_IN_LISTS = str.maketrans({"%": "%25", ",": "%2C", "=": "%3D"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is judged: who asks what, after lanes A to C."""

    caller: Caller
    request: QueryRequest
    analysis: Analysis
    snapshot: Snapshot
    encoded: Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """May run within these bounds, once a person has approved `types` (if there are any)."""

    types: tuple[CheckpointType, ...]
    policies: tuple[str, ...]
    chain: tuple[Candidate, ...]
    output_cap: int
    amount_nanousd: int
    standings: tuple[Standing, ...]


def needs(subject: Subject, now: Moment) -> Iterable[Need]:
    """The rows that `standings_of` reads."""
    return budgets.needs_for_reserve(subject.caller.identity_id, now.now_us)


def standings_of(rows: Rows, subject: Subject, now: Moment) -> tuple[Standing, ...]:
    """Every budget that a new query must fit in."""
    chain = subject.encoded.route.chain
    facts = {
        Scope.SPHERE: subject.request.sphere.value,
        Scope.AGENT: subject.request.agent_role,
        Scope.PROVIDER: chain[0].provider if chain else "",
    }
    return budgets.budgets_for(rows, subject.caller.identity_id, facts, now.now_us)


def judge(
    subject: Subject,
    rules: Rules,
    standings: tuple[Standing, ...],
    *,
    held_nanousd: int = 0,
    current: tuple[Standing, ...] | None = None,
    verdict: PolicyVerdict | None = None,
) -> Judgement | ChenuError:
    """Yes with its bounds, or the refusal.

    `held_nanousd` is what the query holds already; where it stands in periods that may have ended,
    `current` are those that go on. `verdict` is what the policies said, if they were asked already.
    """
    verdict = verdict or rules.policies.evaluate(facts_of(subject))
    if not verdict.allowed:
        return PolicyDenied(tuple(verdict.denied_by) or ("policy_error",))
    refusal = route_refusal(subject.encoded.route)
    if refusal is not None:
        return refusal
    if not standings and rules.budget_required:
        return BudgetRequired()
    frozen = frozen_among(standings if current is None else current, subject.caller.identity_id)
    if frozen is not None:
        return BudgetFrozen(frozen.scope.value, frozen.budget_id)
    room = budgets.available(standings) + held_nanousd
    chain, cap = fit(subject.encoded, room, rules.least_cap)
    amount = max(each.bound_nanousd for each in chain)
    missing = max(amount - held_nanousd, 0)
    exhausted = _exhausted(standings, missing, subject.caller.identity_id)
    if exhausted is not None:
        return exhausted
    return Judgement(
        types=tuple(dict.fromkeys(CheckpointType(kind) for kind, _ in verdict.checkpoints)),
        policies=tuple(policy for _, policy in verdict.checkpoints),
        chain=chain,
        output_cap=cap,
        amount_nanousd=amount,
        standings=standings,
    )


def facts_of(subject: Subject) -> Facts:
    """The facts that policies decide on."""
    caller, request = subject.caller, subject.request
    target = request.target
    return Facts(
        principal_type=caller.principal.type.value,
        principal_id=caller.principal.id,
        identity_id=caller.identity_id,
        roles=tuple(role.value for role in sorted(caller.roles)),
        acting_for=caller.acting_for,
        operation=target.operation or OPERATION,
        mode=request.mode.value,
        intents=tuple(intent.value for intent in subject.analysis.intents),
        detected_intents=tuple(intent.value for intent in subject.analysis.detected),
        sphere=request.sphere.value,
        target_kind=target.kind,
        target_id=target.id,
        target_sphere=target.sphere.value if target.sphere else "",
        spheres=tuple(sphere.value for sphere in subject.snapshot.spheres),
        cross_sphere=subject.snapshot.crosses_spheres,
        sensitivity=subject.analysis.sensitivity,
        agent_role=request.agent_role,
        providers=_names_in(subject.encoded.route),
    )


def _names_in(route: Route) -> tuple[str, ...]:
    """The chain's providers; who forbids a provider forbids its instances, whatever their names."""
    names = (name for each in route.chain for name in (each.provider, each.instance_of))
    return tuple(dict.fromkeys(filter(None, names)))


def route_refusal(route: Route) -> NoRoute | PriceUnknown | None:
    """Why nothing can be called, or None."""
    if route.chain:
        return None
    told = route.exclusions[:EXCLUSIONS_TOLD]
    if route.price_unknown:
        unknown = [each for each in route.exclusions if each.reason == "price_unknown"]
        return PriceUnknown(tuple(map(_listed, unknown[:EXCLUSIONS_TOLD])))
    lines = tuple(f"{_listed(each)}={each.reason}" for each in told)
    missing = dict.fromkeys(word for each in route.exclusions for word in each.missing if word)
    return NoRoute(
        exclusions=lines,
        count=len(route.exclusions),
        missing=tuple(word.translate(_IN_LISTS) for word in missing),
    )


def _listed(excluded: Exclusion) -> str:
    """A model as it stands in a list; its name is its provider's, and may hold what parts those."""
    return f"{excluded.provider}/{excluded.model.translate(_IN_LISTS)}"


def _exhausted(
    standings: Sequence[Standing], amount: int, identity_id: str
) -> BudgetExhausted | None:
    accounts, index = reserve([standing.account for standing in standings], amount)
    if accounts is not None:
        return None
    narrowest = standings[index].budget
    owned = narrowest.identity_id == identity_id
    return BudgetExhausted(narrowest.scope.value, narrowest.budget_id if owned else "")


def fit(
    encoded: Encoded, available_nanousd: int, least_cap: int
) -> tuple[tuple[Candidate, ...], int]:
    """The chain at the largest output cap whose dearest bound fits, or at the least cap.

    Only a default cap is lowered, never under `least_cap`; a caller's own cap stands.
    """
    chain, wanted = encoded.route.chain, encoded.output_cap
    cap = wanted
    if encoded.cap_is_default:
        room, least = min(encoded.max_cost_nanousd, available_nanousd), min(least_cap, wanted)
        cap = min(_cap_for(each, room, wanted, least) for each in chain)
    return tuple(replace(each, bound_nanousd=bound_at(each, cap)) for each in chain), cap


def _cap_for(candidate: Candidate, room: int, wanted: int, least: int) -> int:
    fits = cap_that_fits(
        available=room,
        body_bytes=candidate.body_bytes,
        extra_tokens=candidate.extra_tokens,
        dearest_input_rate=candidate.rates.dearest_input,
        output_rate=candidate.rates.output,
        wanted=wanted,
        least=least,
    )
    return least if fits is None else fits


def bound_at(candidate: Candidate, output_cap: int) -> int:
    """The most that an attempt with this candidate can cost at a cap, in nano-USD."""
    return bound(
        body_bytes=candidate.body_bytes,
        extra_tokens=candidate.extra_tokens,
        dearest_input_rate=candidate.rates.dearest_input,
        output_cap=output_cap,
        output_rate=candidate.rates.output,
    )
