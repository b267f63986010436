"""Two keys and a release."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chenu_server.caller import Principal
from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.governance.tools.release_token import ReleaseClaims
from chenu_server.vocabulary import PrincipalType, ReleaseBasis, ToolEffect

NOW_S: Final = 1_790_000_000
LIFETIME_S: Final = 120
ARGUMENTS: Final = '{"amount": 1200, "to": "Zoë"}'.encode()
PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OLDER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
KEYS: Final = ReleaseKeys([PRIVATE, OLDER])
OLDER_KID: Final = ReleaseKeys([OLDER]).signing_kid
CLAIMS: Final = ReleaseClaims(
    issuer="https://gateway.test",
    audience="refunds",
    call_id="0199c4a2-7a51-7000-8000-000000000001",
    principal=Principal(type=PrincipalType.AGENT, id="planner"),
    acting_for=("service:desk", "user:zoë"),
    identity_id="acme",
    tool="payments.refund",
    effect=ToolEffect.PAYMENT,
    basis=ReleaseBasis.PERSON,
    schema_sha256=bytes(range(32)),
    arguments_sha256=hashlib.sha256(ARGUMENTS).digest(),
    action_digest=bytes(reversed(range(32))),
    issued_s=NOW_S,
    expires_s=NOW_S + LIFETIME_S,
)


def pem(key: Ed25519PrivateKey) -> bytes:
    """A key as `openssl genpkey -algorithm ed25519` writes it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
