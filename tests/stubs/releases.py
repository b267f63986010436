"""Releases that a program in another language verifies, with nothing of this project's."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.values import replace
from tests.unit.sdk.releases import HEADER, signed
from tests.unit.tools.samples import ARGUMENTS, CLAIMS, KEYS, LIFETIME_S, NOW_S, OLDER, OLDER_KID


def cases() -> list[tuple[str, dict[str, Any]]]:
    """What the program must say, and what it is given: each alters one thing of the first."""
    return [(expected, {**_good(), **changes}) for expected, changes in _changes()]


def as_lines(given: list[tuple[str, dict[str, Any]]]) -> str:
    """The cases as the program reads them."""
    return "".join(json.dumps(case) + "\n" for _, case in given)


def _changes() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "ok", {}
    yield "ok", {"token": KEYS.sign(CLAIMS, OLDER_KID)}
    yield "ok", {"now_s": NOW_S + LIFETIME_S - 1}
    yield "expired", {"now_s": NOW_S + LIFETIME_S}
    yield "not_yet_valid", {"now_s": NOW_S - 1}
    yield "wrong_audience", {"audience": "payouts"}
    yield "wrong_issuer", {"issuer": "https://other.test"}
    yield "wrong_tool", {"tool": "payments.payout"}
    yield "wrong_tool", {"token": KEYS.sign(replace(CLAIMS, tool="payments.payout"))}
    for position in range(len(ARGUMENTS)):
        changed = bytearray(ARGUMENTS)
        changed[position] ^= 1
        yield "wrong_arguments", {"arguments": _base64(bytes(changed))}
    yield "unknown_key", {"token": signed(header={**HEADER, "kid": "another"})}
    yield "unknown_key", {"jwks": ReleaseKeys([OLDER]).jwks()}
    yield "bad_signature", {"token": signed(key=OLDER)}
    yield "wrong_type", {"token": signed(header={**HEADER, "typ": "JWT"})}
    yield "malformed", {"token": signed(header={**HEADER, "alg": "HS256"})}


def _good() -> dict[str, Any]:
    return {
        "jwks": KEYS.jwks(),
        "token": KEYS.sign(CLAIMS),
        "arguments": _base64(ARGUMENTS),
        "tool": CLAIMS.tool,
        "audience": CLAIMS.audience,
        "issuer": CLAIMS.issuer,
        "now_s": NOW_S,
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
