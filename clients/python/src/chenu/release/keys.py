"""The gateway's public keys, as an executor keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

import jwt

ALGORITHM: Final = "EdDSA"


class ReleaseKeys:
    """The Ed25519 keys of a JWK set (RFC 7517, RFC 8037), by their `kid`.

    Keys of other kinds, for another use or without a `kid` are left out, as RFC 7517 §5 has it: no
    release is verified with one.
    """

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        """The keys of a set.

        Raises:
            ValueError: It is no JWK set, has a broken Ed25519 key or two of one `kid`, or holds a
                private key, which no executor may have.
        """
        keys = jwks.get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, Mapping) for key in keys):
            raise ValueError("no JWK set: `keys` is no list of objects")
        self._keys: dict[str, jwt.PyJWK] = {}
        for kid, key in _usable(keys):
            if kid in self._keys:
                raise ValueError(f"the JWK set has two keys with the kid {kid!r}")
            self._keys[kid] = key

    @classmethod
    def read(cls, jwks_json: str | bytes) -> Self:
        """The keys of a set as text: `jwks_json` of `GetReleaseKeysResponse`, or a file's content.

        Raises:
            ValueError: It is no JSON object, or as the class says.
        """
        jwks = json.loads(jwks_json)
        if not isinstance(jwks, dict):
            raise ValueError("no JWK set: it is no JSON object")
        return cls(jwks)

    def find(self, kid: object) -> jwt.PyJWK | None:
        """The key that a header's `kid` names, whatever that is; None if there is none."""
        return self._keys.get(kid) if isinstance(kid, str) else None

    def __repr__(self) -> str:
        return f"ReleaseKeys({', '.join(self._keys)})"


def _usable(keys: list[Mapping[str, Any]]) -> Iterator[tuple[str, jwt.PyJWK]]:
    for key in keys:
        if "d" in key:
            raise ValueError("the JWK set holds a private key: take the gateway's public set")
        kid = key.get("kid")
        if isinstance(kid, str) and _is_for_releases(key):
            try:
                yield kid, jwt.PyJWK(dict(key), ALGORITHM)
            except jwt.PyJWTError as error:
                raise ValueError(f"the key {kid!r} of the JWK set is broken") from error


def _is_for_releases(key: Mapping[str, Any]) -> bool:
    kind = (key.get("kty"), key.get("crv"), key.get("use", "sig"), key.get("alg", ALGORITHM))
    return kind == ("OKP", "Ed25519", "sig", ALGORITHM)
