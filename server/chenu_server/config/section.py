"""What every section of the settings is made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """One table of the file. An unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def refusal(why: str, do: str) -> PydanticCustomError:
    """A mistake: what is wrong with a value, and what to do."""
    return PydanticCustomError("chenu", "{why}", {"why": why, "do": do})


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The name that was probably meant, as the end of a sentence; empty if none is like it."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
