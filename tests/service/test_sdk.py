"""The SDK on a real server, over connections that break and servers that restart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chenu import errors
from chenu.aio import Client, Log
from chenu.api.pipeline.v1 import event_pb2
from chenu_server.config import load_settings
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import create_key
from chenu_server.upstream import FakeUpstream
from chenu_server.vocabulary import PrincipalType, Role
from tests.harness import (
    IDENTITY_ROLES,
    SYSTEM_ROLES,
    Stage,
    eventually,
    local_issuer,
    running,
    settings_for,
    staged,
    token_of,
)
from tests.service.asking import approval
from tests.service.proofs.rates import hello
from tests.service.relay import relayed
from tests.service.spending import HELD, PAYMENT, POSTED, USD, books, sms

QUEUED = event_pb2.EVENT_TYPE_RATE_LIMIT_QUEUED
STARTED = event_pb2.EVENT_TYPE_PIPELINE_START


@dataclass
class Place:
    """What outlives a server: its port, its database, its callers' tokens."""

    settings: dict[str, Any]
    issuer: Issuer
    port: int

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """A server at the place's port, until the block ends and it has drained."""
        listen = f"127.0.0.1:{self.port}"
        async with running(load_settings(None, {**self.settings, "server.listen": listen})):
            yield

    def backend(self, port: int = 0) -> Client:
        """A backend service's client, at another port than the server's if one is given."""
        token = token_of(self.issuer, {"acme": (Role.MEMBER,)})
        return Client(f"127.0.0.1:{port or self.port}", token=token)

    def person(self, identity: str = "acme") -> Client:
        """The client of a person with every role in an identity."""
        roles = {identity: (*IDENTITY_ROLES, *SYSTEM_ROLES)}
        token = token_of(self.issuer, roles, type=PrincipalType.USER, name="ann")
        return Client(f"127.0.0.1:{self.port}", token=token)


@pytest.fixture
async def place(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    """A place whose provider takes one call in three seconds, and whose servers need no budget."""
    create_key(tmp_path / "key")
    with _port_kept() as port:
        async with FakeUpstream() as upstream:
            settings = settings_for(sqlite_url, tmp_path / "key", upstream)
            settings |= {
                "providers.settings.groq.limit": 1,
                "limits.provider_window_s": 3,
                "budgets.required": False,
            }
            yield Place(settings, local_issuer(tmp_path / "key"), port)


@contextmanager
def _port_kept() -> Iterator[int]:
    """A port that servers may take in turn, and that nobody else is given between them.

    A socket that is bound and does not listen keeps it.
    """
    with socket.socket() as keeping:
        keeping.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeping.bind(("127.0.0.1", 0))
        yield keeping.getsockname()[1]


async def types(log: Log, seen: list[int]) -> list[int]:
    """The types of a log's events, each noted as it comes."""
    async with log:
        async for event in log:
            seen.append(event.type)  # noqa: PERF401 - the test looks while they come
    return seen


async def someone_waits(operator: Client) -> bool:
    """Whether any call waits for a slot."""
    return any(provider.waiting for provider in (await operator.rate_limits.list()).providers)


@pytest.mark.parametrize("grace_s", [0, 1])
async def test_a_run_that_waits_outlives_its_server(place: Place, grace_s: int) -> None:
    """A rolling restart is no reason to accuse a caller, nor to lose its place in the world."""
    place.settings["server.drain_grace_s"] = grace_s
    seen: list[int] = []
    async with place.serving():
        client = place.backend()
        await client.pipeline.query(hello())
        log = client.pipeline.run(hello(), timeout_s=60)
        reading = asyncio.create_task(types(log, seen))
        await eventually(lambda: _holds(QUEUED in seen))
        assert STARTED not in seen
    async with place.serving(), place.person() as auditor:
        await asyncio.wait_for(reading, 30)
        violations = [violation async for violation in auditor.identity.violations()]
        await client.close()

    assert [] == violations
    assert 1 == seen.count(STARTED)
    assert "" != log.text


async def test_a_call_that_waits_outlives_its_connection(place: Place) -> None:
    """The same id attaches to the same query: one place in the queue, one charge."""
    async with (
        place.serving(),
        relayed(place.port) as relay,
        place.backend(relay.port) as client,
        place.person("system") as operator,
    ):
        await client.pipeline.query(hello())
        asking = asyncio.create_task(client.pipeline.query(hello(), timeout_s=60))
        await eventually(lambda: someone_waits(operator))
        relay.cut()
        response = await asyncio.wait_for(asking, 30)
        queries = [query async for query in client.pipeline.list()]

    assert "" != response.answer.text
    assert 2 == len(queries)


async def test_a_run_whose_connections_break_is_read_once_and_whole(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Resets in the middle of a stream are the network's business, and not the reader's."""
    async with (
        staged(sqlite_url, tmp_path) as stage,
        relayed(stage.application.port) as relay,
        Client(f"127.0.0.1:{relay.port}", token=_token(stage)) as client,
    ):
        await stage.budget()
        stage.upstream.behave(deltas=30, pace_ms=20, answer_chars=600)
        log, sequences = client.pipeline.run("Tell me a long story"), []
        async for event in log:
            sequences += [event.sequence] if event.sequence else []
            if event.HasField("llm_call_delta") and relay.opened < 4:
                relay.cut()
        stored = await client.pipeline.get(log.request_id)

    assert relay.opened >= 4
    assert list(range(1, len(sequences) + 1)) == sequences
    assert stored.answer.text == log.text
    assert 1 == stage.upstream.arrivals_total


async def test_money_is_held_once_over_a_connection_that_breaks(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A service whose call was cut off asks again: one reservation, one approval, one payment."""
    request = sms(intents=[PAYMENT])
    async with (
        staged(sqlite_url, tmp_path) as stage,
        relayed(stage.application.port) as relay,
        Client(f"127.0.0.1:{relay.port}", token=_token(stage)) as client,
    ):
        await stage.budget(limit_nanousd=10 * USD)
        with pytest.raises(errors.CheckpointPending) as caught:
            await client.spending.reserve(request)
        person = stage.person()
        found = await stage.client().fail(stage.client().budgets.Reserve, request)
        await person.call(person.checkpoints.ResolveCheckpoint, approval(found))
        reserving = asyncio.create_task(client.spending.reserve(request, timeout_s=30))
        await asyncio.sleep(0)
        relay.cut()
        held = await asyncio.wait_for(reserving, 30)
        posting = asyncio.create_task(client.spending.post(request.request_id, amount_nanousd=USD))
        await asyncio.sleep(0)
        relay.cut()
        posted = await asyncio.wait_for(posting, 30)
        with pytest.raises(errors.Conflict) as over:
            await client.spending.reserve(request)
        standing = await books(stage)

    assert found.metadata["checkpoint_id"] == caught.value.checkpoint_id
    assert HELD == held.state
    assert (POSTED, USD) == (posted.state, posted.posted_nanousd)
    assert "RESERVATION_NOT_HELD" == over.value.reason
    assert relay.opened >= 3
    assert (USD, 0, 0) == standing


async def test_a_violation_of_ones_own_is_still_one(stage: Stage) -> None:
    """What is watched and was never asked is not taken for a query that waits."""
    async with Client(f"127.0.0.1:{stage.application.port}", token=_token(stage)) as client:
        with pytest.raises(errors.BoundaryViolation):
            async for _ in client.pipeline.watch("0199d1b0-0000-7000-8000-000000000000"):
                pass


def _token(stage: Stage) -> str:
    return stage.token({"acme": (Role.MEMBER,)})


async def _holds(condition: bool) -> bool:
    return condition
