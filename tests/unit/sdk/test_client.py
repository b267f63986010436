"""What every call carries, and where it may go."""

from __future__ import annotations

import uuid

import grpc
import pytest

from chenu import errors
from chenu.aio import Client
from chenu.aio.patience import CUT
from chenu.aio.target import is_loopback
from chenu.api.pipeline.v1 import message_pb2, pipeline_service_pb2
from tests.unit.sdk.gateway import Gateway, status, unexplained

ANSWER = pipeline_service_pb2.QueryResponse(answer=message_pb2.Answer(text="hello"))


async def test_every_call_carries_the_token_and_the_identity(
    client: Client, gateway: Gateway
) -> None:
    """Who calls is in the headers and nowhere else."""
    gateway.answer = lambda _: ANSWER
    await client.pipeline.query("hello")

    assert "Bearer a-token" == gateway.headers[0]["authorization"]
    assert "acme" == gateway.headers[0]["x-chenu-identity"]


async def test_a_token_that_changes_is_asked_for_at_each_call(
    target: str, gateway: Gateway
) -> None:
    """Tokens end; a long-lived client must not."""
    tokens = iter(["first", "second"])
    gateway.answer = lambda _: ANSWER
    async with Client(target, token=lambda: next(tokens)) as client:
        await client.pipeline.query("hello")
        await client.pipeline.query("hello")

    assert ["Bearer first", "Bearer second"] == [
        headers["authorization"] for headers in gateway.headers
    ]


async def test_a_query_without_an_id_is_given_one(client: Client, gateway: Gateway) -> None:
    """A retry is the same query only if its id was made before the first try."""
    gateway.answer = lambda _: ANSWER
    request = pipeline_service_pb2.QueryRequest(text="hello")
    await client.pipeline.query(request)

    asked = gateway.asked[0]
    assert isinstance(asked, pipeline_service_pb2.QueryRequest)
    assert 7 == uuid.UUID(asked.request_id).version
    assert "" == request.request_id


async def test_an_idempotent_call_is_repeated_when_the_gateway_is_unavailable(
    client: Client, gateway: Gateway
) -> None:
    """The contract says which calls are safe to repeat, and the same id makes them one query."""
    answers = iter([status(grpc.StatusCode.UNAVAILABLE, "GOVERNANCE_UNAVAILABLE"), ANSWER])
    gateway.answer = lambda _: next(answers)
    response = await client.pipeline.query("hello")

    assert "hello" == response.answer.text
    assert gateway.asked[0] == gateway.asked[1]


async def test_a_read_is_repeated_when_the_gateway_is_away(
    client: Client, gateway: Gateway
) -> None:
    """What has no effect is safe to ask again, and a restart is short."""
    gateway.unavailable = 2
    await client.pipeline.get("q-1")

    assert 3 == len(gateway.asked)


@pytest.mark.parametrize("code", sorted(CUT, key=str))
async def test_a_query_whose_connection_breaks_is_asked_again_under_its_id(
    client: Client, gateway: Gateway, code: grpc.StatusCode
) -> None:
    """Whatever the transport calls the break: the answer may be there, and is paid for."""
    cut = unexplained(code)
    answers = iter([cut, cut, ANSWER])
    gateway.answer = lambda _: next(answers)
    response = await client.pipeline.query("hello")

    assert "hello" == response.answer.text
    assert 3 == len(gateway.asked)
    assert 1 == len({asked.SerializeToString() for asked in gateway.asked})


async def test_an_outcome_is_not_asked_for_again(client: Client, gateway: Gateway) -> None:
    """UNAVAILABLE is its status, and its reason says that it stays so."""
    gateway.answer = lambda _: status(grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE")

    with pytest.raises(errors.ProviderFailed):
        await client.pipeline.query("hello")
    assert 1 == len(gateway.asked)


async def test_a_refusal_is_not_repeated(client: Client, gateway: Gateway) -> None:
    """Asking again would only break the limit again."""
    gateway.answer = lambda _: status(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")

    with pytest.raises(errors.RateRefused):
        await client.pipeline.query("hello")
    assert 1 == len(gateway.asked)


async def test_a_list_reads_every_page(client: Client) -> None:
    """Callers see one list; how it is cut is the wire's business."""
    assert ["first", "second"] == [query.request_id async for query in client.pipeline.list()]


@pytest.mark.parametrize(
    ("target", "stays"),
    [
        ("127.0.0.1:8443", True),
        ("127.9.9.9:1", True),
        ("localhost:8443", True),
        ("[::1]:8443", True),
        ("unix:/run/chenu.sock", True),
        ("dns:///localhost:8443", True),
        ("gateway.example:443", False),
        ("10.0.0.7:8443", False),
        ("localhost.evil.example:443", False),
        ("dns:///gateway.example:443", False),
    ],
)
def test_only_what_stays_on_this_machine_goes_without_tls(target: str, stays: bool) -> None:
    """A token in clear on a network is a token for everybody."""
    assert stays == is_loopback(target)


async def test_another_machine_is_never_called_in_clear_by_itself(
    target: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS against a server that has none must fail, not fall back."""
    gateway.answer = lambda _: ANSWER
    monkeypatch.setattr("chenu.aio.channel.is_loopback", lambda _: False)
    async with Client(target, token="a-token") as client:
        with pytest.raises(errors.ConnectionLost):
            await client.pipeline.query("hello", timeout_s=5)

    assert [] == gateway.asked
