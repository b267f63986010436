"""Column types for what a plain text column cannot hold as it is.

Each has `bind` and `result`, which take one value that is not None: the writer calls them for
every row of a batch, without SQLAlchemy in between.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
from pydantic_core import from_json, to_json

from chenu_server.engine import Shape
from chenu_server.values import maker

# Of each column that says the same again and again, so many texts, none of them longer than this:
# what callers and models say is not kept for it.
_REMEMBERED_MAX: Final = 256
_REMEMBERED_CHARACTERS: Final = 128

T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)

PLAIN: Final = Shape.plain()
TRUTH: Final = Shape.truth()
LATER: Final = Shape.later(from_json)
"""A value inside of a text that few ask for: it is an `engine.Unread`."""


def word(members: type[enum.Enum]) -> Shape:
    """An enum member, by its value."""
    return Shape.word({str(member.value): member for member in members})


def many(each: Shape) -> Shape:
    """A tuple."""
    return Shape.many(each)


def record(kind: type[Any], *shapes: Shape) -> Shape:
    """A dataclass, as a list of its fields in order."""
    return Shape.record(maker(kind), shapes)


STRINGS: Final = many(PLAIN)
PAIRS: Final = many(STRINGS)


class TextColumn(sa.types.TypeDecorator[T], Generic[T]):
    """Values of one kind as text: `bind` makes it, `result` and whoever has the `shape` read it."""

    impl = sa.Text
    # Else SQLAlchemy would compile each statement with such a column anew, and warn of it.
    cache_ok = True

    def __init__(
        self,
        bind: Callable[[T], str],
        shape: Shape,
        *,
        repeats: bool = False,
        result: Callable[[str], T] | None = None,
    ) -> None:
        super().__init__()
        self.bind = bind
        self.shape = shape
        result = result or shape.read
        # What few texts say again and again is read once; it must be a value that never changes.
        self.result = _remembering(result) if repeats else result

    def process_bind_param(self, value: T | None, dialect: Any) -> str | None:
        """The text of a value."""
        return None if value is None else self.bind(value)

    def process_result_value(self, value: Any, dialect: Any) -> T | None:
        """The value of a text."""
        return None if value is None else self.result(value)


class FreeText(TextColumn[str]):
    """Text from outside, kept as a JSON string.

    PostgreSQL's text holds no NUL; JSON writes it as an escape, so that what a caller sent comes
    back byte for byte from every store.
    """

    cache_ok = True

    def __init__(self, *, repeats: bool = False) -> None:
        super().__init__(_text_json, PLAIN, repeats=repeats)


class Strings(TextColumn[tuple[str, ...]]):
    """A tuple of strings, kept as a JSON list."""

    cache_ok = True

    def __init__(self, *, repeats: bool = False) -> None:
        super().__init__(_strings_json, STRINGS, repeats=repeats)


class EnumText(TextColumn[E]):
    """An enum member, kept as its value; what is no member's value raises KeyError."""

    cache_ok = True

    def __init__(self, members: type[E]) -> None:
        values = {member: str(member.value) for member in members}
        found = {value: member for member, value in values.items()}
        super().__init__(values.__getitem__, word(members), result=found.__getitem__)


class Json(TextColumn[T]):
    """A structure, kept as compact JSON.

    `plain_of` gives lists, mappings, text and numbers; `shape` says what they are of a structure.
    `late` is for what few ask for: a row has an `engine.Unread` of it.
    """

    cache_ok = True

    def __init__(
        self,
        plain_of: Callable[[T], Any],
        shape: Shape,
        *,
        repeats: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(
            lambda value: to_json(plain_of(value)).decode(),
            Shape.later(shape.read) if late else shape,
            repeats=repeats,
            result=shape.read,
        )


def number(name: str, *given: sa.Identity) -> sa.Column[int]:
    """A key that is a number, which SQLite takes for the row's own only where it is so spelt."""
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, *given, primary_key=True, autoincrement=bool(given))


def _remembering(result: Callable[[str], T]) -> Callable[[str], T]:
    remembered = lru_cache(maxsize=_REMEMBERED_MAX)(result)
    return lambda text: remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else result(text)


# Most rows leave most of these columns empty.
def _text_json(text: str) -> str:
    return to_json(text).decode() if text else '""'


def _strings_json(strings: tuple[str, ...]) -> str:
    return to_json(strings).decode() if strings else "[]"
