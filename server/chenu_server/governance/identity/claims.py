"""What a token's claims must look like once its signature holds.

| claim | meaning |
|---|---|
| `iss` | the issuer's configured name; fixes key, algorithm, audience and claim names |
| `aud` | this server's configured audience, alone or in a list |
| `sub` | the subject, 1 to 256 printable characters |
| `exp`, `iat`, `nbf` | seconds since 1970; `exp` required, the others checked if present |
| `chenu_type` | type of who calls: `user`, `service` or `agent`; default `service` |
| `chenu_identities` | an object: identity id to the list of roles held in it |
| `act` | RFC 8693: who acts for `sub`, nested for earlier actors |
| `amr` | how the person signed in, a list |

Without `act` the caller is `sub`. With it the caller is the outermost actor, and acts for the
actors nested in it, nearest first, and in the end for `sub`. Nobody becomes a `user` by
delegation: a person signs in, so `act` with type `user` is refused.

The last four names are an issuer's to change (`ClaimNames`). Roles that this server does not know
are left out; `operator` and `system_auditor` count on the identity `system` only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from chenu_server.caller import SYSTEM_IDENTITY, Principal, PrincipalType, Role
from chenu_server.errors import TokenExpired, TokenInvalid
from chenu_server.governance.identity.model import SUBJECT_MAX, Issuer, VerifiedToken

Claims = Mapping[str, Any]

ACTORS_MAX: Final = 8
IDENTITIES_MAX: Final = 256
# 2100-01-01: later than any token's end, and far from what overflows when made microseconds.
TIME_MAX_S: Final = 4_102_444_800

_IDENTITY: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SYSTEM_ROLES: Final = frozenset({Role.OPERATOR, Role.SYSTEM_AUDITOR})
_ROLES: Final = {role.value: role for role in Role}


def token_of(claims: Claims, issuer: Issuer, now_us: int) -> VerifiedToken:
    """What verified claims say.

    Raises:
        TokenInvalid: A claim is missing, malformed or more than the issuer may say.
        TokenExpired: `exp` has passed. No leeway makes a token live longer.
    """
    expires_us = _check_times(claims, issuer.leeway_s, now_us)
    subject, *rest = _parties(claims, issuer.claims.actor)
    return VerifiedToken(
        issuer=issuer.name,
        principal=Principal(type=_type(claims, issuer, delegated=bool(rest)), id=subject),
        acting_for=tuple(rest),
        identities=_identities(claims, issuer.claims.identities),
        methods=tuple(_texts(claims.get(issuer.claims.methods, []), issuer.claims.methods)),
        expires_us=expires_us,
    )


def _check_times(claims: Claims, leeway_s: int, now_us: int) -> int:
    """When the token ends. Its issuer's clock may be ahead by the leeway when it begins."""
    expires_us = _time_us(claims, "exp")
    for name in ("nbf", "iat"):
        if name in claims and _time_us(claims, name) > now_us + leeway_s * 1_000_000:
            raise TokenInvalid(check=f"{name} is in the future")
    if now_us >= expires_us:
        raise TokenExpired(check="exp has passed")
    return expires_us


def _time_us(claims: Claims, name: str) -> int:
    """A NumericDate (RFC 7519 §2) in microseconds."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenInvalid(check=f"{name} is no number")
    if not 0 <= value <= TIME_MAX_S:  # false for NaN too
        raise TokenInvalid(check=f"{name} is out of range")
    return int(value * 1_000_000)


def _parties(claims: Claims, actor_name: str) -> list[str]:
    """Who calls, then for whom: the outermost actor first, `sub` last."""
    parties: list[str] = []
    actor = claims.get(actor_name)
    while actor is not None:
        if not isinstance(actor, dict) or len(parties) == ACTORS_MAX:
            raise TokenInvalid(check=f"{actor_name} is no actor, or one of too many")
        parties.append(_subject(actor.get("sub")))
        actor = actor.get("act")
    return [*parties, _subject(claims.get("sub"))]


def _subject(value: object) -> str:
    if isinstance(value, str) and 1 <= len(value) <= SUBJECT_MAX and value.isprintable():
        return value
    raise TokenInvalid(check="sub, or an actor's, is no subject")


def _type(claims: Claims, issuer: Issuer, *, delegated: bool) -> PrincipalType:
    try:
        kind = PrincipalType(claims.get(issuer.claims.principal_type, PrincipalType.SERVICE))
    except ValueError as error:
        raise TokenInvalid(check=f"{issuer.claims.principal_type} is unknown") from error
    if kind not in issuer.principal_types:
        raise TokenInvalid(check=f"the issuer may not assert type {kind}")
    if delegated and kind is PrincipalType.USER:
        raise TokenInvalid(check="nobody becomes a user by delegation")
    return kind


def _identities(claims: Claims, name: str) -> Mapping[str, frozenset[Role]]:
    value = claims.get(name)
    if not isinstance(value, dict) or not 1 <= len(value) <= IDENTITIES_MAX:
        raise TokenInvalid(check=f"{name} is no object of 1 to {IDENTITIES_MAX} identities")
    if not all(_IDENTITY.fullmatch(identity) for identity in value):
        raise TokenInvalid(check=f"{name} holds what is no identity")
    held = {identity: _roles(identity, value[identity], name) for identity in sorted(value)}
    return MappingProxyType(held)


def _roles(identity: str, value: object, claim: str) -> frozenset[Role]:
    roles = frozenset(_ROLES[name] for name in _texts(value, claim) if name in _ROLES)
    return roles if identity == SYSTEM_IDENTITY else roles - _SYSTEM_ROLES


def _texts(value: object, claim: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return value
    raise TokenInvalid(check=f"{claim} holds no list of texts")
