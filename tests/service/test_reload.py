"""A reload in the middle of things: what was routed before it, and what it was meant to mend."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import routing_pb2
from chenu_server.config import load_settings
from chenu_server.errors import GovernanceUnavailable
from chenu_server.upstream.behaviour import Behaviour
from tests.harness import PROVIDERS, Stage, eventually, only, settings_for, staged
from tests.service.asking import approval, blocked

LUNA = "gpt-6-luna"
GROQ_MODEL = "openai/gpt-oss-120b"
DONE = ""
OTHERS = tuple(name for name in PROVIDERS if name != "groq")
OTHER_KEY = {"api_key": "sk-other"}
QUOTA = '{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"spent"}}'


def called(stage: Stage, *names: str, **more: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that calls these providers; `more` is another setting of one."""
    key_file = Path(stage.settings.identity.issuers[0].key_file)
    base = settings_for(stage.settings.database.url, key_file, stage.upstream)
    settings = base["providers.settings"]
    chosen = {name: {**settings[name], **more.get(name, {})} for name in names or PROVIDERS}
    return {**base, "providers.enabled": list(chosen), "providers.settings": chosen}


async def reload(stage: Stage, configuration: Mapping[str, Any]) -> None:
    """As after SIGHUP; it must hold."""
    assert await stage.application.reload.run(partial(load_settings, None, configuration))


async def ask(stage: Stage, *providers: str, **fields: Any) -> str:
    """A question for these providers alone: the reason of its refusal, or nothing."""
    routing = routing_pb2.RoutingRequest(allowed_providers=providers, **fields)
    client = stage.client()
    request = pb.QueryRequest(text="Hello", routing=routing)
    failure = await client.outcome(client.pipeline.Query, request, timeout_s=8)
    return failure.reason or failure.code.name if failure else DONE


async def under_way(stage: Stage, calls: int) -> None:
    """Wait until so many calls have reached their providers."""
    async with asyncio.timeout(5):
        await stage.upstream.until_open(calls)


@pytest.mark.parametrize("goes", [True, False], ids=["gone", "another key"])
async def test_a_call_between_two_reloads_is_cut_by_no_end_of_an_earlier_one(
    stage: Stage, goes: bool
) -> None:
    """What the older runs' end closes is not what the younger ones still read from."""
    stage.upstream.behave("mistral", latency_ms=2_500)
    stage.upstream.behave("groq", pace_ms=900, deltas=4, answer_chars=40)
    first = asyncio.create_task(ask(stage, "mistral"))
    await under_way(stage, 1)
    await reload(stage, called(stage))
    second = asyncio.create_task(ask(stage, "groq"))
    await under_way(stage, 2)
    await reload(stage, called(stage, *OTHERS) if goes else called(stage, groq=OTHER_KEY))

    assert [DONE, DONE] == [await first, await second]


async def test_a_query_between_two_reloads_fails_over_to_the_provider_that_has_gone(
    stage: Stage,
) -> None:
    """Its chain was decided when that one could be called, and it ends on it; then it is gone."""
    stage.upstream.behave("mistral", latency_ms=2_500)
    stage.upstream.behave("openai", latency_ms=2_500, status=500)
    first = asyncio.create_task(ask(stage, "mistral"))
    await under_way(stage, 1)
    await reload(stage, called(stage))
    second = asyncio.create_task(ask(stage, "openai", "groq", preferred_model=LUNA))
    await under_way(stage, 2)
    await reload(stage, called(stage, *OTHERS))

    assert [DONE, DONE] == [await first, await second]
    assert ["mistral", "openai", "groq"] == [each.provider for each in stage.upstream.arrivals]
    assert "NO_ROUTE" == await ask(stage, "groq")

    async def is_forgotten() -> bool:
        return "groq" not in stage.application.reload.queues

    await eventually(is_forgotten)


async def waits(stage: Stage, provider: str) -> bool:
    """Whether a call waits for one of the provider's slots."""
    return len(stage.application.reload.queues[provider]) > 0


