"""grpc.reflection: what is served here, for tools without the .proto files; v1 and v1alpha.

The two versions are one protocol under two names, equal byte for byte, so one answer serves both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as pb  # type: ignore[import-untyped]  # no stubs

from chenu.api.errors.v1 import error_reason_pb2
from chenu_server.infra.rpc.methods import Registrar

_POOL: Final = descriptor_pool.Default()
# No field of the contract has this type, and refusals name its values: tools ask for it by name.
_REASONS: Final = error_reason_pb2.DESCRIPTOR


def _under_its_later_name(v1alpha: FileDescriptor) -> FileDescriptor:
    """The file of v1, which no package ships for Python; made from the one that is equal to it."""
    file = FileDescriptorProto()
    v1alpha.CopyToProto(file)
    file.ClearField("options")  # names of packages in other languages, and that it is deprecated
    text = text_format.MessageToString(file)
    text = text.replace("v1alpha", "v1").replace("grpc_reflection/", "grpc/reflection/")
    made = text_format.Parse(text, FileDescriptorProto())
    _POOL.AddSerializedFile(made.SerializeToString())
    return _POOL.FindFileByName(made.name)


REFLECTION: Final[tuple[ServiceDescriptor, ...]] = tuple(
    file.services_by_name["ServerReflection"]
    for file in (_under_its_later_name(pb.DESCRIPTOR), pb.DESCRIPTOR)
)


class Reflection:
    """Answers from the descriptors that this process has loaded."""

    def __init__(self, services: Iterable[str]) -> None:
        """`services` are the full names that are listed."""
        self._services = sorted(services)
        self._fill: dict[str | None, Callable[[Any, Any], None]] = {
            "file_by_filename": self._file,
            "file_containing_symbol": self._file_of_symbol,
            "file_containing_extension": self._file_of_extension,
            "all_extension_numbers_of_type": self._extension_numbers,
            "list_services": self._list,
        }

    def add_to(self, server: Registrar) -> None:
        """Serve it under both names."""
        rpc = grpc.stream_stream_rpc_method_handler(
            self._answers,
            request_deserializer=pb.ServerReflectionRequest.FromString,
            response_serializer=pb.ServerReflectionResponse.SerializeToString,
        )
        for service in REFLECTION:
            server.add_registered_method_handlers(service.full_name, {"ServerReflectionInfo": rpc})

    async def _answers(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._answer(request)

    def _answer(self, request: Any) -> Any:
        # The protocol gives each answer its own question, for they all come on one stream.
        answer = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
        asked = request.WhichOneof("message_request")
        fill = self._fill.get(asked)
        if fill is None:
            _refuse(answer, grpc.StatusCode.INVALID_ARGUMENT, "the request asks nothing")
            return answer
        try:
            fill(getattr(request, asked), answer)
        except KeyError:
            _refuse(answer, grpc.StatusCode.NOT_FOUND, "this server knows no such thing")
        return answer

    def _file(self, name: str, answer: Any) -> None:
        _put(_POOL.FindFileByName(name), answer)

    def _file_of_symbol(self, name: str, answer: Any) -> None:
        _put(_file_with(name), answer)

    def _file_of_extension(self, asked: Any, answer: Any) -> None:
        message = _POOL.FindMessageTypeByName(asked.containing_type)
        extension = _POOL.FindExtensionByNumber(message, asked.extension_number)
        _put(_POOL.FindFileContainingSymbol(extension.full_name), answer)

    def _extension_numbers(self, name: str, answer: Any) -> None:
        message = _POOL.FindMessageTypeByName(name)
        found = answer.all_extension_numbers_response
        found.base_type_name = message.full_name
        found.extension_number.extend(sorted(it.number for it in _POOL.FindAllExtensions(message)))

    def _list(self, _asked: str, answer: Any) -> None:
        listed = answer.list_services_response.service
        listed.extend(pb.ServiceResponse(name=name) for name in self._services)


def _file_with(name: str) -> FileDescriptor:
    """The file that declares a symbol. The pool's own look-up passes over methods and oneofs.

    Raises:
        KeyError: No file that is loaded does.
    """
    try:
        return _POOL.FindFileContainingSymbol(name)
    except KeyError:
        pass
    try:
        return _POOL.FindMethodByName(name).containing_service.file
    except KeyError:
        return _POOL.FindOneofByName(name).containing_type.file


def _put(file: FileDescriptor, answer: Any) -> None:
    """The file and all that it imports, the imported ones last."""
    files = answer.file_descriptor_response.file_descriptor_proto
    # All at once, or a client would ask for each of them anew.
    files.extend(each.serialized_pb for each in _with_imports(file, set()))


def _with_imports(file: FileDescriptor, seen: set[str]) -> Iterator[FileDescriptor]:
    # Files import one another by many ways, and each is sent once.
    if file.name not in seen:
        seen.add(file.name)
        yield file
        for imported in file.dependencies:
            yield from _with_imports(imported, seen)


def _refuse(answer: Any, code: grpc.StatusCode, message: str) -> None:
    answer.error_response.error_code = code.value[0]
    answer.error_response.error_message = message
