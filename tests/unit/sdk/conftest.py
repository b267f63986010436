"""A gateway by script, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from chenu.aio import Client
from chenu.api.pipeline.v1 import pipeline_service_pb2_grpc
from tests.listener import Listener, listening
from tests.unit.sdk.gateway import Gateway


@pytest.fixture
def gateway() -> Gateway:
    """A gateway without a script."""
    return Gateway()


@pytest.fixture
async def target(gateway: Gateway) -> AsyncIterator[str]:
    """Where the gateway listens."""
    server = grpc.aio.server()
    pipeline_service_pb2_grpc.add_PipelineServiceServicer_to_server(gateway, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def client(target: str) -> AsyncIterator[Client]:
    """A client with a token and an identity."""
    async with Client(target, token="a-token", identity="acme") as connected:
        yield connected


@pytest.fixture
def listener() -> Iterator[Listener]:
    """What listens where a proxy would."""
    with listening() as listener:
        yield listener
