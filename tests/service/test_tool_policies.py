"""What the README's guide to tool calls promises, held to by a real server on each store."""

from __future__ import annotations

import ast
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from inspect import CO_COROUTINE
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from typer.testing import CliRunner

from chenu.aio import Client as Sdk
from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import tool_call_pb2 as tp
from chenu.api.pipeline.v1 import tool_call_service_pb2 as ts
from chenu.release import MemoryReleaseStore, Release, ReleaseError, ReleaseKeys, verify_release
from chenu_server.bootstrap.inputs import problems_of
from chenu_server.cli.app import app
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.config import load_settings
from chenu_server.governance.identity.tokens import create_key
from chenu_server.governance.tools.release_keys import create_release_key
from chenu_server.vocabulary import PrincipalType, Role
from tests.harness import Client, Stage, staged
from tests.service.guide import BACKEND, CONFIGURATION, EXECUTOR, POLICIES, STOP, configured
from tests.service.tools import (
    HELD,
    PASSED,
    REFUSED,
    decide,
    not_taken,
    proposing,
    shown,
    taken,
)

ANY = '{"type":"object"}'
FIND = cp.Tool(name="find_order", effect=cp.TOOL_EFFECT_READ, parameters=ANY)
REFUND = cp.Tool(name="refund", effect=cp.TOOL_EFFECT_READ, parameters=ANY)
UNLISTED = cp.Tool(name="look_around", effect=cp.TOOL_EFFECT_READ, parameters=ANY)


