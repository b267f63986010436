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
actors nested in it, nearest first, and in the end for `sub`: each of them a principal of its own,
spelt `type:id`.

The type claim speaks of the `sub` beside it, in the token and in each `act`. Most issuers can say
it only once: where the outermost `act` has none, the token's own is the caller's. Who has none is
a `service`, but for the `sub` that somebody acts for: that is a `user`, for policies speak of
people, and to be acted for gives no right.

Nobody becomes a `user` by delegation: a person signs in, so a caller by `act` with type `user` is
refused. What an issuer may assert (`principal_types`) is about who calls.

The last four names and `sub` are an issuer's to change (`ClaimNames`), and hold inside `act` too.
Roles that this server does not know are left out; `operator` and `system_auditor` count on the
identity `system` only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from chenu_server.caller import SYSTEM_IDENTITY, Principal
from chenu_server.errors import TokenExpired, TokenInvalid
from chenu_server.governance.identity.model import (
    SUBJECT_MAX,
    ClaimNames,
    Issuer,
    VerifiedToken,
)
from chenu_server.vocabulary import PrincipalType, Role

Claims = Mapping[str, Any]

ACTORS_MAX: Final = 8
IDENTITIES_MAX: Final = 256
METHODS_MAX: Final = 16
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
    caller, *others = _parties(claims, issuer.claims)
    _check_type(caller, issuer, delegated=bool(others))
    return VerifiedToken(
        issuer=issuer.name,
        principal=caller,
        acting_for=tuple(map(str, others)),
        identities=_identities(claims, issuer.claims.identities),
        methods=_methods(claims.get(issuer.claims.methods, []), issuer.claims.methods),
        client=_client(claims.get(issuer.claims.client, ""), issuer.claims.client),
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
    # JSON's `true` is a number to Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenInvalid(check=f"{name} is no number")
    if not 0 <= value <= TIME_MAX_S:  # false for NaN too
        raise TokenInvalid(check=f"{name} is out of range")
    return int(value * 1_000_000)


def _parties(claims: Claims, names: ClaimNames) -> list[Principal]:
    """Who calls, then for whom: the outermost actor first, `sub` last."""
    actors = _actors(claims, names)
    if not actors:
        return [_party(claims, names, PrincipalType.SERVICE)]
    outermost, *nested = actors
    # Where the caller's own object has no type, the token's is the caller's and not that of `sub`.
    told = names.principal_type in outermost
    caller = outermost if told else {**outermost, names.principal_type: _told(claims, names)}
    subject = claims if told else {names.subject: claims.get(names.subject)}
    return [
        *(_party(each, names, PrincipalType.SERVICE) for each in (caller, *nested)),
        _party(subject, names, PrincipalType.USER),
    ]


def _actors(claims: Claims, names: ClaimNames) -> list[Claims]:
    """The objects of `act`, the outermost first."""
    actors: list[Claims] = []
    actor = claims.get(names.actor)
    while actor is not None:
        # Each actor becomes a part of the digest, of entries and of every row: a token has room for
        # hundreds.
        if not isinstance(actor, dict) or len(actors) == ACTORS_MAX:
            raise TokenInvalid(check=f"{names.actor} is no actor, or one of too many")
        actors.append(actor)
        actor = actor.get(names.actor)
    return actors


def _told(claims: Claims, names: ClaimNames) -> object:
    return claims.get(names.principal_type, PrincipalType.SERVICE)


def _party(claims: Claims, names: ClaimNames, untold: PrincipalType) -> Principal:
    """The principal that an object names, `untold` if it does not say of which type."""
    subject = claims.get(names.subject)
    try:
        kind = PrincipalType(claims.get(names.principal_type, untold))
    except ValueError as error:
        raise TokenInvalid(check=f"{names.principal_type} is unknown") from error
    if not isinstance(subject, str) or not subject.isprintable():
        raise TokenInvalid(check=f"{names.subject}, or an actor's, is no subject")
    if not 1 <= len(subject) <= SUBJECT_MAX:
        raise TokenInvalid(check=f"{names.subject}, or an actor's, is no subject")
    return Principal(type=kind, id=subject)


def _check_type(caller: Principal, issuer: Issuer, *, delegated: bool) -> None:
    if caller.type not in issuer.principal_types:
        raise TokenInvalid(check=f"the issuer may not assert type {caller.type}")
    if delegated and caller.type is PrincipalType.USER:
        raise TokenInvalid(check="nobody becomes a user by delegation")


def _identities(claims: Claims, name: str) -> Mapping[str, frozenset[Role]]:
    value = claims.get(name)
    if not isinstance(value, dict) or not 1 <= len(value) <= IDENTITIES_MAX:
        raise TokenInvalid(check=f"{name} is no object of 1 to {IDENTITIES_MAX} identities")
    if not all(_IDENTITY.fullmatch(identity) for identity in value):
        raise TokenInvalid(check=f"{name} holds what is no identity")
    held = {identity: _roles(identity, value[identity], name) for identity in sorted(value)}
    # A verified token is remembered for its later calls, and none of them may change it.
    return MappingProxyType(held)


def _roles(identity: str, value: object, claim: str) -> frozenset[Role]:
    # A role that this release does not know opens nothing, and takes none of the others away.
    roles = frozenset(_ROLES[name] for name in _texts(value, claim) if name in _ROLES)
    # Left out here, where all of them are made: nobody who checks a role later has to ask in which
    # identity it counts.
    return roles if identity == SYSTEM_IDENTITY else roles - _SYSTEM_ROLES


def _methods(value: object, claim: str) -> tuple[str, ...]:
    methods = _texts(value, claim)
    # They become a part of the entry of each decision.
    if len(methods) > METHODS_MAX or not all(map(_is_name, methods)):
        raise TokenInvalid(check=f"{claim} holds more, or other, than names")
    return tuple(methods)


def _client(value: object, claim: str) -> str:
    if isinstance(value, str) and (not value or _is_name(value)):
        return value
    raise TokenInvalid(check=f"{claim} is no name")


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= SUBJECT_MAX and text.isprintable()


def _texts(value: object, claim: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return value
    raise TokenInvalid(check=f"{claim} holds no list of texts")
