"""Known attacks on JSON Web Tokens, each by its name (RFC 8725, advisories of libraries)."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chenu_server.errors import TokenExpired, TokenInvalid
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import verify
from chenu_server.vocabulary import PrincipalType
from tests.unit.identity.samples import CLAIMS, ISSUER, KEY, NOW_S, NOW_US, signed

OTHER_KEY = bytes(reversed(range(32)))
OTHER = Issuer(name="https://other.test", audience="chenu", key=OTHER_KEY)
ISSUERS = {ISSUER.name: ISSUER, OTHER.name: OTHER}


def without(name: str) -> dict[str, Any]:
    """Good claims, but one."""
    return {key: value for key, value in CLAIMS.items() if key != name}


def part(content: dict[str, Any]) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def refused(token: str) -> bool:
    """Whether a token is refused as invalid."""
    with pytest.raises(TokenInvalid):
        verify(token, ISSUERS, NOW_US)
    return True


def test_the_token_that_the_attacks_start_from_verifies() -> None:
    """Else every test below would pass for another reason."""
    assert "svc-1" == verify(signed(CLAIMS), ISSUERS, NOW_US).principal.id


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_alg_none(alg: str, signature: str) -> None:
    """A token that says it needs no signature."""
    assert refused(f"{part({'alg': alg})}.{part(CLAIMS)}.{signature}")


def test_alg_none_over_a_good_signature() -> None:
    """The signature is right, but its algorithm is not the issuer's."""
    assert refused(signed(CLAIMS, header={"alg": "none"}))


def test_no_alg() -> None:
    """A header that names no algorithm."""
    assert refused(signed(CLAIMS, header={"typ": "JWT"}))


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
def test_another_hmac_of_the_same_key(digest: str) -> None:
    """The algorithm is the issuer's, not the token's choice; the key would be long enough."""
    key = KEY * 2
    issuer = Issuer(name=ISSUER.name, audience="chenu", key=key)
    token = signed(CLAIMS, header={"alg": f"HS{digest[3:]}"}, key=key, digest=digest)

    with pytest.raises(TokenInvalid):
        verify(token, {issuer.name: issuer}, NOW_US)


@pytest.mark.parametrize("alg", ["RS256", "ES256", "PS256", "EdDSA"])
def test_algorithm_confusion_by_header(alg: str) -> None:
    """A token that says it is signed with a key pair, under the shared key's HMAC."""
    assert refused(signed(CLAIMS, header={"alg": alg}))


def test_algorithm_confusion_by_key() -> None:
    """A token that is really signed with somebody's own key pair."""
    own = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)

    assert refused(jwt.encode(CLAIMS, own, algorithm="RS256"))


def test_a_public_key_as_the_shared_key() -> None:
    """Signed with the public key that everybody knows, as if it were the secret."""
    own = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    public = own.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    assert refused(signed(CLAIMS, key=public))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "k": base64.urlsafe_b64encode(OTHER_KEY).decode()}},
        {"jku": "https://attacker.test/keys"},
        {"x5u": "https://attacker.test/cert"},
        {"kid": "../../../../dev/null"},
        {"kid": "' UNION SELECT 'key"},
    ],
    ids=["jwk", "jku", "x5u", "kid-path", "kid-sql"],
)
def test_a_key_brought_along(header: dict[str, Any]) -> None:
    """No header chooses the key."""
    assert refused(signed(CLAIMS, header={"alg": "HS256", **header}, key=OTHER_KEY))


@pytest.mark.parametrize(
    ("crit", "extension"),
    [
        (["x"], {"x": 1}),
        (["exp"], {"exp": 1}),
        ([], {}),
        ("x", {}),
        (None, {}),
        (["b64"], {"b64": True}),
    ],
)
def test_unknown_crit(crit: Any, extension: dict[str, Any]) -> None:
    """A critical extension changes what a token means, and none is known here."""
    assert refused(signed(CLAIMS, header={"alg": "HS256", "crit": crit, **extension}))


def test_unencoded_payload() -> None:
    """RFC 7797: the payload is not what the signature covers."""
    assert refused(signed(CLAIMS, header={"alg": "HS256", "b64": False, "crit": ["b64"]}))


@pytest.mark.parametrize(
    "audience", ["other", "", "CHENU", "chenu ", ["other"], [], None, {"chenu": 1}, 7]
)
def test_wrong_audience(audience: Any) -> None:
    """A token for another service of the same issuer."""
    assert refused(signed({**CLAIMS, "aud": audience}))


def test_one_audience_of_several() -> None:
    """RFC 7519 §4.1.3: to be named among others is enough."""
    token = signed({**CLAIMS, "aud": ["other", "chenu"]})

    assert "svc-1" == verify(token, ISSUERS, NOW_US).principal.id


