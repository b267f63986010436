"""`verify_release`: every check that an executor owes before it executes a call."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt

from chenu.release.claims import Release, release_of
from chenu.release.compact import malformed, object_of, parts_of
from chenu.release.keys import ALGORITHM, ReleaseKeys
from chenu.release.problems import ReleaseError, ReleaseProblem
from chenu.release.store import ReleaseStore

TYPE: Final = "chenu-release+jwt"
LEEWAY_MAX_S: Final = 60

_HEADER: Final = frozenset({"typ", "alg", "kid"})
_JWS: Final = jwt.PyJWS(algorithms=[ALGORITHM])


def verify_release(
    token: str,
    argument_bytes: bytes,
    *,
    tool: str,
    audience: str,
    issuer: str,
    keys: ReleaseKeys,
    store: ReleaseStore,
    clock: Callable[[], float] = time.time,
    leeway_s: int = 0,
) -> Release:
    """
    What a release says, if the call may be executed now; it is used up by that.

    Execute the very `argument_bytes` that were given here, and not what a parser made of them.
    `tool`, `audience` and `issuer` are what this service knows itself, from no request. `clock`
    gives seconds since 1970. `leeway_s`, at most 60, is how far the gateway's clock may be from it:
    so much longer does a release last, and so much later may it have been issued.

    It blocks while the store is asked; from asynchronous code call it in a thread.

    Raises:
        ReleaseError: The call must not be executed. Only with `replayed` was the store asked.
        ValueError: `leeway_s` is not from 0 to 60.
        Exception: The store's own, as it is. The call must not be executed, and the release may be
            used up.
    """
    if not 0 <= leeway_s <= LEEWAY_MAX_S:
        raise ValueError(f"leeway_s is {leeway_s}, not from 0 to {LEEWAY_MAX_S}")
    release = release_of(_signed_claims(token, keys))
    _check_meant(release, "issuer", issuer, ReleaseProblem.WRONG_ISSUER)
    _check_meant(release, "audience", audience, ReleaseProblem.WRONG_AUDIENCE)
    _check_meant(release, "tool", tool, ReleaseProblem.WRONG_TOOL)
    _check_arguments(release, argument_bytes)
    _check_times(release, clock(), leeway_s)
    # At last, for a claim cannot be taken back. To the store it counts as long as it is taken here:
    # forgotten at `exp`, it would pass a second time within the leeway. And nothing but True is
    # a yes: the coroutine of an asynchronous store is true, too.
    if store.claim(release.call_id, release.expires_s + leeway_s) is not True:
        raise ReleaseError(ReleaseProblem.REPLAYED, "the release was used before")
    return release


def _signed_claims(token: str, keys: ReleaseKeys) -> dict[str, Any]:
    """The claims of a token whose header is a release's and whose signature holds."""
    header_bytes, payload = parts_of(token)
    key = _key_of(object_of(header_bytes, "header"), keys)
    try:
        # Never the header's own choice of algorithm or key.
        _JWS.decode_complete(token, key, algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        message = "the release's signature is not its key's"
        raise ReleaseError(ReleaseProblem.BAD_SIGNATURE, message) from error
    return object_of(payload, "payload")


def _key_of(header: Mapping[str, Any], keys: ReleaseKeys) -> jwt.PyJWK:
    # First: by its type alone a token that the same key signed for something else is told apart.
    if header.get("typ") != TYPE:
        raise ReleaseError(ReleaseProblem.WRONG_TYPE, f"the token's typ is not {TYPE}")
    if header.get("alg") != ALGORITHM:
        raise ReleaseError(ReleaseProblem.WRONG_ALGORITHM, f"the token's alg is not {ALGORITHM}")
    key = keys.find(header.get("kid"))
    if key is None:
        raise ReleaseError(ReleaseProblem.UNKNOWN_KEY, "the token's kid names no key of the set")
    # `crit` asks for extensions, `jwk`, `jku`, `x5u` and their like bring a key of the token's own,
    # `b64` another way to sign: a gateway writes none of them.
    if header.keys() != _HEADER:
        raise malformed("the token's header has more than typ, alg and kid")
    return key


def _check_meant(release: Release, field: str, expected: str, problem: ReleaseProblem) -> None:
    if getattr(release, field) != expected:
        raise ReleaseError(problem, f"the release is not for this {field}")


def _check_arguments(release: Release, argument_bytes: bytes) -> None:
    digest = hashlib.sha256(argument_bytes).hexdigest()
    if not hmac.compare_digest(digest, release.arguments_sha256):
        problem = ReleaseProblem.WRONG_ARGUMENTS
        raise ReleaseError(problem, "the release is not for these arguments")


def _check_times(release: Release, now_s: float, leeway_s: int) -> None:
    # Asked so that a clock that gives no number lets nothing pass.
    if not release.issued_s <= now_s + leeway_s:
        raise ReleaseError(ReleaseProblem.NOT_YET_VALID, "the release is from the future")
    if not now_s < release.expires_s + leeway_s:
        raise ReleaseError(ReleaseProblem.EXPIRED, "the release has expired")
