"""Bad input: attack strings are data, broken bytes are refused, and nothing is INTERNAL."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.message import Message

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.architecture import contract
from tests.harness import SYSTEM_ROLES, Client, Failure, Stage, failure_of
from tests.security.attacks import ATTACKS
from tests.security.fields import Place, extremes, is_choice, is_number, is_string, is_text, places
from tests.service.cases import ENDLESS, EVERY_RPC, ROLE_CASES, valid_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTED = {(promise.status, reason) for reason, promise in contract.promises().items()}
# What gRPC itself answers to more bytes than a message may have.
TRANSPORT = ("RESOURCE_EXHAUSTED", "")
REQUEST_BYTES_MAX = 262_144
MESSAGE_BYTES_MAX = 22_020_096
SEED = 20_261_121

in_every_text = pytest.mark.parametrize("place", places(is_text), ids=lambda it: it.name)
in_every_rpc = pytest.mark.parametrize("name", EVERY_RPC, ids=lambda it: it.rpartition("/")[2])


def caller_of(stage: Stage, rpc: str) -> Client:
    """Someone who may call an rpc: what is refused is the input."""
    if ROLE_CASES[rpc].system_only:
        return stage.client("system", roles=SYSTEM_ROLES)
    return stage.person()


def assert_listed(failure: Failure | None) -> None:
    """A call is served, or refused with a reason that the contract lists, and never as a bug."""
    if failure is None:
        return
    assert (failure.code.name, failure.reason) in LISTED
    assert "INTERNAL" != failure.reason
    assert failure.details_bytes <= 4_096


async def send(client: Client, name: str, request: Message) -> Failure | None:
    """How a request is answered."""
    return await client.outcome(client.rpc(name), request)


async def send_bytes(client: Client, name: str, content: bytes) -> Failure | None:
    """How bytes are answered that may be no message."""
    streaming = _descriptor(name).server_streaming
    make: Any = client.channel.unary_stream if streaming else client.channel.unary_unary
    call = make(name)(content, metadata=client.metadata, timeout=20)
    try:
        if streaming:
            async for _ in call:
                if name == ENDLESS:
                    call.cancel()
                    return None
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    return None


def _descriptor(name: str) -> descriptor_pb2.MethodDescriptorProto:
    service, _, method = name[1:].partition("/")
    described = descriptor_pb2.MethodDescriptorProto()
    contract.services()[service].methods_by_name[method].CopyToProto(described)
    return described


# --- text -------------------------------------------------------------------------------------


@in_every_text
async def test_an_attack_in_any_text_is_data_or_a_listed_refusal(
    shared: Stage, place: Place
) -> None:
    """Every string that an attacker types, in every field that takes one."""
    client = caller_of(shared, place.rpc)

    outcomes = await asyncio.gather(
        *(send(client, place.rpc, place.request(attack)) for attack in ATTACKS)
    )

    for outcome in outcomes:
        assert_listed(outcome)


def is_file(place: Place) -> bool:
    """Whether it is the data of an image or a document, of which a request may have 20 MiB."""
    return place.name.endswith((".image.data", ".document.data"))


@in_every_text
@pytest.mark.parametrize("length", [257, 50_001, REQUEST_BYTES_MAX])
async def test_a_huge_text_is_data_or_a_listed_refusal(
    shared: Stage, place: Place, length: int
) -> None:
    """Long, longer, and too long for any request."""
    client = caller_of(shared, place.rpc)

    failure = await send(client, place.rpc, place.request("x" * length))

    assert_listed(failure)
    if length == REQUEST_BYTES_MAX:
        # So long a file is none of a request's text; these bytes are no file.
        reason = "INVALID_FIELD" if is_file(place) else "REQUEST_TOO_LARGE"
        assert failure is not None and reason == failure.reason


@pytest.mark.parametrize(
    "place", [each for each in places(is_string) if len(each.path) == 1], ids=lambda it: it.name
)
async def test_text_that_is_no_text_is_refused(shared: Stage, place: Place) -> None:
    """A lone surrogate, an overlong NUL, a cut sign: not UTF-8, so no message."""
    client = caller_of(shared, place.rpc)
    request = place.request("")
    field = request.DESCRIPTOR.fields_by_name[place.path[0]]

    for content in (b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82", b"\xff\xfe"):
        wire = bytes([field.number << 3 | 2, len(content)]) + content
        failure = await send_bytes(client, place.rpc, wire)

        assert failure is not None
        assert ("INVALID_FIELD", "request") == (failure.reason, failure.metadata["field"])


# --- numbers and choices ----------------------------------------------------------------------


@pytest.mark.parametrize("place", places(is_choice), ids=lambda it: it.name)
@pytest.mark.parametrize("value", [-1, 99, 2**31 - 1])
async def test_a_value_that_no_enum_has_names_its_field(
    shared: Stage, place: Place, value: int
) -> None:
    """A typo is not silently the default."""
    failure = await send(caller_of(shared, place.rpc), place.rpc, place.request(value))

    assert failure is not None
    assert "INVALID_FIELD" == failure.reason
    assert failure.metadata["field"]


@pytest.mark.parametrize("place", places(is_number), ids=lambda it: it.name)
async def test_the_least_and_the_largest_number_are_data_or_listed(
    shared: Stage, place: Place
) -> None:
    """Nothing overflows, in Python, Rust or SQL."""
    client = caller_of(shared, place.rpc)

    for value in (*extremes(place), -1):
        assert_listed(await send(client, place.rpc, place.request(value)))


# --- bytes ------------------------------------------------------------------------------------


@in_every_rpc
async def test_random_bytes_are_a_message_by_chance_or_refused(shared: Stage, name: str) -> None:
    """Noise is refused as noise."""
    client, noise = caller_of(shared, name), random.Random(f"{SEED}{name}")
    messages = [noise.randbytes(noise.choice([1, 2, 3, 10, 100, 5_000])) for _ in range(40)]

    outcomes = await asyncio.gather(*(send_bytes(client, name, each) for each in messages))

    for outcome in outcomes:
        assert_listed(outcome)


@in_every_rpc
async def test_a_damaged_request_is_data_or_refused(shared: Stage, name: str) -> None:
    """A right request with a byte changed, cut or added."""
    client, noise = caller_of(shared, name), random.Random(f"{SEED}{name}")
    whole = valid_request(name).SerializeToString()

    outcomes = await asyncio.gather(
        *(send_bytes(client, name, damaged(whole, noise)) for _ in range(40))
    )

    for outcome in outcomes:
        assert_listed(outcome)


def damaged(content: bytes, noise: random.Random) -> bytes:
    """The content with one byte changed, all behind it cut, or one put in."""
    changed = bytearray(content or b"\x00")
    at = noise.randrange(len(changed))
    match noise.randrange(3):
        case 0:
            changed[at] = noise.randrange(256)
        case 1:
            del changed[at:]
        case _:
            changed.insert(at, noise.randrange(256))
    return bytes(changed)


@in_every_rpc
async def test_a_request_over_every_limit_is_refused_before_it_is_read(
    shared: Stage, name: str
) -> None:
    """By this server up to the transport's limit, by the transport beyond it."""
    client = caller_of(shared, name)

    large = await send_bytes(client, name, bytes(REQUEST_BYTES_MAX + 1))
    larger = await send_bytes(client, name, bytes(MESSAGE_BYTES_MAX + 1))

    assert large is not None and larger is not None
    assert "REQUEST_TOO_LARGE" == large.reason
    assert TRANSPORT == (larger.code.name, larger.reason)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (b"\x12\x05Hello\xf8\x07\x01", "127"),
        (b"\x12\x05Hello\x4a\x03\xf8\x07\x01", "routing.127"),
        (b"\x12\x05Hello\x32\x03\xf8\x07\x01", "context_items.127"),
        (b"\x12\x05Hello\xba\x01\x06\x0a\x01a\x12\x01b\xf8\x07\x01", "127"),
    ],
)
async def test_a_field_of_a_newer_contract_is_refused_for_new_work(
    shared: Stage, request_: bytes, field: str
) -> None:
    """What a person approves must be all that is there, at any depth."""
    client = shared.client()

    failure = await send_bytes(client, "/chenu.api.pipeline.v1.PipelineService/Query", request_)

    assert failure is not None
    assert ("INVALID_FIELD", field) == (failure.reason, failure.metadata["field"])


# --- headers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        "not-a-jwt",
        "header.payload.invalidsignature",
        "a.b.c.d",
        "..",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.",
        "' OR '1'='1",
        "A" * 7_000,
    ],
    ids=lambda it: it[:20],
)
async def test_a_token_that_is_none_is_refused_without_saying_why(
    shared: Stage, token: str
) -> None:
    """Which check failed is nobody's business."""
    client = shared.with_token(token)

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))

    assert ("TOKEN_INVALID", {}) == (failure.reason, dict(failure.metadata))
    assert token not in failure.message


@pytest.mark.parametrize(
    "attack", [each for each in ATTACKS if each.isascii() and each.isprintable()]
)
async def test_an_attack_as_an_identity_is_a_violation(shared: Stage, attack: str) -> None:
    """A header is input too; gRPC itself sends none that is not printable ASCII."""
    token = shared.token({"acme": [ROLE_CASES[EVERY_RPC[0]].role]})
    client = shared.with_token(token, ("x-chenu-identity", attack))

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))

    assert "IDENTITY_BOUNDARY_VIOLATION" == failure.reason
