"""Layer 7: reads and decodes requests; what is too large or no message of this type is refused.

Text is data here: NUL, control characters and attack strings are valid UTF-8 and pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from chenu_server.errors import InvalidField, RequestTooLarge
from chenu_server.infra.rpc.context import CALL, current_caller
from chenu_server.infra.rpc.intake import Upload
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.methods import Decode, Method
from chenu_server.infra.rpc.open_streams import address_of
from chenu_server.infra.rpc.repeated import BYTES_OF_FEW

REQUEST_BYTES_MAX: Final = 262_144
MEDIA_REQUEST_BYTES_MAX: Final = 20_971_520
# Of a call that needs no token: the name of a service, of a symbol or of a file.
OPEN_BYTES_MAX: Final = 4_096
# More of them are not told apart: each becomes an object, and three bytes can be one.
_UNKNOWN_BYTES_MAX: Final = 16_384

Read = Callable[[bytes], Message]

_UNKNOWN: Final = "this server does not know this field"


class PayloadValidation:
    """Turns the bytes of a request into its message.

    New work is refused if it holds fields that this server does not know: its content is what a
    retry is compared by and what a person approves, so all of it must be understood.
    """

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Read and decode before `proceed`, or while it reads a stream of requests."""
        if method.decode is None:
            return proceed
        check_size = _size_check(method)
        is_open = method.access is None
        owner_of = _address if is_open else _identity
        decode = _decoder(method.decode, method)

        async def checked(upload: Upload, context: Context) -> Any:
            try:
                request = await upload.receive(owner_of(context), is_open=is_open)
                check_size(request)
                if upload.held_bytes or len(request) > REQUEST_BYTES_MAX:
                    _hold(upload, len(request))
                message = decode(request)
                # The bytes would else stay beside the message that was made of them, for as long as
                # the call.
                del request
                return await proceed(message, context)
            finally:
                if upload.held_bytes:
                    upload.release()

        async def checked_stream(requests: Any, context: Context) -> Any:
            return await proceed(_each(check_size, decode, requests), context)

        return checked_stream if method.request_streaming else checked


def _identity(_context: Context) -> str:
    return current_caller().identity_id


def _address(context: Context) -> str:
    return address_of(context.peer())


def _is_strict(method: Method) -> bool:
    return method.access is not None and method.access.new_work


def _hold(upload: Upload, bytes_: int) -> None:
    if bytes_ <= REQUEST_BYTES_MAX:
        # It was slow and took the place of a large one; now that it is here and small it counts for
        # nothing.
        upload.release()
    else:
        upload.hold(bytes_)
        CALL.get().keep_body = upload.keep


def _size_check(method: Method) -> Callable[[bytes], None]:
    media = method.media
    least = REQUEST_BYTES_MAX if method.access is not None else OPEN_BYTES_MAX

    def check(request: bytes) -> None:
        if len(request) <= least:
            return
        # Files alone may make a request large: what else is in it has the limit of all others.
        if media is None or media.rest_bytes(request, least) > least:
            raise RequestTooLarge(least)
        if len(request) > MEDIA_REQUEST_BYTES_MAX:
            raise RequestTooLarge(MEDIA_REQUEST_BYTES_MAX)

    return check


def _decoder(decode: Decode, method: Method) -> Read:
    name, lists, strict = method.request_name, method.lists, _is_strict(method)

    def read(request: bytes) -> Message:
        try:
            message = decode(request)
        except DecodeError as error:
            raise InvalidField("request", f"these bytes are no {name}, or hold no UTF-8") from error
        if len(request) > BYTES_OF_FEW and lists is not None:
            lists.refuse_many(message)
        if not strict:
            return message
        if len(request) > REQUEST_BYTES_MAX:
            _refuse_unknown(message)
        elif _dropped_unknown(message):
            _refuse_unknown(decode(request))  # anew: what was unknown is no longer in it
        return message

    return read


async def _each(
    check_size: Callable[[bytes], None], decode: Read, requests: AsyncIterator[bytes]
) -> AsyncIterator[Message]:
    async for request in requests:
        check_size(request)
        yield decode(request)


def _dropped_unknown(message: Message) -> bool:
    """Whether it had fields of a newer contract, however deep; it has none of them any more."""
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return message.ByteSize() != size


def _refuse_unknown(message: Message) -> None:
    """Refuse fields of a newer contract. The message is not copied for it if it is large.

    Raises:
        InvalidField: There is one; the error names where.
    """
    field = _unknown_in(message, "")
    if field:
        raise InvalidField(field, _UNKNOWN)


def _unknown_bytes(message: Message) -> int:
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return message.ByteSize() - known.ByteSize()


def _unknown_in(message: Message, path: str) -> str:
    is_copied = _UNKNOWN_BYTES_MAX < message.ByteSize() <= REQUEST_BYTES_MAX
    if is_copied and _unknown_bytes(message) > _UNKNOWN_BYTES_MAX:
        return path.removesuffix(".") or "request"
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
