"""What a caller gets where the transport answers, or would answer, before any handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu_server.infra.rpc.intake import MESSAGE_BYTES_MAX
from chenu_server.infra.rpc.server import METADATA_BYTES_MAX
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
