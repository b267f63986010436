"""What a call's headers can carry of what the user gave."""

from __future__ import annotations

from typing import Final

from chenu.errors import InvalidSetting

_LIKELY: Final = {
    "\n": "a line break",
    "\r": "a line break",
    "\t": "a tab",
    " ": "a space",
    "\0": "a NUL",
    "\ufeff": "a byte order mark",
}


def header_value(setting: str, given: object) -> str:
    """
    A token or an identity as a header carries it, without the whitespace around it.

    A file or a variable that holds one often ends with a line break, and neither has any inside.

    Raises:
        InvalidSetting: It is no text, is empty, or holds what is not visible ASCII.
    """
    if not isinstance(given, str):
        raise InvalidSetting(setting, f"it is {type(given).__name__}, not str")
    value = given.strip()
    if not value:
        raise InvalidSetting(setting, "it is empty; leave it out, or give one")
    # Sent as it is, the word would stand there twice, and the server could only say that the token
    # is none.
    if value.lower().startswith("bearer "):
        raise InvalidSetting(setting, "give the token alone, without `Bearer`")
    for place, character in enumerate(value, start=1):
        if not "!" <= character <= "~":
            what = _LIKELY.get(character, f"U+{ord(character):04X}")
            problem = f"it holds {what} as character {place}; only visible ASCII can be sent"
            raise InvalidSetting(setting, problem)
    return value
