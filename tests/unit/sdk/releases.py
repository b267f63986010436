"""A release that a server signed, forged ones, and the verification that tests alter."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chenu.release import Release, ReleaseError, ReleaseKeys, ReleaseProblem, verify_release
from tests.unit.tools import samples

TOKEN: Final = samples.KEYS.sign(samples.CLAIMS)
HEADER: Final[dict[str, Any]] = jwt.get_unverified_header(TOKEN)
PAYLOAD: Final[dict[str, Any]] = json.loads(samples.CLAIMS.as_json())


@dataclass
class CountingStore:
    """A store that keeps what it was asked, and answers as it was told."""

    answer: Any = True
    claims: list[tuple[str, int]] = field(default_factory=list)

    def claim(self, jti: str, exp: int) -> bool:
        """The answer."""
        self.claims.append((jti, exp))
        answer: bool = self.answer
        return answer


def verified(token: str = TOKEN, arguments: bytes = samples.ARGUMENTS, **changes: Any) -> Release:
    """A release, verified as its own executor does, but for the changes."""
    meant: dict[str, Any] = {
        "tool": samples.CLAIMS.tool,
        "audience": samples.CLAIMS.audience,
        "issuer": samples.CLAIMS.issuer,
        "keys": ReleaseKeys(samples.KEYS.jwks()),
        "store": CountingStore(),
        "clock": lambda: samples.NOW_S + 1.5,
    }
    return verify_release(token, arguments, **{**meant, **changes})


def problem_of(
    token: str = TOKEN, arguments: bytes = samples.ARGUMENTS, **changes: Any
) -> ReleaseProblem:
    """Why it is refused; that nothing was claimed is checked on the way."""
    store = CountingStore()
    with pytest.raises(ReleaseError) as caught:
        verified(token, arguments, **{"store": store, **changes})
    assert [] == store.claims, caught.value
    return caught.value.problem


def signed(
    payload: Mapping[str, Any] | bytes = PAYLOAD,
    header: Mapping[str, Any] | bytes = HEADER,
    key: Ed25519PrivateKey = samples.PRIVATE,
) -> str:
    """Any header and payload under a good signature of `key`, made without a JWT library."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(key.sign(text.encode()))}"


def part(content: Mapping[str, Any] | bytes) -> str:
    """One part of a token."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
