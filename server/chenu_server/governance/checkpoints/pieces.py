"""What an approval binds, cut into pages of bytes. Pure; a page may end inside a character."""

from __future__ import annotations

from collections.abc import Sequence

from chenu_server.errors import InvalidField
from chenu_server.governance.checkpoints.model import START, Bound, Piece, Place


def page_from(
    things: Sequence[Bound], start: Place, bytes_max: int
) -> tuple[Sequence[Piece], Place | None]:
    """At most `bytes_max` bytes from a place on, and where the next page begins.

    Raises:
        InvalidField: The place is not one of these things'.
    """
    if start != START and not _is_in(things, start):
        raise InvalidField("page_token", "names no place in this content")
    pieces: list[Piece] = []
    index, offset, room = start.thing, start.offset, bytes_max
    while index < len(things):
        thing = things[index]
        size = min(thing.size - offset, room)
        # The page is full; a thing without any bytes still has its place on it.
        if not size and offset < thing.size:
            return pieces, Place(index, offset)
        pieces.append(Piece(thing, offset, size, thing.data[offset : offset + size]))
        room -= size
        offset += size
        if offset < thing.size:
            return pieces, Place(index, offset)
        index, offset = index + 1, 0
    return pieces, None


def _is_in(things: Sequence[Bound], place: Place) -> bool:
    """Whether a page can begin there: not at the end of a thing, which the page before has told."""
    if place.thing >= len(things):
        return False
    return place.offset == 0 or place.offset < things[place.thing].size
