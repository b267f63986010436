"""Reflection in both versions: tools see every service and every method, with the server alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tests.architecture import contract
from tests.harness import Stage

VERSIONS: Final = ("v1", "v1alpha")
OWN: Final = {
    "grpc.health.v1.Health",
    *(f"grpc.reflection.{it}.ServerReflection" for it in VERSIONS),
}
SERVED: Final = sorted({*contract.services(), *OWN})

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("version", VERSIONS),
]


def kind(version: str, name: str) -> Any:
    """A message of the protocol, by its name in this version."""
    full_name = f"grpc.reflection.{version}.{name}"
    descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    return message_factory.GetMessageClass(descriptor)


async def asked(stage: Stage, version: str, *questions: dict[str, Any]) -> Sequence[Any]:
    """The answers to these questions on one stream, without a token."""
    request, response = (kind(version, f"ServerReflection{it}") for it in ("Request", "Response"))
    rpc: Any = stage.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request.SerializeToString,
        response.FromString,
    )
    call = rpc(iter([request(**question) for question in questions]), timeout=20)
    return [answer async for answer in call]


def files_in(answer: Any) -> dict[str, FileDescriptorProto]:
    """The files of an answer by name."""
    serialized = answer.file_descriptor_response.file_descriptor_proto
    files = map(FileDescriptorProto.FromString, serialized)
    return {file.name: file for file in files}


async def test_every_service_is_listed(shared: Stage, version: str) -> None:
    """Health and reflection too, in both versions: a tool may describe them."""
    (answer,) = await asked(shared, version, {"list_services": ""})

    assert SERVED == [service.name for service in answer.list_services_response.service]


async def test_every_service_is_described_with_all_that_it_needs(
    shared: Stage, version: str
) -> None:
    """A tool builds the types from the answer alone: no import may be missing."""
    questions = [{"file_containing_symbol": name} for name in SERVED]
    answers = await asked(shared, version, *questions)

    for name, answer in zip(SERVED, answers, strict=True):
        files = files_in(answer)
        declared = {f"{it.package}.{s.name}" for it in files.values() for s in it.service}
        imported = {path for file in files.values() for path in file.dependency}
        assert name in declared
        assert set() == imported - files.keys()


async def test_every_method_is_found_by_its_name(shared: Stage, version: str) -> None:
    """`grpcurl describe package.Service.Method` asks so; the library's own table has none."""
    names = [
        f"{service.full_name}.{method.name}"
        for service in contract.services().values()
        for method in service.methods
    ]
    answers = await asked(shared, version, *({"file_containing_symbol": it} for it in names))

    assert names == [answer.original_request.file_containing_symbol for answer in answers]
    for name, answer in zip(names, answers, strict=True):
        assert name in {
            f"{file.package}.{service.name}.{method.name}"
            for file in files_in(answer).values()
            for service in file.service
            for method in service.method
        }


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("chenu.api.pipeline.v1.QueryRequest", "chenu/api/pipeline/v1/pipeline_service.proto"),
        ("chenu.api.pipeline.v1.QueryRequest.text", "chenu/api/pipeline/v1/pipeline_service.proto"),
        ("chenu.api.pipeline.v1.Event.body", "chenu/api/pipeline/v1/event.proto"),
        ("chenu.api.governance.v1.INTENT_SEND", "chenu/api/governance/v1/action.proto"),
        ("chenu.api.annotations.v1.access", "chenu/api/annotations/v1/access.proto"),
        # What a refusal's details are made of, which no message of the contract imports.
        ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
        ("chenu.api.errors.v1.ErrorReason", "chenu/api/errors/v1/error_reason.proto"),
    ],
)
async def test_a_symbol_of_any_kind_names_its_file_first(
    shared: Stage, version: str, symbol: str, file: str
) -> None:
    """Messages, fields, oneofs, enum values, extensions, and the types of the details."""
    (answer,) = await asked(shared, version, {"file_containing_symbol": symbol})

    assert file == next(iter(files_in(answer)))


async def test_a_file_is_found_by_its_name(shared: Stage, version: str) -> None:
    """Tools ask so for the imports that they lack."""
    name = "chenu/api/errors/v1/error_reason.proto"
    (answer,) = await asked(shared, version, {"host": "here", "file_by_filename": name})

    assert [name] == list(files_in(answer))
    assert "here" == answer.valid_host


async def test_extensions_are_found_by_number(shared: Stage, version: str) -> None:
    """The option `access` says who may call an rpc; a tool shows it if it can find it."""
    options = "google.protobuf.MethodOptions"
    (numbers,) = await asked(shared, version, {"all_extension_numbers_of_type": options})
    found = numbers.all_extension_numbers_response
    questions = [
        {"file_containing_extension": {"containing_type": options, "extension_number": number}}
        for number in found.extension_number
    ]
    answers = await asked(shared, version, *questions)

    assert options == found.base_type_name
    assert "chenu/api/annotations/v1/access.proto" in {next(iter(files_in(it))) for it in answers}


@pytest.mark.parametrize(
    "question",
    [
        {"file_by_filename": "chenu/no.proto"},
        {"file_containing_symbol": "chenu.api.pipeline.v1.PipelineService.No"},
        {"file_containing_symbol": "chenu.api.pipeline.v1.No"},
        {"file_containing_symbol": ""},
        {"file_containing_symbol": "\x00"},
        {"file_containing_extension": {"containing_type": "no", "extension_number": 1}},
        {
            "file_containing_extension": {
                "containing_type": "google.protobuf.MethodOptions",
                "extension_number": 1,
            }
        },
        {"all_extension_numbers_of_type": "no"},
    ],
)
async def test_what_is_not_there_is_an_answer_and_not_the_streams_end(
    shared: Stage, version: str, question: dict[str, Any]
) -> None:
    """NOT_FOUND stands in the answer, and the next question on the stream is answered."""
    missing, listed = await asked(shared, version, question, {"list_services": ""})

    assert grpc.StatusCode.NOT_FOUND.value[0] == missing.error_response.error_code
    assert kind(version, "ServerReflectionRequest")(**question) == missing.original_request
    assert SERVED == [service.name for service in listed.list_services_response.service]


async def test_a_question_that_asks_nothing_is_invalid(shared: Stage, version: str) -> None:
    """A newer kind of question, say: an old server must answer it."""
    (answer,) = await asked(shared, version, {"host": "here"})

    assert grpc.StatusCode.INVALID_ARGUMENT.value[0] == answer.error_response.error_code
