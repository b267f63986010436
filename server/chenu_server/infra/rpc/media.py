"""Which requests may hold media, and how many bytes of one are none.

Read from the descriptors, so that a medium that the contract adds to its parts is known here by its
name. The bytes are counted before they are decoded: two of them can become a message of a hundred
in memory, and what is no media is bounded much lower than what is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor

from chenu_server.errors import InvalidField

PART: Final = "chenu.api.pipeline.v1.Part"
KINDS: Final = frozenset({"image", "document"})
DATA: Final = "data"
# On the way to media, of a conversation that is as long as it may be: three thousand.
FIELDS_MAX: Final = 5_000

_VARINT, _LENGTH = 0, 2
_FIXED: Final = {1: 8, 5: 4}
# 64 bits, of which each byte carries seven.
_VARINT_BYTES_MAX: Final = 10


class Media:
    """Where a message holds media: the fields that lead to them, and for their bytes None.

    Empty for a part, as long as the contract gives parts no media.
    """

    __slots__ = ("_inside",)

    def __init__(self, inside: Mapping[int, Media | None]) -> None:
        self._inside = inside

    def rest_bytes(self, message: bytes, at_most: int) -> int:
        """
        How many bytes of a message are no media; if more than `at_most`, any number above it.

        What is no message counts as no media.

        Raises:
            InvalidField: It has more than `FIELDS_MAX` fields on the way to its media.
        """
        return self._rest(message, 0, len(message), at_most, iter(range(FIELDS_MAX)))

    def _rest(self, message: bytes, at: int, end: int, at_most: int, turns: Iterator[int]) -> int:
        rest = 0
        while at < end and rest <= at_most:
            begin = at
            # Counted through all levels alike: what is bounded is the whole walk.
            if next(turns, None) is None:
                raise InvalidField("request", "has more fields than any request may")
            try:
                number, at, behind = _field(message, at)
            except IndexError:
                # What is no field counts, with all behind it, as what is no medium.
                behind = end + 1
            if behind > end:
                return rest + end - begin
            rest += at - begin
            inner = self._inside.get(number, _ORDINARY)
            if inner is not None:
                if inner._inside:
                    rest += inner._rest(message, at, behind, at_most - rest, turns)
                else:
                    rest += behind - at
            at = behind
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
        # A message may hold its own kind, and the walk must end.
        if field.message_type is not None and field.message_type.full_name not in around:
            found = media_in(field.message_type, around)
            if found is not None:
                inside[field.number] = found
    return Media(inside) if inside else None


def _data_of(medium: Descriptor) -> Media:
    return Media({medium.fields_by_name[DATA].number: None})


def _field(message: bytes, at: int) -> tuple[int, int, int]:
    """
    Number of the field at `at`, where its content begins, and where that ends.

    Raises:
        IndexError: There is no field.
    """
    tag, at = _varint(message, at)
    number, kind = tag >> 3, tag & 7
    # No field has this number, and protobuf takes no message that says so.
    if not number:
        raise IndexError(tag)
    if kind == _LENGTH:
        length, at = _varint(message, at)
        return number, at, at + length
    if kind == _VARINT:
        at = _varint(message, at)[1]
        return number, at, at
    if kind in _FIXED:
        at += _FIXED[kind]
        return number, at, at
    raise IndexError(kind)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = message[at]
    # Nearly every tag and length has one byte, and this is asked for each field of a large request.
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for index in range(1, _VARINT_BYTES_MAX):
        byte = message[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise IndexError(at)
