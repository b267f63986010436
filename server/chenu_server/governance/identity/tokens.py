"""HS256 tokens: how a local issuer makes them, and the checks that every token passes."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jwt

from chenu_server.caller import Principal
from chenu_server.errors import TokenInvalid, TokenRefused
from chenu_server.governance.identity.claims import token_of
from chenu_server.governance.identity.model import ClaimNames, Issuer, VerifiedToken
from chenu_server.ids import new_id
from chenu_server.vocabulary import PrincipalType, Role

ALGORITHM: Final = "HS256"
KEY_BYTES: Final = 32
TOKEN_MAX: Final = 8_192
SHOWN_MAX: Final = 256  # as long as an issuer's name or a subject may be

# Three unpadded base64url parts. The library takes padding too, which would let one token be
# written in several ways.
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# `claims` checks the times, against the clock that it is given.
_OPTIONS: Final[Any] = {
    "require": ["iss", "aud", "exp", "sub"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "enforce_minimum_key_length": True,
}


# Which check failed, for the log: the library's own messages quote what they were given.
_CHECKS: Final[Mapping[type[Exception], str]] = {
    jwt.InvalidSignatureError: "the signature is not the issuer's key's",
    jwt.InvalidAlgorithmError: f"alg is not {ALGORITHM}",
    jwt.InvalidAudienceError: "aud is not this server's",
    jwt.InvalidIssuerError: "iss is not the issuer's name",
    jwt.MissingRequiredClaimError: "iss, aud, exp or sub is missing",
    jwt.exceptions.InvalidSubjectError: "sub is no text",
}


class KeyFileError(Exception):
    """A key file cannot be used. The message says why and what to do."""


def create_key(path: Path) -> None:
    """Write a fresh key that only this user can read; an existing file is left alone.

    Raises:
        FileExistsError: There is one: replacing it would end every token made with it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n"
    # Made with its mode and never over another: at no moment can others read it, and no older key
    # is lost.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(text)


def read_key(path: Path) -> bytes:
    """The key in a file that `create_key` wrote.

    Raises:
        KeyFileError: It is missing, readable by others, or no key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"key file {path}: {error.strerror}; make one with `chenu token key {path}`"
        ) from error
    # Whoever reads it can be anybody: the signature is all that a token proves.
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"key file {path} is open to other users; run `chmod 600 {path}`")
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise KeyFileError(f"key file {path} holds no base64url key; make a new one") from error
    # RFC 7518 §3.2: a key for HS256 is at least as long as its hash.
    if len(key) < KEY_BYTES:
        raise KeyFileError(f"key file {path} holds fewer than {KEY_BYTES} bytes; make a new one")
    return key


def issue(
    issuer: Issuer,
    principal: Principal,
    identities: Mapping[str, Iterable[Role]],
    *,
    now_us: int,
    lifetime_s: int,
    acting_for: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> str:
    """A token that says this; `acting_for` is nearest first, each `type:id`, or a user's id.

    Raises:
        TokenInvalid: This issuer's tokens may not say it, or not so.
        TokenExpired: `lifetime_s` is not positive.
    """
    now_s = now_us // 1_000_000
    names = issuer.claims
    claims: dict[str, Any] = {
        "iss": issuer.name,
        "aud": issuer.audience,
        "iat": now_s,
        "exp": now_s + lifetime_s,
        "jti": new_id(),
        names.identities: {name: sorted(set(roles)) for name, roles in identities.items()},
        **_delegation((principal, *map(_party, acting_for)), names),
    }
    if methods:
        claims[names.methods] = list(methods)
    # Read as a server will read it: what none would take is refused here and not at the first call.
    token_of(claims, issuer, now_us)
    return jwt.encode(claims, issuer.key, algorithm=ALGORITHM)


def verify(token: str, issuers: Mapping[str, Issuer], now_us: int) -> VerifiedToken:
    """What a token says, if it verifies.

    The issuer is looked up by the claim that the token makes; its key, algorithm and audience
    come from configuration alone.

    Raises:
        TokenInvalid: It does not verify.
        TokenExpired: It did, but its time is over.
    """
    # Before anything is decoded: whoever sent it is a stranger until the end of this.
    if len(token) > TOKEN_MAX:
        raise TokenInvalid(check=f"it is longer than {TOKEN_MAX} bytes")
    if not _COMPACT.fullmatch(token):
        raise TokenInvalid(check="it is not three parts of base64url")
    claimed = _claimed(token)
    try:
        issuer = _issuer_of(claimed, issuers)
        decoded = jwt.decode_complete(
            token,
            issuer.key,
            # Never the header's own choice: a token could name `none`, or make a public key the
            # secret.
            algorithms=[ALGORITHM],
            audience=issuer.audience,
            issuer=issuer.name,
            options=_OPTIONS,
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        # Anybody may write a token: brackets in brackets deeper than the parser follows are a
        # RecursionError.
        check = _CHECKS.get(type(error), "it cannot be decoded")
        raise TokenInvalid(check=check, **claimed) from error
    if "crit" in decoded["header"]:  # no extension is known here, so none may be critical
        raise TokenInvalid(check="crit names an extension", **claimed)
    try:
        return token_of(decoded["payload"], issuer, now_us)
    except TokenRefused as refused:
        # For the log: the signature holds by now, so the subject is a word of the issuer's.
        refused.issuer, refused.key_id = claimed["issuer"], claimed["key_id"]
        refused.subject = _shown(decoded["payload"].get("sub"))
        raise


def _claimed(token: str) -> dict[str, str]:
    """Who a token says made it, and with which key: for looking that up, and for the log."""
    header, body, _ = map(_part, token.split("."))
    return {"issuer": _shown(body.get("iss")), "key_id": _shown(header.get("kid"))}


def _part(text: str) -> dict[str, Any]:
    """An object that is part of a token; empty if it is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):  # the library refuses it, too
        return {}
    return found if isinstance(found, dict) else {}


def _shown(value: object) -> str:
    """A stranger's text as far as a log takes it; empty for what is none."""
    return value[:SHOWN_MAX] if isinstance(value, str) else ""


def _issuer_of(claimed: Mapping[str, str], issuers: Mapping[str, Issuer]) -> Issuer:
    if claimed["issuer"] not in issuers:
        raise TokenInvalid(check="iss is no configured issuer", **claimed)
    return issuers[claimed["issuer"]]


def _party(text: str) -> Principal:
    """For whom, as `type:id`; a bare id is a person's, as in a token that does not say the type."""
    if ":" not in text:
        return Principal(type=PrincipalType.USER, id=text)
    try:
        return Principal.spelt(text)
    except ValueError as error:
        raise TokenInvalid from error


def _delegation(parties: Sequence[Principal], names: ClaimNames) -> dict[str, Any]:
    """`sub`, and RFC 8693's `act` if someone acts for it: the caller outermost."""
    *actors, subject = parties
    act: dict[str, Any] = {}
    for actor in reversed(actors):
        act = {names.actor: {**_named(actor, names), **act}}
    # RFC 7519's name is there too where the issuer has another: every verifier asks for it.
    return {"sub": subject.id, **_named(subject, names), **act}


def _named(principal: Principal, names: ClaimNames) -> dict[str, Any]:
    return {names.subject: principal.id, names.principal_type: principal.type.value}
