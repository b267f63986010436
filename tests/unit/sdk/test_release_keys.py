"""Which keys of a JWK set verify releases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chenu.release import ReleaseKeys
from tests.unit.sdk.releases import verified
from tests.unit.tools.samples import CLAIMS, KEYS

JWKS = KEYS.jwks()
KEY: dict[str, Any] = JWKS["keys"][0]
KID = KEYS.signing_kid


def test_a_set_is_read_as_text_too() -> None:
    """As the gateway gives it, or as a file keeps it."""
    for text in (json.dumps(JWKS), json.dumps(JWKS).encode()):
        assert CLAIMS.call_id == verified(keys=ReleaseKeys.read(text)).call_id


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "EC"},
        {"crv": "Ed448"},
        {"crv": "X25519"},
        {"use": "enc"},
        {"alg": "ES256"},
        {"kid": None},
        {"kid": 1},
        {"kid": []},
    ],
)
def test_a_key_for_something_else_is_left_out(change: dict[str, Any]) -> None:
    """RFC 7517 §5: a set may hold others, and none of them signs releases."""
    keys = ReleaseKeys({"keys": [{**KEY, **change}, JWKS["keys"][1]]})

    assert None is keys.find(KID)
    assert None is not keys.find(JWKS["keys"][1]["kid"])


def test_what_a_set_need_not_say_is_not_asked_for() -> None:
    """`use` and `alg` are optional."""
    bare = {name: KEY[name] for name in ("kty", "crv", "x", "kid")}

    assert CLAIMS.call_id == verified(keys=ReleaseKeys({"keys": [bare]})).call_id


@pytest.mark.parametrize(
    ("jwks", "problem"),
    [
        ({}, "no JWK set"),
        ({"keys": {}}, "no JWK set"),
        ({"keys": [KID]}, "no JWK set"),
        ({"keys": [KEY, KEY]}, "two keys"),
        ({"keys": [{**KEY, "d": KEY["x"]}]}, "private key"),
        ({"keys": [{**KEY, "x": KEY["x"][:-4]}]}, "broken"),
        ({"keys": [{**KEY, "x": 1}]}, "broken"),
        ({"keys": [{**KEY, "x": None}]}, "broken"),
        ({"keys": [{name: KEY[name] for name in KEY if name != "x"}]}, "broken"),
    ],
)
def test_a_broken_set_is_refused_as_a_whole(jwks: dict[str, Any], problem: str) -> None:
    """At start, and not when the first release comes."""
    with pytest.raises(ValueError, match=problem):
        ReleaseKeys(jwks)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"keys"', b"\xff"])
def test_a_text_that_is_no_set_is_refused(text: str | bytes) -> None:
    """A proxy's page of an error is none."""
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own, or the class's
        ReleaseKeys.read(text)


@pytest.mark.parametrize("kid", [None, 1, [], {}, "", KID.lower()])
def test_nothing_else_names_a_key(kid: object) -> None:
    """A header's `kid` may be any JSON value."""
    assert None is ReleaseKeys(JWKS).find(kid)


def test_a_set_shows_its_kids() -> None:
    """Which is what one looks for when a `kid` is unknown."""
    assert KID in repr(ReleaseKeys(JWKS))
