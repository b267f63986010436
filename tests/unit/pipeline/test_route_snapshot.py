"""What names the catalogue of a route: the same names, the same decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from chenu_server.engine import Prompt
from chenu_server.pipeline.agent_models import AgentModels
from chenu_server.pipeline.conversation import asked
from chenu_server.pipeline.lanes.encoding import EncodingLane, engine_prompt
from chenu_server.pipeline.model import QueryRequest, Route
from chenu_server.pipeline.prompt import said_of
from chenu_server.pipeline.route_rules import TASK_PROVIDERS, WEIGHTS, RouteRules
from chenu_server.pipeline.route_snapshot import snapshot_of
from chenu_server.pipeline.routing import CatalogueRouter
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.model import ProviderRecord

RECORDS = load_catalogue().providers
ENABLED: Any = dict.fromkeys(("anthropic", "groq", "openai"))
RULES = RouteRules()


def named(
    records: Mapping[str, ProviderRecord] = RECORDS, rules: RouteRules = RULES
) -> list[bytes]:
    """Catalogue, prices and signals by name."""
    name = snapshot_of(records, ENABLED, rules).name
    return [name[:8], name[8:16], name[16:]]


def with_groq(**changes: Any) -> dict[str, ProviderRecord]:
    """The records with the first of Groq's models changed."""
    first, *others = RECORDS["groq"].models
    return {
        **RECORDS,
        "groq": replace(RECORDS["groq"], models=(replace(first, **changes), *others)),
    }


def route(rules: RouteRules = RULES, **fields: Any) -> Route:
    """The route of an ordinary question, explained."""
    router = CatalogueRouter(RECORDS, ENABLED, rules, chain_max=3)
    request = QueryRequest(request_id="q", conversation=asked("Hello"), **fields)
    return EncodingLane(router, default_cap=1_024, least_cap=256).explain(request)


def test_the_order_of_files_and_models_is_no_part_of_the_names() -> None:
    """A catalogue that says the same decides the same."""
    turned = {
        name: replace(record, models=tuple(reversed(record.models)))
        for name, record in sorted(RECORDS.items(), reverse=True)
    }

    assert named() == named(turned)
    assert [8, 8, 8] == [len(name) for name in named()]


def test_prices_have_a_name_of_their_own() -> None:
    """New prices at midnight are other prices, and the same catalogue."""
    rates = RECORDS["groq"].models[0].rates
    assert rates is not None

    catalogue, prices, signals = named(with_groq(rates=replace(rates, output=rates.output + 1)))

    assert (named()[0], named()[2]) == (catalogue, signals)
    assert named()[1] != prices


OTHERS: dict[str, RouteRules] = {
    "weights": RouteRules(weights={**WEIGHTS, "cost": (0, 0, 1)}),
    "tasks": RouteRules(tasks={**TASK_PROVIDERS, "code": "groq"}),
    "roles": RouteRules(roles={}),
    "a task's models": RouteRules(overrides=AgentModels(tasks={"code": (("groq", "m"),)})),
    "an agent's": RouteRules(overrides=AgentModels(agents={"code": (("groq", "m"),)})),
    "a department's": RouteRules(overrides=AgentModels(departments={"code": (("groq", "m"),)})),
    "everyone's": RouteRules(overrides=AgentModels(everyone=(("groq", "m"),))),
}


def test_whatever_decides_is_in_the_catalogues_name() -> None:
    """Two that decide otherwise have two names; prices stay what they are."""
    changed = [named(rules=rules) for rules in OTHERS.values()]
    changed += [
        named(with_groq(**change))
        for change in (
            {"quality": 1},
            {"speed": 1},
            {"context_tokens": 10_000},
            {"output_tokens_max": 1},
            {"capabilities": ("text",)},
            {"refuses": ("seed", "stop")},
            {"regions": ("eu",)},
            {"aliases": ("other",)},
        )
    ]
    names = [name[0] for name in changed]

    assert len(set(names) | {named()[0]}) == len(names) + 1
    assert {named()[1]} == {name[1] for name in changed}


def test_a_route_says_what_it_rests_on() -> None:
    """Strategy, weights, defaults, the override and why each candidate stands where it does."""
    groq = RECORDS["groq"].models[0].name
    rules = RouteRules(
        weights={**WEIGHTS, "balanced": (1, 0, 0)},
        roles={"critic": "openai"},
        overrides=AgentModels(everyone=(("groq", groq), ("xai", "not-enabled"))),
    )

    told = route(rules, agent_role="critic")

    assert told.basis is not None and told.basis.override is not None
    assert ((1, 0, 0), "openai", "") == (
        told.basis.weights,
        told.basis.role_provider,
        told.basis.task_provider,
    )
    assert ("global", "") == (told.basis.override.level, told.basis.override.name)
    assert ["override", "role"] == list(dict.fromkeys(it.preference for it in told.candidates))[:2]
    assert ("groq", groq) == (told.chain[0].provider, told.chain[0].model)
    assert all(each.score == each.quality for each in told.candidates)


@pytest.mark.parametrize("count", [1, 4])
def test_a_chain_has_three_models_and_four_with_an_override_of_four(count: int) -> None:
    """The fourth is the local model's place."""
    known = [model for name in ENABLED for model in RECORDS[name].models]
    models = tuple((it.provider, it.name) for it in known if it.is_complete and it.rates)
    rules = RouteRules(overrides=AgentModels(everyone=models[:count]))

    chain = [(each.provider, each.model) for each in route(rules).chain]

    assert max(3, count) == len(chain)
    assert list(models[:count]) == chain[:count]


class Measured:
    """A prompt that notes for which wires it was measured."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self.wires: list[str] = []

    def size(self, wire: str) -> int:
        """As the prompt."""
        self.wires.append(wire)
        return self._prompt.size(wire)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._prompt, name)


def test_a_route_measures_a_prompt_once_a_wire_however_many_models_there_are() -> None:
    """Two hundred models would be two hundred walks over a long conversation."""
    enabled: Any = dict.fromkeys(RECORDS)
    router = CatalogueRouter(RECORDS, enabled, RULES, chain_max=3)
    request = QueryRequest(request_id="q", conversation=asked("Hello"))
    messages = said_of(request).all_messages
    prompt = Measured(engine_prompt(request.conversation, messages))

    found = router.route(request, cast(Any, prompt), output_cap=64, ceiling=0, explained=True)

    assert len(found.candidates) + len(found.exclusions) > 40
    assert sorted({record.wire for record in RECORDS.values()}) == sorted(prompt.wires)
