"""What waits for a person, told as it comes and goes, on either store and to other workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from chenu.aio import Client as Sdk
from chenu.api.governance.v1 import checkpoint_pb2, checkpoint_service_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu_server.governance.checkpoints import inbox, service
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.checkpoints.store import SqlCheckpoints
from chenu_server.vocabulary import PrincipalType, Role
from tests.harness import IDENTITY_ROLES, Client, Failure, Stage, eventually, failure_of, staged
from tests.service.asking import approval, blocked, rejection
from tests.service.spending import PAYMENT, sms
from tests.service.tools import decide, proposing

Told = tuple[str, str]


class Watched:
    """An open stream: what it has told, and how it ended."""

    def __init__(self, client: Client) -> None:
        request = cb.WatchCheckpointsRequest()
        self._call = client.checkpoints.WatchCheckpoints(
            request, metadata=client.metadata, timeout=60
        )
        self.shown: list[checkpoint_pb2.Checkpoint] = []
        self.sizes: list[int] = []
        self.pending = -1
        self.failure: Failure | None = None
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for changes in self._call:
                self.shown += changes.checkpoints
                self.sizes.append(len(changes.checkpoints))
                self.pending = changes.pending
        except grpc.aio.AioRpcError as error:
            self.failure = failure_of(error)

    @property
    def told(self) -> list[Told]:
        """Each checkpoint that was told, and as what."""
        name = checkpoint_pb2.CheckpointState.Name
        return [
            (each.checkpoint_id, name(each.state).removeprefix("CHECKPOINT_STATE_").lower())
            for each in self.shown
        ]

    async def has_told(self, count: int) -> list[Told]:
        """Wait until so many were told; all that were."""

        async def is_told() -> bool:
            return len(self.told) >= count

        await eventually(is_told)
        return self.told

    async def begun(self) -> None:
        """Wait for the first message."""

        async def has_begun() -> bool:
            return self.pending >= 0 or self.failure is not None

        await eventually(has_begun)

    async def ended(self) -> Failure:
        """Wait for its end."""
        await asyncio.wait_for(self._reading, 20)
        assert self.failure is not None
        return self.failure

    async def close(self) -> None:
        """Leave."""
        self._call.cancel()
        await asyncio.wait([self._reading])


@asynccontextmanager
async def watching(client: Client) -> AsyncIterator[Watched]:
    """A stream that has told what waits."""
    stream = Watched(client)
    try:
        await stream.begun()
        yield stream
    finally:
        await stream.close()


def of(failure: Failure) -> str:
    """The checkpoint at which it waits."""
    return failure.metadata["checkpoint_id"]


async def test_what_comes_and_what_becomes_of_it_is_told(funded: Stage) -> None:
    """Approved, rejected, withdrawn, expired: each once, with the state that it came to."""
    client, person = funded.client(), funded.person()
    async with watching(person) as inbox_:
        before = (inbox_.told, inbox_.pending)
        asked = [await blocked(client, f"Delete the notes of year {n}") for n in range(4)]
        ids = [of(each) for each in asked]
        waiting = [(each, "pending") for each in ids]
        first = await inbox_.has_told(4)
        pending = inbox_.pending
        await person.call(person.checkpoints.ResolveCheckpoint, approval(asked[0]))
        await inbox_.has_told(5)
        await person.call(person.checkpoints.ResolveCheckpoint, rejection(asked[1]))
        decided = await inbox_.has_told(6)
        withdrawal = cb.CancelCheckpointRequest(checkpoint_id=ids[2])
        await client.call(client.checkpoints.CancelCheckpoint, withdrawal)
        funded.sql("UPDATE checkpoints SET expires_us = created_us WHERE state = 'pending'")
        await funded.application.sweeper.expire()

        async def is_empty() -> bool:
            return inbox_.pending == 0

        await eventually(is_empty)
        after = dict(inbox_.told)

    assert (([], 0), waiting, 4) == (before, first, pending)
    assert [*waiting, (ids[0], "approved"), (ids[1], "rejected")] == decided
    assert dict(zip(ids, ["approved", "rejected", "cancelled", "expired"], strict=True)) == after
    assert 8 == len(inbox_.told)


async def test_held_calls_come_and_go_as_other_questions_do(funded: Stage) -> None:
    """A person who watches learns of each when its answer is settled, and what became of it."""
    client, person = funded.client(), funded.person()
    pay = cp.Tool(name="pay", effect=cp.TOOL_EFFECT_PAYMENT, parameters='{"type":"object"}')
    request = proposing(funded, *[("pay", "{}")] * 4, tools=[pay])
    async with watching(person) as inbox_:
        calls = (await client.call(client.pipeline.Query, request)).answer.tool_calls
        ids = [each.checkpoint_id for each in calls]
        waiting = [(each, "pending") for each in ids]
        first = await inbox_.has_told(4)
        await decide(person, calls[0])
        await inbox_.has_told(5)
        await decide(person, calls[1], decision=cb.CHECKPOINT_DECISION_REJECT, reason="not today")
        await inbox_.has_told(6)
        withdrawal = cb.CancelCheckpointRequest(checkpoint_id=ids[2])
        await client.call(client.checkpoints.CancelCheckpoint, withdrawal)
        await inbox_.has_told(7)
        funded.sql("UPDATE checkpoints SET expires_us = created_us WHERE state = 'pending'")
        await funded.application.sweeper.expire()
        told = await inbox_.has_told(8)

    assert sorted(waiting) == sorted(first)
    ends = zip(ids, ["approved", "rejected", "cancelled", "expired"], strict=True)
    assert list(ends) == told[4:]


async def test_who_comes_later_is_told_all_that_waits(
    funded: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oldest first, in messages of a bounded size; what is over is not told."""
    monkeypatch.setattr(service, "CHANGES_MAX", 2)
    client, person = funded.client(), funded.person()
    asked = [await blocked(client, f"Delete the notes of year {n}") for n in range(4)]
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(asked[1]))
    waiting = [(of(asked[n]), "pending") for n in (0, 2, 3)]
    async with watching(person) as stream:
        told = await stream.has_told(3)

    assert (waiting, [2, 1], 3) == (told, stream.sizes, stream.pending)


