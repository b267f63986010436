"""Pages (AIP-158): opaque tokens that belong to their filter and give no right.

A token holds where the last page ended and a digest of what was listed. It is neither secret nor
signed: a made-up one shows nothing that the caller could not list anyway, but anything may stand
in it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from google.protobuf.message import Message

from chenu_server.errors import InvalidField
from chenu_server.values import dataclass

SIZE_DEFAULT: Final = 50
SIZE_MAX: Final = 200
TOKEN_MAX: Final = 1_024
# A page with its token stays below the 4 MiB that gRPC's clients take as one message.
PAGE_BYTES_MAX: Final = 4_000_000
_FRAME_BYTES: Final = 8  # a message's tag and length inside its page
# It keeps a token from another listing, by mistake alone: no right hangs on it, and a part of the
# digest will do.
_DIGEST_BYTES: Final = 12

Texts = tuple[str, ...]
Row = TypeVar("Row")
Shown = TypeVar("Shown", bound=Message)


@dataclass(frozen=True, slots=True)
class Page:
    """How many of what is listed are shown, and after what; an empty `after` is the first page."""

    size: int
    after: Texts
    about: Texts


def page_of(page_size: int, page_token: str, about: Texts) -> Page:
    """What a request asks for. `about` names the listing, its identity and every filter.

    Raises:
        InvalidField: The size is negative, or the token is of another listing or no token.
    """
    if page_size < 0:
        raise InvalidField("page_size", "is negative; 0 means 50, at most 200 are shown")
    return Page(min(page_size or SIZE_DEFAULT, SIZE_MAX), after_of(page_token, about), about)


def after_of(page_token: str, about: Texts) -> Texts:
    """What the page before ended with, for a page that is not measured in items.

    Raises:
        InvalidField: The token is of another listing or no token.
    """
    return _after(page_token, about) if page_token else ()


def page_token_of(after: Texts, about: Texts) -> str:
    """The token of the page that follows the item with these sort keys."""
    content = json.dumps(after, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return base64.urlsafe_b64encode(_digest(about) + content).decode("ascii").rstrip("=")


def shown_of(
    page: Page,
    found: Sequence[Row],
    encode: Callable[[Row], Shown],
    place: Callable[[Row], tuple[object, ...]],
) -> tuple[list[Shown], str]:
    """The first rows of what was found, as many as the page holds and a message has room for.

    And the token of the next page, behind the `place` of the last one; empty if there is none.
    A page may come short of its size, though never empty: what does not fit is on the next one.
    """
    shown: list[Shown] = []
    room = PAGE_BYTES_MAX
    for row in found[: page.size]:
        message = encode(row)
        room -= message.ByteSize() + _FRAME_BYTES
        # The first one is shown whatever its size, or the pages of it would never end.
        if shown and room < 0:
            break
        shown.append(message)
    if len(found) == len(shown):
        return shown, ""
    after = tuple(map(str, place(found[len(shown) - 1])))
    return shown, page_token_of(after, page.about)


def place_of(page: Page) -> tuple[int, str] | None:
    """Where a page begins in a listing by a number, then an id; None for the first page.

    Raises:
        InvalidField: The token holds something else.
    """
    match page.after:
        case ():
            return None
        # Of more digits it would not fit the column, and the database's error would look like a
        # bug.
        case (number, name) if number.isdecimal() and len(number) < 19:
            return int(number), name
    raise _refusal()


def _after(token: str, about: Texts) -> Texts:
    if len(token) > TOKEN_MAX:
        raise _refusal()
    try:
        plain = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after = json.loads(plain[_DIGEST_BYTES:])
    # Anybody may write a token, with brackets in brackets deeper than the parser follows.
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _refusal() from error
    texts = isinstance(after, list) and all(isinstance(text, str) for text in after)
    # Under other filters the place would be one of another order, and rows would be left out or
    # shown twice without a word.
    if not texts or not after or plain[:_DIGEST_BYTES] != _digest(about):
        raise _refusal()
    return tuple(after)


def _refusal() -> InvalidField:
    return InvalidField(
        "page_token", "is not a token of this listing; use next_page_token with the same filters"
    )


def _digest(about: Texts) -> bytes:
    text = json.dumps(about, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).digest()[:_DIGEST_BYTES]
