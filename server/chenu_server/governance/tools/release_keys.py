"""The Ed25519 keys that sign releases, all of them in one PEM file.

The first signs new releases. The others stay while releases of theirs may be repeated or verified:
to change the key of one server, put a new one before the old, and take the old away once its last
release has expired. Of several servers each must know a key before any signs with it: put it behind
the old one and restart them all, then before it and restart them again. `openssl genpkey -algorithm
ed25519` writes one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from chenu_server.errors import ReleaseUnavailable
from chenu_server.governance.tools.release_token import TOKEN_MAX, TYPE, ReleaseClaims

ALGORITHM: Final = "EdDSA"

_LABEL: Final = re.compile(rb"-----BEGIN ([^-\r\n]*)-----")
_BLOCK: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----", re.DOTALL)
_JWS: Final = jwt.PyJWS(algorithms=[ALGORITHM])


class ReleaseKeyError(ValueError):
    """The file of the release keys cannot be used. The message says why and what to do."""


class ReleaseKeys:
    """One or more keys, the first of which signs new releases. They are in no `repr`.

    A key's `kid` is its RFC 7638 thumbprint: 43 characters, the same at every server.
    """

    def __init__(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        """The keys in the order of the file.

        Raises:
            ValueError: There is none, or one of them twice.
        """
        self._keys = {thumbprint(public_bytes(key)): key for key in keys}
        if not keys:
            raise ValueError("holds no private key")
        if len(self._keys) < len(keys):
            raise ValueError("holds one key twice")
        self.signing_kid: Final = next(iter(self._keys))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The keys in a PEM file: PKCS8, unencrypted; text around them is a comment.

        Raises:
            ReleaseKeyError: It is missing, readable by others, or holds anything but such keys.
        """
        try:
            mode = path.stat().st_mode
            content = path.read_bytes()
        except OSError as error:
            raise ReleaseKeyError(
                f"release key file {path}: {error.strerror}; make one with "
                f"`(umask 077; openssl genpkey -algorithm ed25519 -out {path})`"
            ) from error
        # Whoever reads it can release any call: the signature is all that an executor looks at.
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ReleaseKeyError(
                f"release key file {path} is open to other users; run `chmod 600 {path}`"
            )
        try:
            return cls(list(_private_keys(content)))
        except ValueError as error:
            raise ReleaseKeyError(
                f"release key file {path} {error}; "
                "it takes what `openssl genpkey -algorithm ed25519` writes"
            ) from error

    def sign(self, claims: ReleaseClaims, kid: str | None = None) -> str:
        """A JWS in compact form: of the same claims and key always the same text.

        With a `kid` it is that key's: to repeat a release that was given before.

        Raises:
            ReleaseUnavailable: No key here has the `kid`.
            ValueError: The release would be longer than a verifier reads.
        """
        used = self.signing_kid if kid is None else kid
        if used not in self._keys:
            raise ReleaseUnavailable
        header = {"typ": TYPE, "kid": used}
        token = _JWS.encode(claims.as_json(), self._keys[used], ALGORITHM, header)
        if len(token) > TOKEN_MAX:
            raise ValueError(f"a release of {len(token)} characters, at most {TOKEN_MAX}")
        return token

    def public_keys(self) -> dict[str, bytes]:
        """The 32 bytes of each public key by its `kid`, the signing one first."""
        return {kid: public_bytes(key) for kid, key in self._keys.items()}

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517, RFC 8037), the signing one first."""
        return {
            "keys": [
                {**_public_jwk(public), "alg": ALGORITHM, "kid": kid, "use": "sig"}
                for kid, public in self.public_keys().items()
            ]
        }


def create_release_key(path: Path) -> None:
    """Write a fresh key that only this user can read; an existing file is left alone.

    Raises:
        FileExistsError: There is one: what it has signed could be neither repeated nor verified.
    """
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made with its mode and never over another, as a token's key is.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of a key's public half."""
    return key.public_key().public_bytes_raw()


def thumbprint(public: bytes) -> str:
    """A public key's RFC 7638 thumbprint in base64url, over the members that RFC 8037 §2 names."""
    text = json.dumps(_public_jwk(public), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(text.encode()).digest())


def _public_jwk(public: bytes) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}


def _private_keys(content: bytes) -> Iterator[Ed25519PrivateKey]:
    # What is skipped would be missed only when the first release of its key is to be repeated.
    for label in _LABEL.findall(content):
        if label != b"PRIVATE KEY":
            raise ValueError(f"holds a block {label.decode(errors='replace')!r}")
    blocks = _BLOCK.findall(content)
    if len(blocks) < len(_LABEL.findall(content)):
        raise ValueError("holds a key that is cut off")
    for number, block in enumerate(blocks, 1):
        try:
            key = load_pem_private_key(block, password=None)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"holds as number {number} no PKCS8 private key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"holds as number {number} a key that is not Ed25519")
        yield key


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
