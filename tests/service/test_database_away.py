"""A database that cannot record: calls are refused, probes are told, and both end by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.infra.db.engine import writer_engine
from tests.architecture import contract
from tests.harness import Client, Stage, eventually, staged
from tests.poolers import Pooled
from tests.service.test_health import NOT_SERVING, SERVING, states
from tests.stores import Postgres

AWAY = "GOVERNANCE_UNAVAILABLE"
PATIENCE_S = 40.0
PROBING = {"writer.probe_ms": 100, "owners.renew_s": 1, "owners.lease_s": 10}


async def health_of(stage: Stage) -> set[int]:
    """What probes are told of the server and of each of its services."""
    stub = health_pb2_grpc.HealthStub(stage.channel)
    names = ["", "grpc.health.v1.Health", *contract.services()]
    asked = [health_pb2.HealthCheckRequest(service=name) for name in names]
    return {(await stub.Check(request, timeout=20)).status for request in asked}


async def until_health(stage: Stage, status: int) -> None:
    """Wait until every probe is told this."""

    async def told() -> bool:
        return await health_of(stage) == {status}

    await eventually(told, PATIENCE_S)


@contextmanager
def _read_only(url: str, postgres: Postgres) -> Iterator[None]:
    """As after a failover to a server that does not take writes yet."""
    name = sa.make_url(url).database
    postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    try:
        yield
    finally:
        postgres.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


@contextmanager
def _locked(url: str) -> Iterator[None]:
    """Another tool's transaction, which does not end."""
    with writer_engine(url).begin():
        yield


@asynccontextmanager
async def _serving(url: str, folder: Path) -> AsyncIterator[tuple[Stage, Client]]:
    async with staged(url, folder, PROBING) as stage:
        await stage.budget()
        yield stage, stage.client()


async def test_a_read_only_database_is_survived(
    postgres_url: str, postgres: Postgres, tmp_path: Path
) -> None:
    """Served, refused without a call, told to probes, and served again without a hand."""
    request_id = str(uuid4())
    async with _serving(postgres_url, tmp_path) as (stage, client):
        before = await client.query("Hello", request_id=request_id)
        owner_id = _owners(postgres_url)
        with _read_only(postgres_url, postgres):
            during = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))
            await until_health(stage, NOT_SERVING)
            calls = stage.upstream.arrivals_total
        await until_health(stage, SERVING)
        after = await client.query("Hello")
        got = await client.call(client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id))
        listed = await client.call(client.pipeline.ListQueries, pb.ListQueriesRequest())

    done = message_pb2.QUERY_STATE_COMPLETED
    assert (AWAY, 1) == (during.reason, calls)
    assert [done] * 3 == [it.query.state for it in (before, after, got)]
    assert 2 == len(listed.queries)
    assert _owners(postgres_url) == owner_id


async def test_an_idle_server_tells_its_probes_of_a_locked_file(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Nobody has asked, and the load balancer knows; then it knows that it is over."""
    async with _serving(sqlite_url, tmp_path) as (stage, client):
        told = states(stage.channel)
        first = await anext(told)
        with _locked(sqlite_url):
            second = await anext(told)
            refused = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))
        third = await anext(told)
        await until_health(stage, SERVING)
        answer = await client.query("Hello")
        calls = stage.upstream.arrivals_total

    assert [SERVING, NOT_SERVING, SERVING] == [first, second, third]
    assert (AWAY, 1) == (refused.reason, calls)
    assert message_pb2.QUERY_STATE_COMPLETED == answer.query.state


async def test_a_server_that_has_lost_its_ownership_is_not_serving(
    postgres_url: str, tmp_path: Path
) -> None:
    """Others may take over what it runs: new work belongs to them."""
    async with _serving(postgres_url, tmp_path) as (stage, client):
        # Nobody can own anything, and all else can be recorded.
        stage.sql("ALTER TABLE owners ADD CONSTRAINT nobody CHECK (false) NOT VALID")
        await until_health(stage, NOT_SERVING)
        refused = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))
        calls = stage.upstream.arrivals_total
        stage.sql("ALTER TABLE owners DROP CONSTRAINT nobody")
        await until_health(stage, SERVING)
        health = await health_of(stage)
        answer = await client.query("Hello")

    assert (AWAY, 0) == (refused.reason, calls)
    assert {SERVING} == health
    assert message_pb2.QUERY_STATE_COMPLETED == answer.query.state


async def test_a_server_behind_a_session_pooler_serves(
    postgres_url: str, tmp_path: Path, pooled: Pooled
) -> None:
    """Everything that it holds is a session's, and stays its own."""
    async with _serving(pooled(postgres_url, mode="session"), tmp_path) as (stage, client):
        states = [(await client.query("Hello")).query.state for _ in range(20)]
        listed = await client.call(client.pipeline.ListQueries, pb.ListQueriesRequest())
        health = await health_of(stage)

    assert {message_pb2.QUERY_STATE_COMPLETED} == set(states)
    assert (20, {SERVING}) == (len(listed.queries), health)


async def test_two_servers_behind_one_session_pooler_both_take_writes(
    postgres_url: str, tmp_path: Path, pooled: Pooled
) -> None:
    """They take turns at one ledger, and neither takes the other for dead."""
    url = pooled(postgres_url, mode="session")
    async with _serving(url, tmp_path) as (one, client), staged(url, tmp_path, PROBING) as two:
        clients = [client, two.client()] * 10
        answers = await asyncio.gather(*(each.query("Hello") for each in clients))
        recovered = [await each.application.sweeper.recover() for each in (one, two)]
        auditor = two.operator()
        verified = await auditor.call(auditor.audit.VerifyLedger, ab.VerifyLedgerRequest())
        owners = _owners(postgres_url)

    assert {message_pb2.QUERY_STATE_COMPLETED} == {answer.query.state for answer in answers}
    assert [0, 0] == recovered
    assert 2 == len(owners)
    assert ab.LEDGER_VERDICT_HOLDS == verified.verdict


@pytest.mark.parametrize("store", ["sqlite_url", "postgres_url"])
async def test_a_start_without_its_port_leaves_no_trace(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """No lock, no owner to be taken over, no session; the next start finds an empty house."""
    url: str = request.getfixturevalue(store)
    async with grpc_port() as port:
        with pytest.raises(OSError, match="cannot listen"):
            async with staged(url, tmp_path, {"server.listen": f"127.0.0.1:{port}"}):
                pass
    left = _owners(url)
    await eventually(lambda: _has_no_sessions(url))  # the server is told, and takes its time
    async with _serving(url, tmp_path) as (_, client):
        answer = await client.query("Hello")

    assert [] == left
    assert message_pb2.QUERY_STATE_COMPLETED == answer.query.state


@asynccontextmanager
async def grpc_port() -> AsyncIterator[int]:
    """A port that somebody else serves on."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


def _owners(url: str) -> list[str]:
    with writer_engine(url).begin() as connection:
        return list(connection.scalars(sa.text("SELECT owner_id FROM owners")))


async def _has_no_sessions(url: str) -> bool:
    """Whether nobody but who asks has a session on the database."""
    if url.startswith("sqlite"):
        return True
    with writer_engine(url).begin() as connection:
        count = connection.scalar(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    return bool(count == 0)
