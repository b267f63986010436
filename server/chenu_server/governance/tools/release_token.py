"""What a release says: that one proposed call may be executed, by one audience, for a while.

| claim | meaning |
|---|---|
| `iss`, `aud` | the gateway's name; the executing service's, a text and never a list |
| `jti` | the gateway's UUID of the call |
| `sub`, `act` | for whom, and RFC 8693's chain of who acts for it; each a `type:id` |
| `identity` | the identity that the call belongs to |
| `tool`, `effect`, `basis` | what is called, what that does, and why it was let pass |
| `schema_sha256` | of both schemas that the arguments were held to (ARCHITECTURE.md §8) |
| `arguments_sha256` | of the arguments, byte for byte |
| `action_digest` | what an approval was bound to |
| `iat`, `exp` | whole seconds since 1970; `exp` is exclusive |

Digests are 64 lower-case hexadecimal digits. Whoever called is the outermost actor where somebody
acts for `sub`, else `sub` itself: as in the tokens that this server takes.
"""

from __future__ import annotations

import json
from typing import Any, Final

from chenu_server.caller import Principal
from chenu_server.values import dataclass
from chenu_server.vocabulary import ReleaseBasis, ToolEffect

TYPE: Final = "chenu-release+jwt"
TOKEN_MAX: Final = 32_768
"""Twice what the longest names take, of who calls for whom through nine hands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseClaims:
    """What is signed. Digests are 32 bytes each.

    `principal` took the call, for the `acting_for`: nearest first, each spelt `type:id`.
    """

    issuer: str
    audience: str
    call_id: str
    principal: Principal
    acting_for: tuple[str, ...] = ()
    identity_id: str
    tool: str
    effect: ToolEffect
    basis: ReleaseBasis
    schema_sha256: bytes
    arguments_sha256: bytes
    action_digest: bytes
    issued_s: int
    expires_s: int

    def as_json(self) -> bytes:
        """The claims in UTF-8: the same claims are the same bytes, in every process."""
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "jti": self.call_id,
            "identity": self.identity_id,
            "tool": self.tool,
            "effect": self.effect.value,
            "basis": self.basis.value,
            "schema_sha256": self.schema_sha256.hex(),
            "arguments_sha256": self.arguments_sha256.hex(),
            "action_digest": self.action_digest.hex(),
            "iat": self.issued_s,
            "exp": self.expires_s,
            **_parties(str(self.principal), self.acting_for),
        }
        # Unescaped: a name of another script would take three times the room, of the little that a
        # release has.
        text = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()


def _parties(principal: str, acting_for: tuple[str, ...]) -> dict[str, Any]:
    """`sub`, and `act` if someone acts for it: who took the call outermost."""
    *actors, subject = (principal, *acting_for)
    act: dict[str, Any] = {}
    for actor in reversed(actors):
        act = {"act": {"sub": actor, **act}}
    return {"sub": subject, **act}
