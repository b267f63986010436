"""Content in pages: however it is cut, the pieces are the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.errors import InvalidField
from chenu_server.governance.checkpoints.model import START, Bound, Piece, Place
from chenu_server.governance.checkpoints.pieces import page_from
from chenu_server.vocabulary import ContentKind

things = st.lists(
    st.builds(
        Bound,
        kind=st.sampled_from(ContentKind),
        id=st.text(max_size=3),
        media_type=st.just("text/plain"),
        data=st.binary(max_size=20),
    ),
    max_size=6,
)


def pages(content: list[Bound], bytes_max: int) -> list[list[Piece]]:
    """Every page of a content, one after the other."""
    found: list[list[Piece]] = []
    place: Place | None = START
    while place is not None:
        pieces, place = page_from(content, place, bytes_max)
        found.append(list(pieces))
    return found


@given(content=things, bytes_max=st.integers(1, 150))
def test_the_pieces_of_all_pages_are_the_whole(content: list[Bound], bytes_max: int) -> None:
    """Byte for byte, each thing's in its order, nothing twice; an empty thing is there too."""
    joined: list[tuple[Bound, bytes]] = []
    for piece in (piece for page in pages(content, bytes_max) for piece in page):
        if piece.offset == 0:
            joined.append((piece.thing, b""))
        thing, before = joined[-1]
        assert (thing, len(before)) == (piece.thing, piece.offset)
        joined[-1] = (thing, before + piece.data)

    assert [(thing, thing.data) for thing in content] == joined


@given(content=things, bytes_max=st.integers(1, 150))
def test_no_page_holds_more_than_was_asked_for_and_none_stands_still(
    content: list[Bound], bytes_max: int
) -> None:
    """All but the last are full, so that nobody reads in circles."""
    sizes = [sum(len(piece.data) for piece in page) for page in pages(content, bytes_max)]

    assert [bytes_max] * (len(sizes) - 1) == sizes[:-1]
    assert sizes[-1] <= bytes_max


@pytest.mark.parametrize("place", [Place(2, 0), Place(0, 3), Place(0, 10**9), Place(10**9, 0)])
def test_a_place_outside_the_content_is_refused(place: Place) -> None:
    """A token is not signed: anything may stand in it."""
    content = [Bound(kind=ContentKind.TEXT, id="", media_type="", data=b"abc")] * 2

    with pytest.raises(InvalidField, match="page_token"):
        page_from(content, place, 10)
