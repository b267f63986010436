"""Requests on their way in: none before its call may be made, few large ones, none for ever.

The contract of these tests takes a query's text for a medium, so that a large one can be served.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest
import structlog
from google.protobuf.descriptor import Descriptor
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # no stubs

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.errors import ChenuError, GovernanceUnavailable
from chenu_server.infra.rpc import methods
from chenu_server.infra.rpc.context import current_call
from chenu_server.infra.rpc.errors import to_status
from chenu_server.infra.rpc.intake import (
    MESSAGE_BYTES_MAX,
    OF_ALL,
    OF_IDENTITY,
    SLOW,
    SLOW_OPEN,
    Intake,
    IntakeLimits,
    Upload,
)
from chenu_server.infra.rpc.interceptors import error_mapping
from chenu_server.infra.rpc.media import Media
from chenu_server.vocabulary import Role
from tests.harness import eventually
from tests.http2 import Connection, announced, connected
from tests.unit.identity.samples import token
from tests.unit.rpc.samples import Metadata, Refusal, Served, bearer, serving

QUERY = "/chenu.api.pipeline.v1.PipelineService/Query"
RUN = "/chenu.api.pipeline.v1.PipelineService/Run"
WHO = "/chenu.api.governance.v1.IdentityService/WhoAmI"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
NOWHERE = "/chenu.api.pipeline.v1.PipelineService/Nothing"
SMALL_MAX, LARGE_MAX = 262_144, 20_971_520
ONE_PLACE = IntakeLimits(bytes_max=MESSAGE_BYTES_MAX, per_identity_bytes=MESSAGE_BYTES_MAX)
ACME: Metadata = bearer()
BETA: Metadata = bearer(token({"beta": [Role.MEMBER]}))
TEXT = Media({2: None})


@pytest.fixture(autouse=True)
def _texts_are_media(monkeypatch: pytest.MonkeyPatch) -> None:
    def media_in(request: Descriptor) -> Media | None:
        return {"QueryRequest": TEXT, "RunRequest": Media({1: TEXT})}.get(request.name)

    monkeypatch.setattr(methods, "media_in", media_in)


def asking(request_bytes: int) -> bytes:
    """A query of exactly so many bytes, of at least 300,000."""
    rest = len(pb.QueryRequest(text="x" * 300_000).SerializeToString()) - 300_000
    text = "x" * (request_bytes - rest)
    sent = pb.QueryRequest(text=text).SerializeToString()
    if len(sent) > request_bytes:  # the length in front of the text has become longer
        sent = pb.QueryRequest(text=text[len(sent) - request_bytes :]).SerializeToString()
    assert request_bytes == len(sent)
    return sent


LARGE = asking(LARGE_MAX)
# What finds no room beside one more that is large, or on its way.
PROBE = asking(1_200_000)


async def refusal(served: Served, request: bytes, metadata: Metadata = ACME) -> Refusal | None:
    """How a query of these bytes is refused; None if it is served."""
    try:
        await served.call(QUERY, request, metadata)
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    return None


def hanging(connection: Connection, method: str, metadata: Metadata) -> int:
    """A call whose message has begun and never comes whole."""
    number = connection.begin(method, metadata)
    connection.send(number, announced(LARGE_MAX) + b"x" * 100)
    return number


@asynccontextmanager
async def one_hangs(served: Served, metadata: Metadata = ACME) -> AsyncIterator[Connection]:
    """While a large request of `acme` hangs in the only place."""
    async with connected(served.server.port) as connection:
        hanging(connection, QUERY, metadata)
        await eventually(lambda: is_full(served))
        yield connection


async def is_full(served: Served) -> bool:
    """Whether there is no place for a large request."""
    refused = await refusal(served, PROBE, BETA)
    return refused is not None and "SERVER_OVERLOADED" == refused.reason


async def is_free(served: Served) -> bool:
    """Whether there is one."""
    return await refusal(served, PROBE, BETA) is None


# --- before a request is read -------------------------------------------------------------------


@pytest.mark.parametrize("name", [QUERY, RUN, WHO])
async def test_a_call_without_a_valid_token_is_refused_before_its_message(
    served: Served, name: str
) -> None:
    """Nobody who may not call makes the server hold a byte of it."""
    with structlog.testing.capture_logs() as lines:
        async with connected(served.server.port) as connection:
            streams = [
                await connection.until_ended(hanging(connection, name, metadata))
                for metadata in ((), bearer("forged"))
            ]

    assert [True, True] == [b"\x0216" == status_of(stream.trailers) for stream in streams]
    assert ["TOKEN_MISSING", "TOKEN_INVALID"] == [
        line["outcome"] for line in lines if "call" == line["event"]
    ]


def status_of(trailers: bytes) -> bytes:
    """The gRPC status in an uncompressed header block, behind its length."""
    return trailers.partition(b"grpc-status")[2][:3]


async def test_a_call_of_nothing_is_refused_before_its_message(served: Served) -> None:
    """UNIMPLEMENTED, by the transport."""
    async with connected(served.server.port) as connection:
        stream = await connection.until_ended(hanging(connection, NOWHERE, ()))

    assert b"\x0212" == status_of(stream.trailers)


@pytest.mark.parametrize("name", [CHECK, WATCH])
async def test_a_call_that_needs_no_token_sends_its_message_at_once(
    served: Served, name: str
) -> None:
    """Anyone can make it, so it takes no place and is not waited for."""
    async with connected(served.server.port) as connection:
        stream = await connection.until_ended(hanging(connection, name, ()))

    assert SLOW_OPEN.encode() in stream.trailers.replace(b"%20", b" ")


@pytest.mark.parametrize("name", [CHECK, WATCH])
async def test_a_call_that_needs_no_token_sends_little(served: Served, name: str) -> None:
    """The name of a service is all that it has to say."""
    refused = await served.refusal(name, b"\x0a\x80\x20" + b"x" * 4_096, ())

    assert {"limit_bytes": "4096"} == dict(refused.info.metadata)


# --- how large ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_bytes", "limit"), [(LARGE_MAX, None), (LARGE_MAX + 1, str(LARGE_MAX))]
)
async def test_with_media_a_request_has_at_most_20_mib(
    served: Served, request_bytes: int, limit: str | None
) -> None:
    """To the byte; the refusal is the contract's and names the limit."""
    refused = await refusal(served, asking(request_bytes))

    assert limit == (refused and refused.info.metadata["limit_bytes"])
    assert refused is None or "REQUEST_TOO_LARGE" == refused.reason


