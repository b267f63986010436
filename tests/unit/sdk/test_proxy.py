"""What the environment says of proxies holds for other machines, and never for this one."""

from __future__ import annotations

import pytest

from chenu import errors
from chenu.aio import Client
from chenu.aio.target import is_loopback
from chenu.api.pipeline.v1 import message_pb2, pipeline_service_pb2
from tests.listener import Listener
from tests.unit.sdk.gateway import Gateway

ANSWER = pipeline_service_pb2.QueryResponse(answer=message_pb2.Answer(text="hello"))
AWAY = "gateway.invalid:443"


@pytest.fixture(autouse=True)
def proxied(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    """An environment that sends everything through the listener."""
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, listener.url)
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "dns:///localhost", "ipv4:127.0.0.1"])
async def test_loopback_is_never_reached_through_a_proxy(
    target: str, gateway: Gateway, listener: Listener, host: str
) -> None:
    """The proxy's loopback is another machine's, and would be given the token in clear."""
    gateway.answer = lambda _: ANSWER
    async with Client(f"{host}:{target.rpartition(':')[2]}", http_proxy=listener.url) as client:
        await client.pipeline.query("hello")

    assert [] == listener.heard


async def fails(http_proxy: str | None = None) -> None:
    """Call another machine, which no proxy here lets anybody reach."""
    async with Client(AWAY, insecure=True, http_proxy=http_proxy) as client:
        with pytest.raises(errors.ConnectionLost):
            await client.pipeline.query("hello", timeout_s=10, give_up_s=0)


async def test_another_machine_is_reached_through_the_environments_proxy(
    listener: Listener,
) -> None:
    """As every gRPC program does it; the README says so."""
    await fails()

    assert f"CONNECT {AWAY}" == listener.heard[0]


async def test_a_proxy_that_is_given_goes_before_the_environments(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a program says explicitly is what it gets."""
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await fails(listener.url)

    assert f"CONNECT {AWAY}" == listener.heard[0]


async def test_an_empty_proxy_is_none(listener: Listener) -> None:
    """Who must not go through one can say so, whatever the environment says."""
    await fails("")

    assert [] == listener.heard


@pytest.mark.parametrize(
    ("target", "stays"),
    [
        ("127.0.0.1", True),
        ("LOCALHOST.:1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("ipv6:[::1]:8443", True),
        ("ipv6:%5B::1%5D:8443", True),
        ("[::ffff:127.0.0.1]:8443", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:1", True),
        ("unix-abstract:chenu", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("dns://8.8.8.8/localhost:8443", False),
        ("128.0.0.1:1", False),
        ("[::2]:1", False),
        ("localhost.example", False),
        ("127.0.0.1.example:1", False),
        ("", False),
    ],
)
def test_loopback_is_known_in_every_form_of_a_target(target: str, stays: bool) -> None:
    """A form that is not known goes over TLS, and through a proxy."""
    assert stays == is_loopback(target)
