"""A digest is made of values as they are, in one call: each kind has bytes of its own."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server import _core
from tests.binding import encoding

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.binary(max_size=8),
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4), max_leaves=20)


def bytes_of(value: Any) -> bytes:
    """The bytes of one value, from ARCHITECTURE.md §8 alone."""
    match value:
        case None:
            return b""
        case bool():
            return bytes([value])
        case int():
            return value.to_bytes(8, "big", signed=True)
        case float():
            return struct.pack(">d", value)
        case str():
            return value.encode()
        case bytes():
            return value
        case _:
            return encoding.encode_list([bytes_of(each) for each in value])


@given(fields=st.lists(values.filter(lambda value: not has_surrogates(value)), max_size=5))
def test_a_digest_takes_values_as_they_are(fields: list[Any]) -> None:
    """An encoder of each caller's own would be a second way to make the same bytes."""
    plain = [bytes_of(field) for field in fields]

    assert encoding.digest("tag", plain) == _core.digest("tag", fields)
    assert encoding.encode_list(plain) == _core.encode_list(fields)
    assert _core.digest("tag", tuple(fields)) == _core.digest("tag", fields)


def has_surrogates(value: Any) -> bool:
    """Whether a text in it is no UTF-8."""
    if isinstance(value, str):
        return any("\ud800" <= sign <= "\udfff" for sign in value)
    return isinstance(value, list) and any(map(has_surrogates, value))


@pytest.mark.parametrize("value", [2**63, {"a": 1}, {1}, object(), "\ud800"])
def test_what_has_no_bytes_is_refused(value: Any) -> None:
    """To leave it out would give two requests one digest."""
    with pytest.raises((ValueError, OverflowError, UnicodeEncodeError)):
        _core.digest("tag", [value])


def test_lists_without_end_are_refused() -> None:
    """A list in itself would never be read to its end."""
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(ValueError, match="no canonical bytes"):
        _core.digest("tag", [endless])
