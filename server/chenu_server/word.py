"""What a word of the contract's closed lists is; `vocabulary` has the lists. Standard library."""

from __future__ import annotations

import enum
from typing import Self


class Word(enum.StrEnum):
    """A text as rows, tokens and policies spell it, with its number in the contract."""

    _value_: str
    number: int

    def __new__(cls, text: str, number: int = 0) -> Self:
        """A word of a list; called with its text alone, the list's own word is found."""
        word = str.__new__(cls, text)
        word._value_ = text
        word.number = number
        return word