@pytest.mark.parametrize(
    "issuer", ["https://unknown.test", "", None, 7, ["https://issuer.test"], {}]
)
def test_unknown_issuer(issuer: Any) -> None:
    """Nobody else's word counts."""
    assert refused(signed({**CLAIMS, "iss": issuer}))


def test_a_token_of_one_issuer_in_anothers_name() -> None:
    """The claimed issuer's key must have signed it."""
    assert refused(signed({**CLAIMS, "iss": OTHER.name}))
    assert refused(signed(CLAIMS, key=OTHER_KEY))


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "sub"])
def test_missing_required_claim(name: str) -> None:
    """Without `exp` a token would never end, without `aud` it would be good everywhere."""
    assert refused(signed(without(name)))


@pytest.mark.parametrize("exp", [NOW_S, NOW_S - 1, 0])
def test_expired(exp: int) -> None:
    """At its `exp` a token is over."""
    with pytest.raises(TokenExpired):
        verify(signed({**CLAIMS, "exp": exp}), ISSUERS, NOW_US)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", ["9999999999", None, True, [NOW_S + 9], {}, float("nan"), float("inf"), -1, 1e300]
)
def test_malformed_times(name: str, value: Any) -> None:
    """A time that is not a number must not count as absent (CVE-2026-25537 elsewhere)."""
    if name != "exp" and value is None:
        value = "null"
    assert refused(signed({**CLAIMS, name: value}))


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future(name: str) -> None:
    """Made in advance, or by a clock that cannot be trusted: later than any leeway of 5 s."""
    assert refused(signed({**CLAIMS, name: NOW_S + 6}))


@pytest.mark.parametrize("subject", ["", "x" * 257, 7, None, ["a"], "a\x00b", "a\nb", "a\ud800"])
def test_malformed_subject(subject: Any) -> None:
    """It is written to the ledger and shown to people."""
    assert refused(signed({**CLAIMS, "sub": subject}))


@pytest.mark.parametrize(
    "identities",
    [
        None,
        {},
        [],
        "acme",
        {"Acme": []},
        {"": []},
        {"a" * 65: []},
        {"acme": "member"},
        {"acme": [1]},
        {f"id-{number}": [] for number in range(257)},
    ],
)
def test_malformed_identities(identities: Any) -> None:
    """What a token holds must be plain to every reader, or it is nothing."""
    assert refused(signed({**CLAIMS, "chenu_identities": identities}))


@pytest.mark.parametrize("kind", ["user", "agent", "root", "", None, 1, ["service"]])
def test_a_type_that_the_issuer_may_not_assert(kind: Any) -> None:
    """By default an issuer speaks for services only; a person approves, so this must hold."""
    token = signed({**CLAIMS, "iss": OTHER.name, "chenu_type": kind}, key=OTHER_KEY)

    assert refused(token)


def test_a_person_by_delegation() -> None:
    """Whoever acts for a person does not become one."""
    claims = {**CLAIMS, "sub": "alice", "chenu_type": "user", "act": {"sub": "bot"}}

    assert refused(signed(claims))


@pytest.mark.parametrize(
    "act", ["bot", [], {}, {"sub": ""}, {"sub": "bot", "act": "x"}, {"sub": 1}]
)
def test_malformed_delegation(act: Any) -> None:
    """Who acts for whom is in the ledger."""
    assert refused(signed({**CLAIMS, "act": act}))


def test_endless_delegation() -> None:
    """Nesting costs the verifier nothing beyond a bound."""
    act: dict[str, Any] = {"sub": "bot"}
    for _ in range(50):
        act = {"sub": "bot", "act": act}

    assert refused(signed({**CLAIMS, "act": act}))


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 5_000], ids=range(6)
)
def test_claims_that_are_no_object(body: bytes) -> None:
    """Also under a good signature."""
    assert refused(signed(body))


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "a b.c.d", "\x00.\x00.\x00", "A" * 9_000],
)
def test_what_is_no_token(token: str) -> None:
    """Refused before anything is parsed."""
    assert refused(token)


@pytest.mark.parametrize("change", ["{0}=", "{0}\n", " {0}", "{0}.", ".{0}", "{0}%3D"])
def test_another_spelling_of_a_good_token(change: str) -> None:
    """One token has one spelling, or lists of refused tokens can be evaded."""
    assert refused(change.format(signed(CLAIMS)))


def test_a_token_over_the_length_limit() -> None:
    """Hashing and parsing are bounded."""
    assert refused(signed({**CLAIMS, "padding": "x" * 9_000}))


def test_a_short_key_is_never_used() -> None:
    """An HMAC key shorter than its hash can be searched for (RFC 7518 §3.2)."""
    weak = Issuer(
        name=ISSUER.name,
        audience="chenu",
        key=KEY[:31],
        principal_types=frozenset(PrincipalType),
    )

    with pytest.raises(TokenInvalid):
        verify(signed(CLAIMS, key=KEY[:31]), {weak.name: weak}, NOW_US)
