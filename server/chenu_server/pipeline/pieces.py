"""Pieces of output: as a log holds them, and as one process tells them to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeGuard

from chenu_server.pipeline.events import Event
from chenu_server.pipeline.output import Heading
from chenu_server.values import dataclass

DELTA_BYTES_MAX: Final = 65_536

PartKey = tuple[int, int]  # attempt and part


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a part of an attempt's output, of at most `DELTA_BYTES_MAX` bytes.

    Its offset and end are bytes of the part.
    """

    attempt: int
    part: int
    offset: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Saying:
    """A piece of output as one process tells it to another, with what its part is."""

    attempt: int
    part: int
    offset: int
    text: str
    heading: Heading


def is_same_part(item: Event | Piece, other: Piece) -> TypeGuard[Piece]:
    """Whether an item goes on with another's part."""
    if not isinstance(item, Piece):
        return False
    return item.part == other.part and item.attempt == other.attempt


def size_of(text: str) -> int:
    """How many bytes of UTF-8 it has."""
    return len(text) if text.isascii() else len(text.encode())


def pieces_of(text: str) -> Iterator[str]:
    """A text that is too long in pieces that fit in a delta, cut between characters."""
    encoded = text.encode()
    start = 0
    while start < len(encoded):
        end = start + DELTA_BYTES_MAX
        while end < len(encoded) and is_inside(encoded[end]):
            end -= 1
        yield encoded[start:end].decode()
        start = end


def is_inside(byte: int) -> bool:
    """Whether a byte of UTF-8 goes on with a character."""
    return byte & 0b1100_0000 == 0b1000_0000
