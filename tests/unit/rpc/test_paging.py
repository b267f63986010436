"""Page tokens belong to their listing, and nothing that stands in one can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu.api.pipeline.v1 import event_pb2
from chenu_server.errors import InvalidField
from chenu_server.infra.rpc.paging import Page, page_of, page_token_of, place_of, shown_of

ABOUT = ("queries", "acme", "running")
texts = st.lists(st.text(max_size=40), min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (200, 200), (201, 200)])
def test_a_page_has_the_size_asked_for_within_bounds(asked: int, size: int) -> None:
    """AIP-158: none is the default, too much is the most."""
    assert Page(size, (), ABOUT) == page_of(asked, "", ABOUT)


def test_a_negative_size_is_refused() -> None:
    """AIP-158."""
    with pytest.raises(InvalidField) as caught:
        page_of(-1, "", ABOUT)

    assert "page_size" == caught.value.field


@given(after=texts, about=texts)
def test_a_token_leads_to_where_its_page_ended(
    after: tuple[str, ...], about: tuple[str, ...]
) -> None:
    """Whatever the sort keys hold."""
    assert after == page_of(0, page_token_of(after, about), about).after


@given(about=texts.filter(lambda it: it != ABOUT))
def test_a_token_of_another_listing_is_refused(about: tuple[str, ...]) -> None:
    """Going on with other filters would skip or repeat."""
    with pytest.raises(InvalidField):
        page_of(0, page_token_of(("1", "a"), about), ABOUT)


@given(token=st.text(min_size=1, max_size=200))
def test_made_up_tokens_are_refused(token: str) -> None:
    """And never an internal error."""
    with pytest.raises(InvalidField):
        page_of(0, token, ABOUT)


@pytest.mark.parametrize("token", ["A" * 1_025, "é", "a", "====", page_token_of((), ABOUT)])
def test_malformed_tokens_are_refused(token: str) -> None:
    """Too long, not ASCII, not base64, nothing inside."""
    with pytest.raises(InvalidField):
        page_of(0, token, ABOUT)


def test_a_place_is_a_number_and_an_id() -> None:
    """The sort key of most listings."""
    assert (12, "q-1") == place_of(Page(50, ("12", "q-1"), ABOUT))
    assert None is place_of(Page(50, (), ABOUT))


@pytest.mark.parametrize(
    "after", [("x", "q"), ("1",), ("-1", "q"), ("²", "q"), ("9" * 19, "q"), ("1", "q", "r")]
)
def test_a_token_whose_place_is_no_place_is_refused(after: tuple[str, ...]) -> None:
    """A token is not signed, so its maker may have put anything into it."""
    with pytest.raises(InvalidField):
        place_of(page_of(0, page_token_of(after, ABOUT), ABOUT))


def event(number: int, size: int = 0) -> event_pb2.Event:
    """A message of a number and some bytes."""
    return event_pb2.Event(sequence=number, request_id="a" * size)


@pytest.mark.parametrize(
    ("sizes", "page_size", "expected"),
    [
        ([], 2, []),
        ([1, 1], 2, [1, 2]),
        ([1, 1, 1], 2, [1, 2]),
        ([1_900_000, 1_900_000, 1_900_000], 3, [1, 2]),
        ([5_000_000, 1], 2, [1]),
        ([1, 5_000_000], 2, [1]),
        ([5_000_000], 2, [1]),
    ],
)
def test_a_page_holds_what_fits_in_a_message_and_leads_to_the_rest(
    sizes: list[int], page_size: int, expected: list[int]
) -> None:
    """One row at least, else a listing would never end; and no token behind the last row."""
    rows = list(enumerate(sizes, 1))
    page = Page(page_size, (), ABOUT)

    shown, token = shown_of(page, rows, lambda row: event(*row), lambda row: (row[0], "a"))

    following = (str(expected[-1]), "a") if len(expected) < len(rows) else ()
    assert expected == [message.sequence for message in shown]
    assert following == page_of(0, token, ABOUT).after
