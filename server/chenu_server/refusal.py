"""What every refusal and failure that a caller may see is; `errors` has a class for each reason."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import ClassVar

from chenu_server.values import dataclass


class Retry(StrEnum):
    """What a caller may do by itself: the `Retry:` of the reason's comment in the contract."""

    NO = "no"
    """The same call is refused again. Every outcome that is bound to its `request_id` is one."""
    YES = "yes"
    """Safe with the same `request_id`."""
    AT = "at"
    """The same call succeeds after a known time if nobody came between."""


@dataclass(eq=False)
class ChenuError(Exception):
    """Base of every error that a caller may see. Its fields are the wire's metadata."""

    hidden: ClassVar[frozenset[str]] = frozenset()
    retry: ClassVar[Retry] = Retry.NO

    def metadata(self) -> dict[str, str]:
        """What machines read, by key; values as text, empty ones left out."""
        shown = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {
            name: _text(value)
            for name, value in shown
            if name not in self.hidden and value not in (None, "", ())
        }


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@dataclass(eq=False)
class Retryable(ChenuError):
    """A refusal with an exact time after which the same call succeeds if nobody came between."""

    hidden = frozenset({"retry_after_us"})
    retry = Retry.AT
    retry_after_us: int