async def test_who_was_routed_to_a_name_goes_where_it_stood_then(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Residency, bound and rates were decided for that place, whatever the name means since."""
    async with staged(sqlite_url, tmp_path, {"limits.provider_window_s": 1}) as stage:
        await stage.budget()

        def standing(record: str) -> dict[str, Any]:
            url, key = stage.upstream.provider_url(record), f"sk-{record}"
            one = {"record": record, "base_url": url, "api_key": key, "limit": 1}
            return {**called(stage, "openai"), "providers.instances": {"one": one}}

        await reload(stage, standing("mistral"))
        first = await ask(stage, "one", regions=["eu"])
        waiting = asyncio.create_task(ask(stage, "one", regions=["eu"]))
        await eventually(partial(waits, stage, "one"))
        await reload(stage, standing("groq"))
        outcomes = [first, await waiting, await ask(stage, "one", regions=["us"])]

        keys = [request.headers["authorization"] for request in stage.upstream.requests]
        assert [DONE, DONE, DONE] == outcomes
        assert ["Bearer sk-mistral", "Bearer sk-mistral", "Bearer sk-groq"] == keys
        assert ["mistral", "mistral", "groq"] == [it.provider for it in stage.upstream.arrivals]


async def test_an_approved_query_ends_where_what_it_names_has_gone(stage: Stage) -> None:
    """It can never run: what it holds of the budget must not stay until the approval lapses."""
    client, person, asked = stage.client(), stage.person(), str(uuid4())
    failure = await blocked(client, request_id=asked, routing=only("groq", GROQ_MODEL))
    await reload(stage, called(stage, *OTHERS))
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))

    _, ended = await client.events(client.pipeline.Continue, pb.ContinueRequest(request_id=asked))
    (budget,) = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets

    assert ended is not None
    assert ("NO_ROUTE", 0) == (ended.reason, budget.reserved_nanousd)


@pytest.mark.parametrize(
    ("later", "expected"), [(OTHER_KEY, DONE), ({}, "DEADLINE_UNREACHABLE")], ids=["other", "same"]
)
async def test_a_hold_ends_with_the_key_that_it_was_told_to(
    stage: Stage, later: Mapping[str, Any], expected: str
) -> None:
    """Another account has its own room; the same one is left alone as it asked."""
    for name in ("groq", "mistral"):
        stage.upstream.script(name, [Behaviour(status=429, retry_after="3600")])
        assert "PROVIDER_UNAVAILABLE" == await ask(stage, name)
    await reload(stage, called(stage, groq=later))

    assert [expected, "DEADLINE_UNREACHABLE"] == [
        await ask(stage, "groq"),
        await ask(stage, "mistral"),
    ]


async def test_a_hold_that_could_not_be_lifted_is_lifted_by_the_next_reload(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for a moment; the key is no other one than at the first attempt."""
    stage.upstream.script("groq", [Behaviour(status=429, retry_after="3600")])
    governance, outcomes = stage.application.reload.governance, [await ask(stage, "groq")]

    async def away(provider: str) -> None:
        raise GovernanceUnavailable

    for let_go in (away, governance.let_go):
        monkeypatch.setattr(governance, "let_go", let_go)
        await reload(stage, called(stage, groq=OTHER_KEY))
        outcomes.append(await ask(stage, "groq"))

    assert ["PROVIDER_UNAVAILABLE", "DEADLINE_UNREACHABLE", DONE] == outcomes


async def test_a_call_with_the_old_key_holds_nobody_back_who_has_the_new_one(stage: Stage) -> None:
    """It was under way, and what it is told is told to the old account."""
    stage.upstream.script("groq", [Behaviour(latency_ms=500, status=429, retry_after="3600")])
    first = asyncio.create_task(ask(stage, "groq"))
    await under_way(stage, 1)
    await reload(stage, called(stage, groq=OTHER_KEY))

    assert ["PROVIDER_UNAVAILABLE", DONE] == [await first, await ask(stage, "groq")]


async def test_an_exhausted_account_holds_nobody_back(stage: Stage) -> None:
    """Only its operator can mend it, and then at once: no time that it tells is worth a wait."""
    spent = Behaviour(status=429, raw=QUOTA, retry_after="3600")
    stage.upstream.script("groq", [spent])

    assert DONE == await ask(stage, "groq")
    assert ["groq", "groq"] == [each.provider for each in stage.upstream.arrivals]


async def test_a_wrong_key_in_the_place_of_a_wrong_key_is_told_anew(stage: Stage) -> None:
    """Who has corrected it must learn that it is still wrong; of what stayed he knows."""
    client = stage.client()
    stage.upstream.behave("*", status=401)

    async def ask_twice() -> None:
        for provider, model in (("openai", LUNA), ("groq", "openai/gpt-oss-120b")) * 2:
            request = pb.QueryRequest(text="Hello", routing=only(provider, model))
            await client.fail(client.pipeline.Query, request)

    with structlog.testing.capture_logs() as lines:
        await ask_twice()
        await reload(stage, called(stage, openai=OTHER_KEY))
        await ask_twice()

    told = [it["provider"] for it in lines if it["event"] == "provider_needs_operator"]
    assert ["openai", "groq", "openai"] == told


async def test_who_signs_releases_changes_at_a_start_alone_and_a_reload_says_so(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Else it would be thought to hold; the rest of the tools is read again."""
    warned = {"log.level": "warning"}
    changed = {"tools.release_issuer": "other", "tools.unlisted": "deny"}
    async with staged(sqlite_url, tmp_path, warned) as stage:
        with structlog.testing.capture_logs() as lines:
            await reload(stage, {**called(stage), **warned})
            await reload(stage, {**called(stage), **warned, **changed})
        now = stage.application.reload.live.settings.tools

    told = [it["sections"] for it in lines if it["event"] == "restart_needed"]
    assert [["tools"]] == told
    assert ("chenu", "deny") == (now.release_issuer, now.unlisted)
