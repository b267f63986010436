"""What a row of the table of reasons is; `reasons` has the table. Standard library only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self


class Retry(enum.StrEnum):
    """What a caller may do by itself: the `Retry:` of the reason's comment in the contract."""

    NO = "no"
    """The same call is refused again. Every outcome that is bound to its `request_id` is one."""
    YES = "yes"
    """Safe with the same `request_id`."""
    AT = "at"
    """The same call succeeds after a known time if nobody came between."""


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class ReasonRow(enum.StrEnum):
    """A reason as `ErrorInfo` spells it, and all that follows from it."""

    _value_: str
    number: int
    """In the contract, and in the rows of what it ended."""
    status: str
    """The gRPC status's name."""
    retry: Retry
    message: str
    """What is said of it: `{key}` is a value; what stands in `[` and `]` falls away without one."""
    exit: str
    """The command line's exit status, by name."""
    advice: str
    """What the command line says to do; `{key}` is a value."""
    fixed: Mapping[str, str]
    """The metadata that is the same each time."""

    def __new__(
        cls,
        text: str,
        number: int,
        status: str,
        retry: Retry,
        message: str,
        exit_status: str,
        advice: str,
        fixed: Mapping[str, str] = _NOTHING,
    ) -> Self:
        """A row."""
        row = str.__new__(cls, text)
        row._value_ = text
        row.number, row.status, row.retry, row.message = number, status, retry, message
        row.exit, row.advice, row.fixed = exit_status, advice, fixed
        return row
