"""Layer 7: decodes requests; what is too large or no message of this type is refused.

Text is data here: NUL, control characters and attack strings are valid UTF-8 and pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from chenu_server.errors import InvalidField, RequestTooLarge
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Decode, Method

REQUEST_BYTES_MAX: Final = 262_144

Read = Callable[[bytes], Message]


class PayloadValidation:
    """Turns the bytes of a request into its message.

    New work is refused if it holds fields that this server does not know: its content is what a
    retry is compared by and what a person approves, so all of it must be understood.
    """

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Decode before `proceed`, or while it reads a stream of requests."""
        if method.decode is None:
            return proceed
        strict = method.access is not None and method.access.new_work
        read = _reader(method.decode, method.request_name, strict=strict)

        async def checked(request: Any, context: Context) -> Any:
            return await proceed(read(request), context)

        async def checked_stream(requests: Any, context: Context) -> Any:
            return await proceed(_each(read, requests), context)

        return checked_stream if method.request_streaming else checked


def _reader(decode: Decode, name: str, *, strict: bool) -> Read:
    def read(request: bytes) -> Message:
        if len(request) > REQUEST_BYTES_MAX:
            raise RequestTooLarge(REQUEST_BYTES_MAX)
        try:
            message = decode(request)
        except DecodeError as error:
            raise InvalidField("request", f"these bytes are no {name}, or hold no UTF-8") from error
        if strict:
            refuse_unknown(message)
        return message

    return read


async def _each(read: Read, requests: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    async for request in requests:
        yield read(request)


def refuse_unknown(message: Message) -> None:
    """Refuse fields of a newer contract, however deep.

    Raises:
        InvalidField: There is one; the error names where.
    """
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if known.ByteSize() != message.ByteSize():
        raise InvalidField(_unknown_in(message, ""), "this server does not know this field")


def _unknown_in(message: Message, path: str) -> str:
    unknown: Any = UnknownFieldSet(message)  # the stub knows neither its length nor its items
    if len(unknown):
        return f"{path}{unknown[0].field_number}"
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue  # a map's texts; what else its entries held is dropped where they are read
        for inner in value if field.is_repeated else [value]:
            found = _unknown_in(inner, f"{path}{field.name}.")
            if found:
                return found
    return ""
