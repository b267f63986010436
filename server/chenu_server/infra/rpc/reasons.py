"""Why somebody did something, in their words."""

from __future__ import annotations

from typing import Final

from chenu_server.errors import InvalidField

REASON_MAX: Final = 500


def reason_from(text: str) -> str:
    """
    A request's reason, which may be empty.

    Raises:
        InvalidField: It is too long.
    """
    if len(text) > REASON_MAX:
        raise InvalidField("reason", f"{len(text)} characters; it takes at most {REASON_MAX}")
    return text
