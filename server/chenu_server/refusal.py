"""What every refusal and failure that a caller may see is; `errors` has a class for each reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import ClassVar, Final, Self

from chenu_server.reasons import Reason
from chenu_server.values import dataclass

# A piece that falls away without the values it names, or one that stands in any case.
_PIECE: Final = re.compile(r"\[([^\]]*)\]|([^\[]+)")
_NAMED: Final = re.compile(r"{(\w+)}")
# Parts a list where it is stored: no policy, model or provider has it in its name.
_PARTED: Final = "\x1f"
# A time's field has it behind the name of its key.
_TIME: Final = "_us"


@dataclass(eq=False)
class ChenuError(Exception):
    """Base of every error that a caller may see. Its fields are the wire's metadata."""

    reason: ClassVar[Reason]
    hidden: ClassVar[frozenset[str]] = frozenset()

    def metadata(self) -> dict[str, str]:
        """What machines read, by key; values as text, empty ones left out."""
        shown = {name: text for name, text in self._texts(self.hidden) if text}
        return {**shown, **self.reason.fixed}

    def __str__(self) -> str:
        texts = dict(self._texts(frozenset()))
        known = {name for name, text in texts.items() if text}
        return "".join(
            text.format_map(texts)
            for text, needed in _pieces(self.reason.message)
            if needed <= known
        )

    def _texts(self, hidden: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Each field that is not hidden by its key, as people and machines read it."""
        for each in fields(self):
            if each.name not in hidden:
                value = getattr(self, each.name)
                is_time = each.name.endswith(_TIME)
                text = _time(each.name, value) if is_time else _text(value, ",")
                yield each.name.removesuffix(_TIME), text

    def stored(self) -> tuple[tuple[str, str], ...]:
        """All fields, as text that `restored` reads."""
        return tuple((each.name, _text(getattr(self, each.name), _PARTED)) for each in fields(self))

    @classmethod
    def restored(cls, stored: Iterable[tuple[str, str]]) -> Self:
        """The very error that was stored; a field that it has no more is left out."""
        # By the fields of today: an outcome of another release may name some that are gone.
        types = {each.name: str(each.type) for each in fields(cls)}
        return cls(**{name: _read(types[name], text) for name, text in stored if name in types})


@cache
def _pieces(message: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The pieces of a message, each with the values that it cannot be without."""
    return tuple(
        (optional or whole, frozenset(_NAMED.findall(optional)))
        for optional, whole in _PIECE.findall(message)
    )


def _time(name: str, us: int) -> str:
    """A wait in seconds; a moment as RFC 3339, none for 0."""
    if name == "retry_after_us":
        return f"{us / 1e6:.3f} s"
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat() if us else ""


def _text(value: object, parted: str) -> str:
    return parted.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _read(kind: str, text: str) -> object:
    if kind == "int":
        return int(text)
    if kind.startswith("tuple"):
        return tuple(text.split(_PARTED)) if text else ()
    return text


@dataclass(eq=False)
class Retryable(ChenuError):
    """A refusal with an exact time after which the same call succeeds if nobody came between."""

    hidden = frozenset({"retry_after_us"})
    retry_after_us: int


@dataclass(eq=False)
class TokenRefused(ChenuError):
    """Why a token was refused. For the log alone: a caller who guesses must not learn from it."""

    hidden = frozenset({"check", "issuer", "key_id", "subject"})
    check: str = ""
    issuer: str = ""
    key_id: str = ""
    subject: str = ""


@dataclass(eq=False)
class Asking(ChenuError):
    """A refusal that asks a person, in English and in French: no metadata, but details."""

    hidden = frozenset({"question", "question_fr"})
    question: str
    question_fr: str
