"""The one MetaData on which every feature declares its tables, and the column types they share."""

from __future__ import annotations

import enum
import json
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

METADATA: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

E = TypeVar("E", bound=enum.Enum)


class Strings(sa.types.TypeDecorator[tuple[str, ...]]):
    """A tuple of strings, kept as a JSON list in a text column."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Any) -> str | None:
        """The JSON text of a tuple."""
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: Any, dialect: Any) -> tuple[str, ...] | None:
        """The tuple of a JSON text."""
        return None if value is None else tuple(json.loads(value))


class EnumText(sa.types.TypeDecorator[E], Generic[E]):
    """An enum member, kept as its value in a text column."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, members: type[E]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: E | None, dialect: Any) -> str | None:
        """The member's value; anything that is not a member raises ValueError."""
        return None if value is None else str(self.members(value).value)

    def process_result_value(self, value: Any, dialect: Any) -> E | None:
        """The member of a value."""
        return None if value is None else self.members(value)
