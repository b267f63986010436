"""Column types for what a plain text column cannot hold as it is: any text, and structures."""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

T = TypeVar("T")

_COMPACT: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False
)


class FreeText(sa.types.TypeDecorator[str]):
    """Text from outside, kept as a JSON string.

    PostgreSQL's text holds no NUL; JSON writes it as an escape, so that what a caller sent comes
    back byte for byte from every store.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """The JSON string of a text."""
        return None if value is None else encode_basestring(value)

    def process_result_value(self, value: Any, dialect: Any) -> str | None:
        """The text of a JSON string."""
        return None if value is None else str(json.loads(value))


class Json(sa.types.TypeDecorator[T], Generic[T]):
    """A structure, kept as compact JSON in a text column.

    `plain_of` gives lists, mappings, text and numbers; `value_of` makes the structure from them.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, plain_of: Callable[[T], Any], value_of: Callable[[Any], T]) -> None:
        super().__init__()
        self.plain_of = plain_of
        self.value_of = value_of

    def process_bind_param(self, value: T | None, dialect: Any) -> str | None:
        """The JSON text of a structure."""
        return None if value is None else _COMPACT.encode(self.plain_of(value))

    def process_result_value(self, value: Any, dialect: Any) -> T | None:
        """The structure of a JSON text."""
        return None if value is None else self.value_of(json.loads(value))
