"""What a caller gets where the transport answers, or would answer, before any handler."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu_server.infra.rpc.intake import MESSAGE_BYTES_MAX
from chenu_server.infra.rpc.server import METADATA_BYTES_MAX
from tests.http2 import announced, connected
from tests.unit.rpc.samples import Refusal, Served, bearer

WHO = "/chenu.api.governance.v1.IdentityService/WhoAmI"
RUN = "/chenu.api.pipeline.v1.PipelineService/Run"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"


async def refused(call: Any) -> grpc.aio.AioRpcError:
    """How a call of any kind ends."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call was answered")


async def test_a_message_over_the_transports_limit_is_refused_by_the_transport(
    served: Served,
) -> None:
    """21 MiB; between that and 256 KiB the refusal is ours and says what the limit is."""
    error = await refused(served.call(WHO, b"\x00" * (MESSAGE_BYTES_MAX + 1)))
    refusal = await served.refusal(WHO, b"\x00" * MESSAGE_BYTES_MAX)

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == error.code()
    assert "REQUEST_TOO_LARGE" == refusal.reason


async def test_metadata_over_the_transports_limit_is_refused_by_the_transport(
    served: Served,
) -> None:
    """16 KiB of names, values and 32 bytes for each; the status has no details of ours."""
    error = await refused(served.call(WHO, metadata=padded(METADATA_BYTES_MAX)))

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == error.code()
    assert rpc_status.from_call(error) is None
    assert [] == served.script.callers


async def test_metadata_below_the_limit_is_never_refused(served: Served) -> None:
    """By default the core refuses a share of calls at random from 8 KiB on."""
    answers = [await served.call(WHO, metadata=padded(14_000)) for _ in range(50)]

    assert [b"\x22\x04acme"] * 50 == answers


def padded(value_bytes: int) -> tuple[tuple[str, str], ...]:
    """A token, and one header with a value of this length."""
    return (*bearer(), ("x-padding", "a" * value_bytes))


@pytest.mark.parametrize("name", [WHO, RUN, CHECK, WATCH])
@pytest.mark.parametrize(
    ("encoding", "message", "status"),
    [
        ("gzip", gzip.compress(b"\x00" * 10_000), b"12"),
        ("deflate", zlib.compress(b"\x00" * 10_000), b"12"),
        ("gzip", b"no gzip", b"12"),
        ("zstd", b"nothing that gRPC knows", b"13"),
        ("", b"not said how", b"13"),
    ],
    ids=["gzip", "deflate", "no gzip", "unknown", "not said"],
)
async def test_a_compressed_message_is_refused_by_the_transport(
    served: Served, name: str, encoding: str, message: bytes, status: bytes
) -> None:
    """It would be unpacked before any layer is asked, a thousand bytes from each, for anyone."""
    named = (("grpc-encoding", encoding),) if encoding else ()
    async with connected(served.server.port) as connection:
        number = connection.begin(name, (*bearer(), *named))
        connection.send(number, b"\x01" + announced(len(message))[1:] + message, is_last=True)
        stream = await connection.until_ended(number)

    assert [] == served.script.callers
    assert b"grpc-status\x02" + status in stream.trailers


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_client_that_compresses_is_told_so(
    served: Served, compression: grpc.Compression
) -> None:
    """By a status that the contract lists; nothing was begun."""
    rpc: Any = served.channel.unary_unary(WHO)

    error = await refused(rpc(b"x" * 10_000, metadata=bearer(), compression=compression))

    assert grpc.StatusCode.UNIMPLEMENTED == error.code()
    assert [] == served.script.callers


@pytest.mark.parametrize("asked", ["identity", "gzip", "identity, deflate, gzip", "zstd"])
async def test_a_client_that_would_take_compressed_answers_is_served(
    served: Served, asked: str
) -> None:
    """Every gRPC client says which it could take; it gets one as it is."""
    async with connected(served.server.port, window_bytes=65_535) as connection:
        metadata = (*bearer(), ("grpc-accept-encoding", asked))
        stream = await connection.until_ended(connection.call(WHO, b"", metadata))

    assert [b"\x22\x04acme"] == stream.messages


@pytest.mark.parametrize("name", [WHO, RUN, CHECK, WATCH])
async def test_a_call_that_ends_without_its_message_is_refused(served: Served, name: str) -> None:
    """No handler is entered; unanswered, it would be held for as long as its client likes."""
    rpc: Any = served.channel.stream_unary(name)

    error = await refused(rpc(nothing(), metadata=bearer(), timeout=20))

    assert "INVALID_FIELD" == Refusal(error).reason
    assert [] == served.script.callers
    assert b"\x22\x04acme" == await served.call(WHO, metadata=bearer())


def nothing() -> Iterator[bytes]:
    """A stream of no messages: the client half-closes at once."""
    return iter(())