@pytest.fixture
async def guided(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server that is configured as the guide says."""
    async with staged(database_url, tmp_path, configured(tmp_path)) as running:
        await running.budget()
        yield running


def refund(amount: str) -> tuple[str, str]:
    """A call of the guide's tool, with an amount as a model may write it."""
    return "refund", f'{{"order": 7, "amount": {amount}}}'


async def proposed(stage: Stage, client: Client, *calls: tuple[str, str]) -> list[tp.ProposedCall]:
    """What became of calls that a model proposes in one answer."""
    request = proposing(stage, *calls, tools=[FIND, REFUND, UNLISTED])
    answer = (await client.call(client.pipeline.Query, request)).answer
    return list(answer.tool_calls)


async def checkpoint(stage: Stage, call: tp.ProposedCall) -> checkpoint_pb2.Checkpoint:
    """Where a call waits or waited."""
    person = stage.person()
    request = cb.GetCheckpointRequest(checkpoint_id=call.checkpoint_id)
    got = await person.call(person.checkpoints.GetCheckpoint, request)
    found: checkpoint_pb2.Checkpoint = got.checkpoint
    return found


async def reload(stage: Stage, **effects: str) -> None:
    """As after SIGHUP: the policies' folder is read again, with what tools now do; it must hold."""
    tools = stage.settings.tools
    changed = {
        name: tools.named[name].model_copy(update={"effect": effect})
        for name, effect in effects.items()
    }
    named = tools.model_copy(update={"named": {**tools.named, **changed}})
    settings = stage.settings.model_copy(update={"tools": named})
    assert await stage.application.reload.run(lambda: settings)


async def test_refunds_over_100_need_a_person(guided: Stage) -> None:
    """To the last digit; and an amount that policies cannot be told exactly is no way around."""
    amounts = ["100", "1e2", "100.0000", "100.01", "100.0001", "99.12345"]
    calls = await proposed(guided, guided.client(), *map(refund, amounts))
    waiting = [each for each in calls if each.checkpoint_id]
    asked = [list((await checkpoint(guided, each)).types) for each in waiting]

    assert [PASSED] * 3 + [HELD] * 3 == [each.state for each in calls]
    assert [[checkpoint_pb2.CHECKPOINT_TYPE_EXECUTION_APPROVAL]] * 3 == asked


async def test_a_tool_that_the_operator_did_not_list_waits_for_a_person(guided: Stage) -> None:
    """Whoever lists none has every call looked at, until that is said otherwise."""
    calls = await proposed(guided, guided.client(), ("find_order", "{}"), ("look_around", "{}"))

    assert [PASSED, HELD] == [each.state for each in calls]


async def test_a_forbidden_call_is_refused_and_the_answers_others_go_on(guided: Stage) -> None:
    """Nobody is asked about it, and what it would have done is told to nobody."""
    agent = guided.client(type=PrincipalType.AGENT, name="scout")
    request = proposing(guided, refund("5"), ("find_order", '{"order": 7}'), tools=[FIND, REFUND])
    answer = (await agent.call(agent.pipeline.Query, request)).answer
    denied, found = answer.tool_calls

    assert [(REFUSED, "POLICY_DENIED", ""), (PASSED, "", "")] == [
        (each.state, each.reason, each.checkpoint_id) for each in (denied, found)
    ]
    assert ["", '{"order": 7}'] == [part.tool_call.arguments_json for part in answer.parts]
    assert "POLICY_DENIED" == await not_taken(agent, denied.call_id)
    assert '{"order": 7}' == (await taken(agent, found.call_id)).arguments_json


async def test_what_a_later_policy_forbids_is_not_released_though_it_was_approved(
    guided: Stage, tmp_path: Path
) -> None:
    """Its approval is not used, now or when the policy has gone; what had passed may go on then."""
    client, person, stop = guided.client(), guided.person(), tmp_path / "policies" / "stop.cedar"
    passed, held = await proposed(guided, client, refund("100"), refund("500"))
    await decide(person, held)
    stop.write_text(STOP, encoding="utf-8")
    await reload(guided)
    denied = [await not_taken(client, each.call_id) for each in (passed, held)]
    polled = [await not_taken(client, passed.call_id) for _ in range(5)]
    entries = await person.call(person.audit.ListEntries, ab.ListEntriesRequest(page_size=200))
    refusals = [
        each.resource_id for each in entries.entries if each.decision == ab.LEDGER_DECISION_DENY
    ]
    ended, withdrawn = await shown(client, held.call_id), await checkpoint(guided, held)
    stop.unlink()
    await reload(guided)
    again = await not_taken(client, held.call_id)
    mended = await taken(client, passed.call_id)

    assert ["POLICY_DENIED"] * 8 == [*denied, again, *polled]
    # Each once, however often it is asked for.
    assert sorted([passed.call_id, held.call_id]) == sorted(refusals)
    assert (REFUSED, "POLICY_DENIED") == (ended.state, ended.reason)
    assert 0 == ended.take_time.ToMicroseconds()
    assert checkpoint_pb2.CHECKPOINT_STATE_CANCELLED == withdrawn.state
    assert PASSED == mended.call.state


async def test_what_is_asked_for_only_later_was_approved_by_nobody(
    guided: Stage, tmp_path: Path
) -> None:
    """An approval is for what was asked; a policy that asks for more makes it another question."""
    client = guided.client()
    (held,) = await proposed(guided, client, refund("500"))
    await decide(guided.person(), held)
    stricter = STOP.replace('"no_refunds")', '"no_refunds") @checkpoint("data_access")')
    (tmp_path / "policies" / "stop.cedar").write_text(stricter, encoding="utf-8")
    await reload(guided)

    assert stricter != STOP
    assert "POLICY_DENIED" == await not_taken(client, held.call_id)
    assert 0 == (await shown(client, held.call_id)).take_time.ToMicroseconds()


async def test_what_a_tool_does_by_now_decides_whether_its_call_is_released(guided: Stage) -> None:
    """An operator who finds out that a tool pays has nothing paid that no person has seen."""
    client = guided.client()
    passed, held = await proposed(guided, client, refund("100"), refund("500"))
    await decide(guided.person(), held)
    await reload(guided, refund="payment")
    denied = await not_taken(client, passed.call_id)
    seen = await taken(client, held.call_id)
    await reload(guided)

    assert "POLICY_DENIED" == denied
    assert cp.TOOL_EFFECT_WRITE == seen.call.effect
    assert PASSED == (await taken(client, passed.call_id)).call.state


def configuration_in(folder: Path, monkeypatch: pytest.MonkeyPatch, policies: str) -> None:
    """A folder with the guide's configuration as it stands there."""
    monkeypatch.chdir(folder)
    create_key(folder / "var" / "token.key")
    create_release_key(folder / "release.pem")
    (folder / "policies").mkdir()
    (folder / "policies" / "tools.cedar").write_text(policies, encoding="utf-8")
    (folder / "chenu.toml").write_text(CONFIGURATION, encoding="utf-8")


def test_the_guides_configuration_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be copied as it stands."""
    configuration_in(tmp_path, monkeypatch, POLICIES)

    assert [] == problems_of(load_settings())


def test_a_policy_that_names_an_argument_which_is_not_there_is_refused_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the pen would never match, and let every refund pass."""
    configuration_in(tmp_path, monkeypatch, POLICIES.replace("arguments.amount", "arguments.amout"))
    result = CliRunner().invoke(app, ["config", "check"])

    assert ExitCode.CONFIG == result.exit_code
    assert "tools.cedar: refunds_over_100: " in result.stderr
    assert "amout" in result.stderr


async def test_a_server_does_not_start_with_such_a_policy(sqlite_url: str, tmp_path: Path) -> None:
    """As `config check` says."""
    settings = configured(tmp_path)
    misspelt = POLICIES.replace("arguments.amount", "arguments.amout")
    (tmp_path / "policies" / "tools.cedar").write_text(misspelt, encoding="utf-8")
    with pytest.raises(ValueError, match=r"tools\.cedar: refunds_over_100: .*amout"):
        async with staged(sqlite_url, tmp_path, settings):
            pass


async def test_the_guides_programs_take_a_call_and_execute_it_once(
    guided: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its reader copies does what it says."""
    monkeypatch.chdir(tmp_path)
    request = proposing(guided, refund("100"), tools=[FIND, REFUND])
    handed: list[tuple[str, str, str]] = []

    async def execute(*what: str) -> None:
        handed.append((what[0], what[1], what[2]))

    token = guided.token({"acme": [Role.MEMBER]})
    async with Sdk(f"127.0.0.1:{guided.application.port}", token=token) as client:
        names = {"client": client, "request": request, "execute": execute}
        await run(BACKEND, {**names, "tool_call_pb2": tp})
        jwks_json = (await client.tool_calls.release_keys()).jwks_json
    ((tool, arguments_json, release),) = handed
    given = {"sqlite3": sqlite3, "release": release, "jwks_json": jwks_json}
    await run(EXECUTOR, {**given, "arguments_json": arguments_json})

    assert ("refund", {"order": 7, "amount": 100}) == (tool, json.loads(arguments_json))
    with pytest.raises(ReleaseError, match="replayed"):
        await run(EXECUTOR, {**given, "arguments_json": arguments_json})


async def test_a_later_policy_stops_a_release_at_who_redeems_it_online(
    guided: Stage, tmp_path: Path
) -> None:
    """It is not used up: once the policy has gone it is good again. Offline nobody knows."""
    client, stop = guided.client(), tmp_path / "policies" / "stop.cedar"
    (call,) = await proposed(guided, client, refund("100"))
    got = await taken(client, call.call_id)
    keys = await client.call(client.tool_calls.GetReleaseKeys, ts.GetReleaseKeysRequest())
    request = ts.RedeemReleaseRequest(
        release=got.release,
        tool="refund",
        audience="payments",
        arguments_json=got.arguments_json,
    )
    stop.write_text(STOP, encoding="utf-8")
    await reload(guided)
    stopped = await client.fail(client.tool_calls.RedeemRelease, request)
    unaware = offline(got, keys.jwks_json)
    stop.unlink()
    await reload(guided)
    redeemed = await client.call(client.tool_calls.RedeemRelease, request)

    assert "POLICY_DENIED" == stopped.reason
    assert call.call_id == unaware.call_id == redeemed.call_id


async def test_before_its_end_only_the_gateway_knows_that_a_releases_key_was_taken_away(
    database_url: str, tmp_path: Path
) -> None:
    """Who verifies offline takes it until the keys are fetched again, which the guide says."""
    async with staged(database_url, tmp_path, configured(tmp_path)) as stage:
        await stage.budget()
        client = stage.client()
        (call,) = await proposed(stage, client, refund("100"))
        got = await taken(client, call.call_id)
        keys = await client.call(client.tool_calls.GetReleaseKeys, ts.GetReleaseKeysRequest())
    (tmp_path / "release.pem").unlink()
    async with staged(database_url, tmp_path) as stage:
        client = stage.client()
        request = ts.RedeemReleaseRequest(
            release=got.release,
            tool="refund",
            audience="payments",
            arguments_json=got.arguments_json,
        )
        failure = await client.fail(client.tool_calls.RedeemRelease, request)

    assert ("RELEASE_INVALID", "unknown_key") == (failure.reason, failure.metadata["problem"])
    assert call.call_id == offline(got, keys.jwks_json).call_id
    with pytest.raises(ReleaseError, match="unknown_key"):
        offline(got, '{"keys": []}')


def offline(got: ts.TakeToolCallResponse, jwks_json: str) -> Release:
    """What an executor finds out that has these keys."""
    return verify_release(
        got.release,
        got.arguments_json.encode(),
        tool="refund",
        audience="payments",
        issuer="chenu",
        keys=ReleaseKeys.read(jwks_json),
        store=MemoryReleaseStore(),
        leeway_s=60,
    )


async def run(program: str, names: Mapping[str, Any]) -> None:
    """A piece of a program as it stands in a coroutine, with these names."""
    code = compile(program, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ended = FunctionType(code, dict(names))()
    if code.co_flags & CO_COROUTINE:
        await ended


def test_a_check_of_the_configuration_tells_of_key_and_schema_at_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Who mends one and starts again must not be told of the other only then."""
    settings = load_settings(
        None,
        {
            "database.url": sqlite_url,
            "tools.release_key_file": str(tmp_path / "none.pem"),
            "tools.named": {"look": {"effect": "read", "schema": "{not json"}},
        },
    )
    found = problems_of(settings)

    assert [1, 1] == [sum(named in each for each in found) for named in ("none.pem", "look")]
