"""What a release says once its signature holds."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from chenu.release.problems import ReleaseError, ReleaseProblem

Effect = Literal["read", "write", "delete", "send", "transfer", "payment"]
"""What a call does, as the contract's `ToolEffect` spells it."""
Basis = Literal["person", "policy"]
"""Why a call was released: a person approved exactly it, or no policy asked for one."""

# 2100-01-01: later than any release's end, and what every store's column holds.
TIME_MAX_S: Final = 4_102_444_800

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """That one call may be executed once, from `issued_s` and before `expires_s`.

    Times are whole seconds since 1970; digests are 64 lower-case hexadecimal digits. Principals
    are spelt `type:id`, such as `user:alice`.
    """

    issuer: str
    audience: str
    call_id: str
    """The gateway's UUID of the call, `jti` of the token: what is claimed."""
    principal: str
    """Who took the call."""
    acting_for: tuple[str, ...]
    """On whose behalf, nearest first."""
    identity_id: str
    tool: str
    effect: Effect
    basis: Basis
    schema_sha256: str
    """Of both schemas that the arguments were held to, the request's and the operator's."""
    arguments_sha256: str
    action_digest: str
    """What an approval was bound to."""
    issued_s: int
    expires_s: int


def release_of(claims: Mapping[str, Any]) -> Release:
    """
    What verified claims say; those that this version does not know are left out.

    Raises:
        ReleaseError: `missing_claim`: one is not there, or not of its form.
    """
    principal, *acting_for = _parties(claims)
    effect: Effect = _read(claims, "effect", _one_of(*get_args(Effect)))
    basis: Basis = _read(claims, "basis", _one_of(*get_args(Basis)))
    return Release(
        issuer=_read(claims, "iss", _is_text),
        audience=_read(claims, "aud", _is_text),
        call_id=_read(claims, "jti", _is_uuid),
        principal=principal,
        acting_for=tuple(acting_for),
        identity_id=_read(claims, "identity", _is_text),
        tool=_read(claims, "tool", _is_text),
        effect=effect,
        basis=basis,
        schema_sha256=_read(claims, "schema_sha256", _is_digest),
        arguments_sha256=_read(claims, "arguments_sha256", _is_digest),
        action_digest=_read(claims, "action_digest", _is_digest),
        issued_s=_read(claims, "iat", _is_time),
        expires_s=_read(claims, "exp", _is_time),
    )


def _read(claims: Mapping[str, Any], name: str, has_form: Callable[[object], bool]) -> Any:
    value = claims.get(name)
    if not has_form(value):
        # Not the value: it may be long, and is for this message's reader of no use.
        problem = ReleaseProblem.MISSING_CLAIM
        raise ReleaseError(problem, f"the claim {name} is missing, or not of its form")
    return value


def _parties(claims: Mapping[str, Any]) -> list[str]:
    """Who took the call, then for whom: the outermost actor of RFC 8693 first, `sub` last."""
    parties = [_read(claims, "sub", _is_principal)]
    while "act" in claims:
        claims = _read(claims, "act", _is_object)
        # Before the subject, and behind the actors that it is nested in.
        parties.insert(-1, _read(claims, "sub", _is_principal))
    return parties


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_principal(value: object) -> bool:
    return isinstance(value, str) and all(value.partition(":"))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _is_uuid(value: object) -> bool:
    """Whether it is a UUID in its one canonical form: spelt anew, it could be claimed anew."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _is_time(value: object) -> bool:
    # JSON's `true` is a number to Python.
    return type(value) is int and 0 <= value <= TIME_MAX_S


def _one_of(*words: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in words
