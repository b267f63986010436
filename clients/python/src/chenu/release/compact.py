"""The compact form of a JWS, read strictly: whatever could be written in two ways is refused."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Final, NoReturn

from chenu.release.problems import ReleaseError, ReleaseProblem

TOKEN_MAX: Final = 32_768

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def parts_of(token: str) -> tuple[bytes, bytes]:
    """
    The header and the payload of a token, decoded and not yet to be believed.

    Raises:
        ReleaseError: `malformed`: it is longer than 32,768 characters, or not three parts of
            unpadded base64url in the one way that each may be written.
    """
    # Before anything is decoded: whoever sent it is a stranger until the signature holds.
    if len(token) > TOKEN_MAX:
        raise malformed(f"the release is longer than {TOKEN_MAX} characters")
    if not _COMPACT.fullmatch(token):
        raise malformed("the release is not three parts of base64url")
    header, payload, _ = [_decoded(part) for part in token.split(".")]
    return header, payload


def object_of(content: bytes, what: str) -> dict[str, Any]:
    """
    A JSON object in UTF-8 that names nothing twice; `what` it is, for the message.

    Raises:
        ReleaseError: `malformed`: it is none.
    """
    try:
        # Left to itself the parser guesses at UTF-16 and takes NaN, and of two members of one name
        # the last, where another's takes the first.
        found = json.loads(
            content.decode(), object_pairs_hook=_unique, parse_constant=_no_json_value
        )
    except (ValueError, RecursionError) as error:  # brackets in brackets, deeper than it follows
        raise malformed(f"the release's {what} is no JSON that names everything once") from error
    if not isinstance(found, dict):
        raise malformed(f"the release's {what} is no JSON object")
    return found


def malformed(message: str) -> ReleaseError:
    """The error of a release that no gateway has written so."""
    return ReleaseError(ReleaseProblem.MALFORMED, message)


def _decoded(part: str) -> bytes:
    try:
        content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise malformed("a part of the release is cut off") from error
    # The last character may have bits that no byte is made of: changed there, a token would still
    # be the same.
    if base64.urlsafe_b64encode(content).rstrip(b"=").decode() != part:
        raise malformed("a part of the release has bits left over")
    return content


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a member is named twice")
    return found


def _no_json_value(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