async def test_what_is_no_medium_has_at_most_262144_bytes(served: Served) -> None:
    """A large request may not be used to bring in a long conversation."""
    thread = pb.QueryRequest(thread_id="x" * SMALL_MAX).SerializeToString()

    refused = await refusal(served, asking(300_000) + thread)

    assert refused is not None
    assert {"limit_bytes": str(SMALL_MAX)} == dict(refused.info.metadata)


async def test_a_refused_request_is_not_kept(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error's stack holds it: forty that waited for the garbage collector were a gigabyte."""
    kept: list[weakref.ref[ChenuError]] = []

    def noted(error: ChenuError, now_us: int, left_s: float | None) -> grpc.Status:
        kept.append(weakref.ref(error))
        return to_status(error, now_us, left_s)

    monkeypatch.setattr(error_mapping, "to_status", noted)
    gc.disable()
    try:
        refused = await refusal(served, asking(LARGE_MAX + 1))
        left = [each() for each in kept]
    finally:
        gc.enable()

    assert refused is not None
    assert [None] == left


# --- how many -----------------------------------------------------------------------------------


async def test_a_large_request_is_refused_while_there_is_no_room_and_small_ones_are_not() -> None:
    """A request on its way counts as large as one can be, whatever has come of it."""
    async with serving(intake=ONE_PLACE) as served, one_hangs(served):
        refused = await refusal(served, PROBE, BETA)
        small = await asyncio.gather(*(refusal(served, b"", BETA) for _ in range(50)))

    assert refused is not None
    assert ("SERVER_OVERLOADED", OF_ALL) == (refused.reason, refused.info.metadata["resource"])
    assert 1 == refused.detail(error_details_pb2.RetryInfo).retry_delay.seconds
    assert [None] * 50 == small


async def test_a_request_that_hangs_is_refused_where_there_is_no_place() -> None:
    """It would be held all the same, as far as it has come."""
    async with serving(intake=ONE_PLACE) as served, one_hangs(served) as connection:
        stream = await connection.until_ended(hanging(connection, RUN, BETA))

    assert OF_ALL.encode() in stream.trailers.replace(b"%20", b" ")


async def test_those_that_hang_take_turns_from_nobody_else() -> None:
    """Few are asked for at a time, and a small request of another identity is one of them."""
    async with serving() as served, connected(served.server.port) as connection:
        numbers = [hanging(connection, QUERY, ACME) for _ in range(40)]
        small = [await refusal(served, b"", BETA) for _ in range(5)]
        waiting = [number for number in numbers if not connection.streams[number].ended]

    assert [None] * 5 == small
    assert waiting


async def test_many_identities_that_send_nothing_hold_up_nobody_else() -> None:
    """Each of their calls took a turn for two ticks: ten of them left eight calls a second."""
    silent = [bearer(token({f"silent-{index}": [Role.MEMBER]})) for index in range(10)]
    async with serving() as served, connected(served.server.port) as connection:
        numbers = [connection.begin(QUERY, each) for _ in range(40) for each in silent]

        def ended() -> int:
            return sum(connection.streams[number].ended for number in numbers)

        async def have_stalled() -> bool:
            return ended() > 20

        await eventually(have_stalled)
        before = ended()
        small = [await refusal(served, b"", BETA) for _ in range(20)]
        meanwhile = ended() - before

    assert [None] * 20 == small
    assert meanwhile < 60


async def test_who_has_several_places_yields_one_to_who_has_less() -> None:
    """Four identities that sent nothing kept every large request out for a minute."""
    limits = IntakeLimits(bytes_max=3 * MESSAGE_BYTES_MAX, per_identity_bytes=3 * MESSAGE_BYTES_MAX)
    async with serving(intake=limits) as served, connected(served.server.port) as connection:
        numbers = [connection.begin(QUERY, ACME) for _ in range(4)]

        def ended() -> list[bytes]:
            streams = [connection.streams[number] for number in numbers]
            return [stream.trailers for stream in streams if stream.ended]

        async def are_full() -> bool:
            return 1 == len(ended())

        await eventually(are_full)
        others = [await refusal(served, LARGE, BETA) for _ in range(3)]

    assert [None] * 3 == others
    assert 2 == len(ended())
    assert all(OF_IDENTITY.encode() in each.replace(b"%20", b" ") for each in ended())


async def test_one_identity_leaves_places_for_others() -> None:
    """A caller whose requests come slowly keeps nobody else's out."""
    limits = IntakeLimits(bytes_max=2 * MESSAGE_BYTES_MAX, per_identity_bytes=MESSAGE_BYTES_MAX)
    async with serving(intake=limits) as served, connected(served.server.port) as connection:
        hanging(connection, QUERY, ACME)

        async def is_acme_full() -> bool:
            return await refusal(served, PROBE) is not None

        await eventually(is_acme_full)
        refused = await refusal(served, PROBE)
        other = await refusal(served, LARGE, BETA)

    assert refused is not None
    assert OF_IDENTITY == refused.info.metadata["resource"]
    assert other is None


async def test_a_large_request_counts_until_who_keeps_it_lets_go() -> None:
    """A query that outlives its call holds its files for as long as it runs."""
    kept: list[Callable[[], None]] = []

    async def keep() -> None:
        kept.append(current_call().keep_body())

    async with serving(intake=ONE_PLACE) as served:
        served.script.act = keep
        await served.call(QUERY, LARGE)
        full = await refusal(served, PROBE, BETA)
        for let_go in kept * 2:
            let_go()
        free = await is_free(served)

    assert full is not None
    assert free


async def test_a_large_request_may_be_let_go_of_before_its_call_ends() -> None:
    """Its handler says when that is, and need not wait for the end of the call."""
    async with serving(intake=ONE_PLACE) as served:
        begun, stored, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        served.script.act = in_hand(begun, stored, go_on)
        first = asyncio.create_task(served.call(QUERY, LARGE))
        await begun.wait()
        full = await refusal(served, PROBE, BETA)
        stored.set()
        await eventually(lambda: is_free_beside(served, first))
        still_in_hand = not first.done()
        go_on.set()
        await first

    assert full is not None
    assert still_in_hand


def in_hand(
    begun: asyncio.Event, stored: asyncio.Event, go_on: asyncio.Event
) -> Callable[[], Awaitable[None]]:
    """What the first call does; those behind it do nothing."""

    async def act() -> None:
        if begun.is_set():
            return
        begun.set()
        await stored.wait()
        current_call().keep_body()()
        await go_on.wait()

    return act


async def is_free_beside(served: Served, first: asyncio.Task[bytes]) -> bool:
    """Whether there is room while the first call goes on."""
    return not first.done() and await is_free(served)


async def test_a_large_request_counts_no_longer_than_its_call() -> None:
    """A handler that does not say so, or fails, leaves nothing behind."""
    async with serving(intake=ONE_PLACE) as served:
        outcomes = [await refusal(served, LARGE) for _ in range(3)]

    assert [None] * 3 == outcomes


# --- how long -----------------------------------------------------------------------------------


async def test_a_request_that_takes_too_long_is_ended() -> None:
    """A valid token is no right to hold a place for ever; the next one gets it."""
    limits = IntakeLimits(
        bytes_max=MESSAGE_BYTES_MAX, per_identity_bytes=MESSAGE_BYTES_MAX, timeout_s=0.1
    )
    async with serving(intake=limits) as served, connected(served.server.port) as connection:
        stream = await connection.until_ended(hanging(connection, QUERY, ACME))
        await eventually(lambda: is_free(served))

    assert SLOW.encode() in stream.trailers.replace(b"%20", b" ")


async def test_a_slow_request_that_comes_whole_in_time_is_served() -> None:
    """It has a place and takes its time."""
    async with (
        serving(intake=ONE_PLACE) as served,
        connected(served.server.port, window_bytes=1_000) as connection,
    ):
        request = pb.QueryRequest(text="Hello").SerializeToString()
        number = connection.begin(QUERY, ACME)
        connection.send(number, announced(len(request)) + request[:3])
        await eventually(lambda: is_full(served))
        connection.send(number, request[3:], is_last=True)
        stream = await connection.until_ended(number)
        await eventually(lambda: is_free(served))

    assert b"\x010" == status_of(stream.trailers)[:2]
    assert "Hello" in served.script.texts


@pytest.mark.parametrize("leaves", ["cancels", "closes"])
async def test_a_caller_that_leaves_frees_its_place(leaves: str) -> None:
    """At once, not at the time limit."""
    async with serving(intake=ONE_PLACE) as served, one_hangs(served) as connection:
        connection.cancel(1) if leaves == "cancels" else connection.close()
        await eventually(lambda: is_free(served))

        assert await is_free(served)


async def test_a_request_on_its_way_holds_up_no_drain() -> None:
    """Anyone with a token could stop deployments; who sent half of one is told to send it again."""
    async with serving(intake=ONE_PLACE) as served:
        with structlog.testing.capture_logs() as lines:
            async with one_hangs(served) as connection:
                draining = asyncio.create_task(served.server.drain(60))
                stream = await connection.until_ended(1)
                await asyncio.wait_for(draining, 10)

    assert b"\x0214" == status_of(stream.trailers)
    assert "GOVERNANCE_UNAVAILABLE" in [line.get("outcome") for line in lines]


# --- at the end ---------------------------------------------------------------------------------


class Silent:
    """A call whose request never comes."""

    async def read(self) -> bytes:
        """Nothing."""
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_caller_that_leaves_while_the_server_drains_takes_no_turn_of_another() -> None:
    """Its turn was refused in the same moment, so there is none to give back."""
    intake = Intake(IntakeLimits())
    uploads = [Upload(intake, cast(Any, Silent())) for _ in range(5)]
    calls = [asyncio.create_task(upload.receive("acme")) for upload in uploads]
    await asyncio.sleep(0)

    intake.close()
    calls[-1].cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)

    assert [GovernanceUnavailable] * 4 + [asyncio.CancelledError] == [type(it) for it in ended]


async def test_a_refused_upload_is_not_kept() -> None:
    """What refused it stands in its stack, and would keep the call until garbage is collected."""
    intake = Intake(IntakeLimits())
    context = Silent()
    left = weakref.ref(context)
    call = asyncio.create_task(Upload(intake, cast(Any, context)).receive("acme"))
    del context
    await asyncio.sleep(0)
    gc.disable()
    try:
        intake.close()
        await asyncio.wait([call])
        assert isinstance(call.exception(), GovernanceUnavailable)
        del call
        await asyncio.sleep(0)

        assert left() is None
    finally:
        gc.enable()
