"""An issuer, its tokens and a clock that stands still."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any, Final

from chenu_server.caller import Principal
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import issue
from chenu_server.vocabulary import PrincipalType, Role

NOW_US: Final = 1_790_000_000_000_000
NOW_S: Final = NOW_US // 1_000_000
KEY: Final = bytes(range(32))
ISSUER: Final = Issuer(
    name="https://issuer.test",
    audience="chenu",
    key=KEY,
    principal_types=frozenset(PrincipalType),
)
CLAIMS: Final[dict[str, Any]] = {
    "iss": ISSUER.name,
    "aud": "chenu",
    "sub": "svc-1",
    "iat": NOW_S,
    "exp": NOW_S + 600,
    "chenu_type": "service",
    "chenu_identities": {"acme": ["member"]},
}


def principal(kind: PrincipalType = PrincipalType.SERVICE, name: str = "svc-1") -> Principal:
    """Who calls in most tests."""
    return Principal(type=kind, id=name)


def token(
    identities: dict[str, list[Role]] | None = None,
    *,
    kind: PrincipalType = PrincipalType.SERVICE,
    now_us: int = NOW_US,
    lifetime_s: int = 600,
) -> str:
    """A token that verifies."""
    return issue(
        ISSUER,
        principal(kind),
        identities or {"acme": [Role.MEMBER]},
        now_us=now_us,
        lifetime_s=lifetime_s,
    )


def signed(
    claims: dict[str, Any] | bytes,
    *,
    header: dict[str, Any] | None = None,
    key: bytes = KEY,
    digest: str = "sha256",
) -> str:
    """Any header and claims under an HMAC that is right for `key`, made without a JWT library."""
    head = _part(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    body = _part(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    signature = hmac.new(key, f"{head}.{body}".encode(), digest).digest()
    return f"{head}.{body}.{_part(signature)}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
