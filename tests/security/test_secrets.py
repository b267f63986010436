"""Keys and tokens stay where they belong: in no answer, event, entry or log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import identity_service_pb2 as ib
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.governance.identity.tokens import create_key
from chenu_server.upstream import FakeUpstream
from loadtest.processes import ServerProcess
from tests.harness import IDENTITY_ROLES, Client, Stage, local_issuer, settings_for, token_of

KEY = "sk-test-key"
STATUSES = (400, 401, 403, 429, 500, 200)
FORGED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0LXNpZ25hdHVyZQ"


async def seen(stage: Stage) -> str:
    """All that callers, auditors and readers of one query are told, as text."""
    client, operator, request_id = stage.client(), stage.operator(), str(uuid4())
    query = pb.QueryRequest(text="Hello", request_id=request_id)
    outcome = await client.outcome(client.pipeline.Query, query)
    shown = await client.call(client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id))
    events, _ = await client.events(client.pipeline.Watch, pb.WatchRequest(request_id=request_id))
    export = operator.audit.ExportEntries(
        ab.ExportEntriesRequest(), metadata=operator.metadata, timeout=20
    )
    ledger = b"".join([response.chunk async for response in export]).decode()
    return " ".join(map(str, [outcome, shown, *events, ledger]))


@pytest.mark.parametrize("status", STATUSES)
async def test_a_provider_that_quotes_the_key_does_not_make_it_known(
    stage: Stage, status: int
) -> None:
    """Providers do quote keys in their refusals; no status, event or entry passes them on."""
    stage.upstream.behave(status=status)

    told = await seen(stage)

    assert stage.upstream.arrivals_total
    assert KEY not in told


async def test_a_log_at_its_most_talkative_holds_no_key_and_no_token(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A server of its own, since a process sets up its log once."""
    key_file = tmp_path / "token.key"
    create_key(key_file)
    token = token_of(local_issuer(key_file), {"acme": IDENTITY_ROLES})
    async with FakeUpstream() as upstream:
        settings = settings_for(sqlite_url, key_file, upstream)
        settings |= {"log.level": "debug", "log.json": True}
        with ServerProcess(tmp_path, sections(settings)) as server:
            await asyncio.to_thread(server.wait_serving)
            await talk(server.target, token, upstream)
            logged = server.output()

    assert logged.count("PipelineService/Query") >= len(STATUSES)
    assert "TOKEN_INVALID" in logged
    (refused,) = [line for line in logged.splitlines() if '"token_refused"' in line]
    assert '"check":"iss is no configured issuer"' in refused
    assert '"method":"/chenu.api.governance.v1.IdentityService/WhoAmI"' in refused
    assert [] == [
        secret for secret in (KEY, token, signature(token), signature(FORGED)) if secret in logged
    ]


async def talk(target: str, token: str, upstream: FakeUpstream) -> None:
    """A query under each of the upstream's moods, and a call with a forged token."""
    async with grpc.aio.insecure_channel(target) as channel:
        client = Client(channel, (("authorization", f"Bearer {token}"),))
        forger = Client(channel, (("authorization", f"Bearer {FORGED}"),))
        budget = bb.CreateBudgetRequest(
            scope=bb.BUDGET_SCOPE_IDENTITY, period=bb.BUDGET_PERIOD_TOTAL, limit_nanousd=10**15
        )
        await client.call(client.budgets.CreateBudget, budget)
        for status in STATUSES:
            upstream.behave(status=status)
            await client.outcome(client.pipeline.Query, pb.QueryRequest(text="Hello"))
        await forger.fail(forger.identity.WhoAmI, ib.WhoAmIRequest())


def signature(token: str) -> str:
    """The part of a token that proves it."""
    return token.rpartition(".")[2]


def sections(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings by dotted key as the sections of a configuration file."""
    tree: dict[str, dict[str, Any]] = {}
    for dotted, value in settings.items():
        section, _, name = dotted.partition(".")
        tree.setdefault(section, {})[name] = value
    return tree
