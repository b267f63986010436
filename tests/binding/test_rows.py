"""Stored rows become the objects that Python would make of them."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server._core import RowReader, Shape, Unread

PLAIN = Shape.plain()
TEXTS = st.text(st.characters(codec="utf-8"))
NUMBERS = st.integers(-(2**63), 2**63 - 1)


class Colour(enum.StrEnum):
    """Two words."""

    RED = "red"
    BLUE = "blue"


COLOURS = Shape.word({each.value: each for each in Colour})
PAIR = Shape.record(lambda colour, number: (colour, number), [COLOURS, PLAIN])


@given(st.lists(st.tuples(TEXTS, NUMBERS)), st.booleans())
def test_json_is_read_as_python_reads_it(said: list[tuple[str, int]], escaped: bool) -> None:
    """Whatever the text, NUL and quotes too, and up to the largest numbers."""
    shape = Shape.many(Shape.many(PLAIN))

    assert tuple(said) == shape.read(json.dumps(said, ensure_ascii=escaped))


def test_a_word_is_the_very_member() -> None:
    """What compares by identity goes on to."""
    assert Colour.RED is COLOURS.read("red")
    assert (Colour.BLUE, 1) == PAIR.read('["blue",1]')
    assert (None, "one") == Shape.many(Shape.number({0: None, 1: "one"})).read("[0,1]")


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (COLOURS, "green"),
        (COLOURS, '"red"'),
        (PAIR, '["green",1]'),
        (PAIR, '["red"]'),
        (PAIR, '["red",1,2]'),
        (PAIR, "7"),
        (PAIR, '"red"'),
        (Shape.many(COLOURS), "[true]"),
        (Shape.many(COLOURS), "[0]"),
        (Shape.number({0: None}), "1"),
        (Shape.many(PLAIN), '["a"] b'),
        (Shape.many(PLAIN), '["a"'),
        (PLAIN, "18446744073709551615"),
        (PLAIN, "[]"),
        (PLAIN, "{}"),
        (PLAIN, "null"),
        (PLAIN, ""),
    ],
)
def test_what_is_not_of_the_shape_is_told(shape: Shape, text: str) -> None:
    """A value of a later release must not pass for another."""
    with pytest.raises(ValueError, match=r"."):
        shape.read(text)


def test_what_is_read_later_keeps_its_text() -> None:
    """Inside of a list and by itself; what reads it is given it as it was written."""
    read: list[str] = []

    def reads(text: str) -> str:
        read.append(text)
        return text

    shape = Shape.later(reads)
    alone, (first, second) = shape.read("{} "), Shape.many(shape).read('[{"a": [1, "]"]} , 2]')

    assert [] == read
    assert [Unread] * 3 == [type(each) for each in (alone, first, second)]
    assert ["{} ", '{"a": [1, "]"]}', "2"] == [each.read() for each in (alone, first, second)]


def test_a_row_is_made_of_its_columns_in_order() -> None:
    """A truth value is a number in some databases, and None is no text."""
    shapes = [None, Shape.truth(), Shape.truth(), COLOURS, COLOURS, PLAIN]
    reader = RowReader(lambda *values: values, shapes)
    values: list[Any] = ['"as it is"', 1, False, "blue", None, '"text"']

    found = reader.read(values)

    assert ('"as it is"', True, False, Colour.BLUE, None, "text") == found
    assert [bool, bool] == [type(found[1]), type(found[2])]


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
def test_a_row_has_as_many_values_as_columns(values: tuple[int, ...]) -> None:
    """A column too many would shift those behind it unseen."""
    reader = RowReader(lambda *row: row, [None, None])

    with pytest.raises(ValueError, match=f"{len(values)} values"):
        reader.read(values)