async def test_others_are_told_nothing_of_it(funded: Stage) -> None:
    """Nor of what is quoted of it, where a member looks who neither asked nor approves."""
    await funded.budget("zenith")
    member = funded.client(name="reporting")
    async with (
        watching(funded.person("zenith", "zoe")) as elsewhere,
        watching(member) as seen,
        watching(funded.person()) as approver,
    ):
        asked = await blocked(funded.client())
        told = [await each.has_told(1) for each in (seen, approver)]
        # Behind the other: had that been told here, it would be told by now.
        theirs = await blocked(funded.client("zenith"))
        told_elsewhere = await elsewhere.has_told(1)

    assert [[(of(asked), "pending")]] * 2 == told
    assert [(of(theirs), "pending")] == told_elsewhere
    assert ("", True) == (seen.shown[0].text_preview, bool(approver.shown[0].text_preview))


async def test_a_payment_that_waits_is_told_like_a_query(funded: Stage) -> None:
    """One inbox for whatever waits."""
    client = funded.client()
    async with watching(funded.person()) as stream:
        failure = await client.fail(client.budgets.Reserve, sms(intents=[PAYMENT]))
        told = await stream.has_told(1)

    assert [(of(failure), "pending")] == told


async def test_it_ends_with_the_token_that_it_was_asked_with(stage: Stage) -> None:
    """A right that is over is over, also for who looks on."""
    token = stage.token({"acme": IDENTITY_ROLES}, type=PrincipalType.USER, name="ann", lifetime_s=2)
    async with watching(stage.with_token(token)) as stream:
        failure = await stream.ended()

    assert (0, "TOKEN_EXPIRED") == (stream.pending, failure.reason)


async def test_an_identity_is_watched_so_often_and_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stream is a reader of its own; who leaves makes room, and others have theirs."""
    monkeypatch.setattr(inbox, "WATCHERS_MAX", 1)
    async with watching(stage.person()):
        refused = await Watched(stage.person()).ended()
        async with watching(stage.person("zenith")):
            pass

    async with watching(stage.person()) as stream:
        assert stream.failure is None
    assert ("SERVER_OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED) == (
        refused.reason,
        refused.code,
    )


async def test_a_server_that_stops_sends_its_watchers_elsewhere_at_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    """They have no end of their own, and would hold up the drain for its whole grace."""
    async with AsyncExitStack() as later:
        async with staged(sqlite_url, tmp_path, {"server.drain_grace_s": 600}) as stage:
            # Of its own, so that it outlives the stage's.
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{stage.application.port}")
            await later.enter_async_context(channel)
            stream = Watched(Client(channel, stage.person().metadata))
            await stream.begun()
        failure = await stream.ended()

    assert "SERVER_OVERLOADED" == failure.reason


async def test_what_is_asked_and_decided_at_other_workers_is_told(
    postgres_url: str, tmp_path: Path
) -> None:
    """Whoever looks at one sees what happens at two."""
    async with (
        staged(postgres_url, tmp_path) as one,
        staged(postgres_url, tmp_path) as two,
        watching(one.person()) as stream,
    ):
        await one.budget()
        asked = await blocked(two.client())
        waiting = await stream.has_told(1)
        person = two.person()
        await person.call(person.checkpoints.ResolveCheckpoint, approval(asked))
        decided = await stream.has_told(2)

    assert [(of(asked), "pending")] == waiting[:1]
    assert [(of(asked), "pending"), (of(asked), "approved")] == decided


async def test_the_sdk_tells_it(stage: Stage) -> None:
    """As messages, one after the other, until it is closed."""
    token = stage.token({"acme": (Role.MEMBER,)})
    seen: list[checkpoint_service_pb2.WatchCheckpointsResponse] = []
    async with Sdk(f"127.0.0.1:{stage.application.port}", token=token) as sdk:
        async for changes in sdk.checkpoints.watch():
            seen.append(changes)
            if changes.checkpoints:
                break
            asked = await blocked(stage.client())

    assert [0, 1] == [each.pending for each in seen]
    assert [of(asked)] == [each.checkpoint_id for each in seen[-1].checkpoints]


def test_nothing_is_kept_for_who_left() -> None:
    """Whatever identity was looked at once."""
    followers: Any = inbox.Inbox()
    with followers.followed("acme"), followers.followed("acme"):
        pass

    assert {} == followers._bells


async def test_what_is_decided_before_it_could_be_told_is_told_as_nothing(
    funded: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the list of what waits and its rows: each is told as waiting first, or not at all."""
    asked, person = await blocked(funded.client()), funded.person()
    some = SqlCheckpoints.some

    async def decided_meanwhile(
        self: SqlCheckpoints, identity_id: str, ids: Sequence[str]
    ) -> Sequence[Checkpoint]:
        monkeypatch.setattr(SqlCheckpoints, "some", some)
        await person.call(person.checkpoints.ResolveCheckpoint, approval(asked))
        return await some(self, identity_id, ids)

    monkeypatch.setattr(SqlCheckpoints, "some", decided_meanwhile)
    async with watching(person) as stream:
        later = await blocked(funded.client(), "Delete the notes of this year")
        told = await stream.has_told(1)

    assert [(of(later), "pending")] == told
