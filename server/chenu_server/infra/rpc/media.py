"""Which requests may hold media, and how many bytes of one are none.

Read from the descriptors, so that a medium that the contract adds to its parts is known here by its
name. The bytes are counted before they are decoded: two of them can become a message of a hundred
in memory, and what is no media is bounded much lower than what is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor

PART: Final = "chenu.api.pipeline.v1.Part"
KINDS: Final = frozenset({"image", "document"})
DATA: Final = "data"
# Fields beside those of media, of a conversation that is as long as it may be: a few thousand.
FIELDS_MAX: Final = 10_000

_VARINT, _LENGTH = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_VARINT_BYTES_MAX: Final = 10
_NO_FIELD: Final = 0


class Media:
    """Where a message holds media: the fields that lead to them, and for their bytes None.

    Empty for a part, as long as the contract gives parts no media.
    """

    __slots__ = ("_inside",)

    def __init__(self, inside: Mapping[int, Media | None]) -> None:
        self._inside = inside

    def rest_bytes(self, message: bytes, at_most: int) -> int:
        """How many bytes of a message are no media; if more than `at_most`, any number above it.

        What is no message counts as no media, and so does all that stands behind `FIELDS_MAX`
        fields: the work is bounded, whatever comes.
        """
        return self._rest(memoryview(message), at_most, iter(range(FIELDS_MAX)))

    def _rest(self, message: memoryview, at_most: int, turns: Iterator[int]) -> int:
        if not self._inside:
            return len(message)
        rest = 0
        for number, own_bytes, content in _fields(message, turns):
            rest += own_bytes
            inner = self._inside.get(number, _ORDINARY)
            if inner is not None:
                rest += inner._rest(content, at_most - rest, turns)
            if rest > at_most:
                break
        return rest


_ORDINARY: Final = Media({})


def media_in(message: Descriptor, above: frozenset[str] = frozenset()) -> Media | None:
    """Where a request may hold media; None if it has no parts. `above` are those it stands in."""
    if message.full_name == PART:
        media = {
            field.number: _data_of(field.message_type)
            for field in message.fields
            if field.name in KINDS and field.message_type is not None
        }
        return Media(media)
    around = above | {message.full_name}
    inside: dict[int, Media | None] = {}
    for field in message.fields:
        if field.message_type is not None and field.message_type.full_name not in around:
            found = media_in(field.message_type, around)
            if found is not None:
                inside[field.number] = found
    return Media(inside) if inside else None


def _data_of(medium: Descriptor) -> Media:
    return Media({medium.fields_by_name[DATA].number: None})


def _fields(message: memoryview, turns: Iterator[int]) -> Iterator[tuple[int, int, memoryview]]:
    """Number, bytes beside the content, and content of each field; of the rest, once it is none.

    Each field takes a turn. Without one the rest is not looked at.
    """
    at = 0
    while at < len(message):
        begin = at
        try:
            next(turns)
            number, at, length = _head(message, at)
            message[at + length - 1]
        except (IndexError, StopIteration):
            yield _NO_FIELD, len(message) - begin, message[:0]
            return
        yield number, at - begin, message[at : at + length]
        at += length


def _head(message: memoryview, at: int) -> tuple[int, int, int]:
    """
    Number of the field at `at`, where its content begins, and how long that is.

    Raises:
        IndexError: There is no field.
    """
    tag, at = _varint(message, at)
    number, kind = tag >> 3, tag & 7
    if kind == _LENGTH:
        length, at = _varint(message, at)
        return number, at, length
    if kind == _VARINT:
        return number, _varint(message, at)[1], 0
    if kind in _FIXED:
        return number, at + _FIXED[kind], 0
    raise IndexError(kind)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        byte = message[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise IndexError(at)
