"""A release passes once, and only as it was signed: each test alters one thing."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu.release import MemoryReleaseStore, Release, ReleaseError, ReleaseKeys, ReleaseProblem
from chenu.release.claims import Basis, Effect
from chenu_server.caller import Principal
from chenu_server.values import replace
from chenu_server.vocabulary import PrincipalType, ReleaseBasis, ToolEffect
from tests.unit.sdk.releases import (
    HEADER,
    PAYLOAD,
    TOKEN,
    CountingStore,
    part,
    problem_of,
    signed,
    verified,
)
from tests.unit.tools.samples import (
    ARGUMENTS,
    CLAIMS,
    KEYS,
    LIFETIME_S,
    NOW_S,
    OLDER,
    OLDER_KID,
)

HEX = "0" * 64


def without(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    """All members but one."""
    return {key: value for key, value in members.items() if key != name}


def test_a_release_says_what_was_signed() -> None:
    """What an executor reads is what the gateway decided."""
    release = verified()

    expected = Release(
        issuer=CLAIMS.issuer,
        audience=CLAIMS.audience,
        call_id=CLAIMS.call_id,
        principal=str(CLAIMS.principal),
        acting_for=CLAIMS.acting_for,
        identity_id=CLAIMS.identity_id,
        tool=CLAIMS.tool,
        effect="payment",
        basis="person",
        schema_sha256=CLAIMS.schema_sha256.hex(),
        arguments_sha256=CLAIMS.arguments_sha256.hex(),
        action_digest=CLAIMS.action_digest.hex(),
        issued_s=NOW_S,
        expires_s=NOW_S + LIFETIME_S,
    )
    assert expected == release


@given(
    principal=st.builds(
        Principal, type=st.sampled_from(PrincipalType), id=st.text(min_size=1, max_size=20)
    ),
    acting_for=st.lists(st.sampled_from(["user:alice", "service:a:b", "agent:ï"]), max_size=8),
    effect=st.sampled_from(ToolEffect),
    basis=st.sampled_from(ReleaseBasis),
    digest=st.binary(min_size=32, max_size=32),
)
def test_whatever_the_server_signs_verifies(
    principal: Principal,
    acting_for: list[str],
    effect: ToolEffect,
    basis: ReleaseBasis,
    digest: bytes,
) -> None:
    """Who called and for whom come out as they went in, in any script and at any depth."""
    claims = replace(
        CLAIMS,
        principal=principal,
        acting_for=tuple(acting_for),
        effect=effect,
        basis=basis,
        action_digest=digest,
    )

    release = verified(KEYS.sign(claims))

    assert (str(principal), tuple(acting_for)) == (release.principal, release.acting_for)
    assert (effect, basis, digest.hex()) == (release.effect, release.basis, release.action_digest)


def test_the_sdk_knows_every_effect_and_basis_of_the_contract() -> None:
    """A word that it does not know would be refused."""
    assert tuple(ToolEffect) == get_args(Effect)
    assert tuple(ReleaseBasis) == get_args(Basis)


def test_a_key_that_signs_no_more_still_verifies() -> None:
    """Releases of before a change of keys last as long as they said."""
    assert CLAIMS.call_id == verified(KEYS.sign(CLAIMS, OLDER_KID)).call_id


def test_the_forgery_that_the_tests_start_from_verifies() -> None:
    """Else every refusal below would be for another reason."""
    assert verified() == verified(signed())


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        f"{TOKEN} ",
        f"{TOKEN}\n",
        f"{TOKEN}=",
        f"{TOKEN}.QQ",
        f"A{TOKEN}",
        TOKEN.rsplit(".", 1)[0] + ".",
        signed(b"1" * 6_200),
        signed(header=b"[1]"),
        signed(header=b'"text"'),
        signed(header=b"{"),
        signed(header=b"\xff{}"),
        signed(header=b"[" * 3_000),
        signed(header=json.dumps(HEADER).encode("utf-16")),
        signed(header=json.dumps(HEADER).encode("utf-8-sig")),
        signed(json.dumps(PAYLOAD).encode("utf-32")),
        signed(header=b'{"x": NaN}'),
        signed(header=b'{"alg": "none", "alg": "EdDSA"}'),
        signed(b'["a"]'),
        signed(b"[" * 3_000),
        signed(b'{"exp": 1, "exp": 2}'),
        signed(b'{"exp": Infinity}'),
    ],
)
def test_what_is_no_release_at_all_is_malformed(token: str) -> None:
    """Whoever sends it is a stranger: nothing but the refusal happens."""
    assert ReleaseProblem.MALFORMED == problem_of(token)


def test_a_release_is_at_most_32768_characters() -> None:
    """As many as the contract says, so that one that a gateway gives is always read."""
    room = (32_768 - len(signed({**PAYLOAD, "more": ""}))) * 3 // 4
    fitting = signed({**PAYLOAD, "more": "a" * (room - 1)})

    assert CLAIMS.call_id == verified(fitting).call_id
    assert 32_765 <= len(fitting) <= 32_768
    assert "malformed" == problem_of(signed({**PAYLOAD, "more": "a" * (room + 2)}))


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "CHENU-RELEASE+JWT", "", None, 1, ["x"]])
def test_a_token_for_something_else_is_refused(typ: object) -> None:
    """RFC 8725 §3.11: the same key may sign other things one day."""
    assert "wrong_type" == problem_of(signed(header={**HEADER, "typ": typ}))


def test_a_token_without_a_type_is_refused() -> None:
    """It may be anything."""
    assert "wrong_type" == problem_of(signed(header=without(HEADER, "typ")))


@pytest.mark.parametrize("alg", ["none", "HS256", "ES256", "Ed25519", "EDDSA", "", None, ["EdDSA"]])
def test_another_algorithm_is_refused(alg: object) -> None:
    """RFC 8725 §3.1: the verifier chooses, never the token."""
    assert "wrong_algorithm" == problem_of(signed(header={**HEADER, "alg": alg}))


@pytest.mark.parametrize("kid", ["", "other", OLDER_KID.lower(), None, 1, ["x"], {}])
def test_a_key_that_is_not_of_the_set_is_refused(kid: object) -> None:
    """Also where its signature would be good."""
    assert "unknown_key" == problem_of(signed(header={**HEADER, "kid": kid}))


def test_a_key_that_the_set_does_not_have_any_more_is_refused() -> None:
    """That is how a key is withdrawn."""
    jwks = {"keys": [key for key in KEYS.jwks()["keys"] if key["kid"] == OLDER_KID]}

    assert "unknown_key" == problem_of(keys=ReleaseKeys(jwks))


@pytest.mark.parametrize(
    "member",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"jwk": KEYS.jwks()["keys"][0]},
        {"jku": "https://gateway.test/keys"},
        {"x5u": "https://gateway.test/chain"},
        {"x5c": []},
        {"b64": True},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
)
def test_a_header_with_more_than_a_gateway_writes_is_refused(member: dict[str, Any]) -> None:
    """Extensions that are not known, and keys that the token brings itself."""
    assert "malformed" == problem_of(signed(header={**HEADER, **member}))


def test_a_signature_of_another_key_of_the_set_is_refused() -> None:
    """The key is the one that the header names."""
    assert "bad_signature" == problem_of(signed(key=OLDER))


@pytest.mark.parametrize("signature", [b"", b"a", bytes(63), bytes(64), bytes(65)])
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    """Of any length, and without the text of one it is not even a token."""
    problem = problem_of(f"{TOKEN.rsplit('.', 1)[0]}.{part(signature)}")

    assert ("bad_signature" if signature else "malformed") == problem


def test_an_hmac_with_the_public_key_is_refused() -> None:
    """The oldest confusion of algorithms: the public key is no secret."""
    public = KEYS.public_keys()[KEYS.signing_kid]
    text = f"{part({**HEADER, 'alg': 'HS256'})}.{part(PAYLOAD)}"
    mac = hashlib.sha256(public + text.encode()).digest()

    assert "wrong_algorithm" == problem_of(f"{text}.{part(mac)}")


@pytest.mark.parametrize("name", sorted(PAYLOAD.keys() - {"act"}))
def test_every_claim_must_be_there(name: str) -> None:
    """What is not said is not assumed."""
    assert "missing_claim" == problem_of(signed(without(PAYLOAD, name)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("iss", ["", None, 1, ["https://gateway.test"]]),
        ("aud", ["", None, 1, ["refunds"], ["refunds", "other"]]),
        ("tool", ["", None, ["payments.refund"]]),
        ("identity", ["", None, {}]),
        ("sub", ["", "alice", "user:", ":alice", None, {"sub": "user:alice"}]),
        ("act", [None, "agent:a", [], {}, {"sub": "a"}, {"sub": "agent:a", "act": {}}]),
        ("effect", ["", "Payment", "refund", None, ["payment"]]),
        ("basis", ["", "nobody", None, ["person"]]),
        ("jti", ["", "x", CLAIMS.call_id.upper(), CLAIMS.call_id.replace("-", ""), None, 1]),
        ("schema_sha256", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 65, f"{HEX}\n", None, 0]),
        ("arguments_sha256", ["", CLAIMS.arguments_sha256.hex().upper(), None]),
        ("action_digest", ["", "a" * 63, None, []]),
        ("iat", [None, "1", True, 1.0, NOW_S + 0.5, -1, 10**12]),
        ("exp", [None, str(NOW_S + 9), True, 1.0, NOW_S + 0.5, -1, 10**12, 1e300]),
    ],
)
def test_every_claim_has_its_form(name: str, values: list[object]) -> None:
    """A text is no list, and a number no other number that a database would round."""
    problems = {problem_of(signed({**PAYLOAD, name: value})) for value in values}

    assert {"missing_claim"} == problems


def test_a_claim_that_is_not_known_changes_nothing() -> None:
    """A newer gateway may say more."""
    assert verified() == verified(signed({**PAYLOAD, "region": "eu"}))


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("wrong_issuer", {"issuer": "https://gateway.test/"}),
        ("wrong_audience", {"audience": "refund"}),
        ("wrong_tool", {"tool": "payments.refund "}),
    ],
)
def test_a_release_for_something_else_is_refused(expected: str, changes: dict[str, Any]) -> None:
    """Texts are compared to the character."""
    assert expected == problem_of(**changes)


@pytest.mark.parametrize(
    "arguments",
    [
        b"",
        ARGUMENTS + b"\n",
        ARGUMENTS.replace(b'"amount": 1200, ', b'"amount": 1200,'),
        ARGUMENTS.replace(b"1200", b"12000"),
    ],
)
def test_other_arguments_are_refused(arguments: bytes) -> None:
    """Also those that mean the same: another parser may read them otherwise."""
    assert "wrong_arguments" == problem_of(arguments=arguments)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (-1, "not_yet_valid"),
        (-0.001, "not_yet_valid"),
        (LIFETIME_S, "expired"),
        (LIFETIME_S + 0.001, "expired"),
        (-math.inf, "not_yet_valid"),
        (math.inf, "expired"),
        (math.nan, "not_yet_valid"),
    ],
)
def test_outside_its_time_a_release_is_refused(second: float, expected: str) -> None:
    """From `iat` on and before `exp`, to the millisecond, without a leeway."""
    assert expected == problem_of(clock=lambda: NOW_S + second)


@pytest.mark.parametrize("second", [0, LIFETIME_S - 0.001])
def test_within_its_time_a_release_passes(second: float) -> None:
    """Both ends."""
    assert CLAIMS.call_id == verified(clock=lambda: NOW_S + second).call_id


def test_a_leeway_moves_both_ends_and_how_long_the_claim_is_kept() -> None:
    """A store that forgot the claim at `exp` would let it pass again within the leeway."""
    store = CountingStore()
    for second in (-60, LIFETIME_S + 59.999):
        verified(store=store, leeway_s=60, clock=lambda at=second: NOW_S + at)

    assert [(CLAIMS.call_id, NOW_S + LIFETIME_S + 60)] * 2 == store.claims
    assert "not_yet_valid" == problem_of(leeway_s=60, clock=lambda: NOW_S - 61)
    assert "expired" == problem_of(leeway_s=60, clock=lambda: NOW_S + LIFETIME_S + 60)


@pytest.mark.parametrize("leeway_s", [-1, 61, math.nan, math.inf])
def test_a_leeway_is_at_most_a_minute(leeway_s: float) -> None:
    """More would be another lifetime than the gateway gave."""
    with pytest.raises(ValueError, match="leeway_s"):
        verified(leeway_s=leeway_s)


def test_a_release_passes_once() -> None:
    """The second time it is `replayed`, however good it is."""
    store = MemoryReleaseStore(clock=lambda: NOW_S)
    verified(store=store)

    with pytest.raises(ReleaseError) as caught:
        verified(store=store)

    assert "replayed" == caught.value.problem
    assert CLAIMS.call_id == verified(store=MemoryReleaseStore(clock=lambda: NOW_S)).call_id


def test_a_release_is_claimed_until_it_expires() -> None:
    """By its call's id, once."""
    store = CountingStore()
    verified(store=store)

    assert [(CLAIMS.call_id, NOW_S + LIFETIME_S)] == store.claims


@pytest.mark.parametrize("answer", [False, None, 1, "yes", object()])
def test_nothing_but_true_is_a_claim(answer: object) -> None:
    """The coroutine of a store that was written for asyncio is true, too."""
    with pytest.raises(ReleaseError) as caught:
        verified(store=CountingStore(answer))

    assert "replayed" == caught.value.problem


def test_a_stores_error_is_its_own() -> None:
    """It is neither a claim nor a replay: nobody knows which."""

    class Broken:
        def claim(self, jti: str, exp: int) -> bool:
            raise OSError(f"cannot write {jti} until {exp}")

    with pytest.raises(OSError, match="cannot write"):
        verified(store=Broken())


def test_an_error_says_which_problem_and_shows_no_argument() -> None:
    """A log takes it as it is."""
    with pytest.raises(ReleaseError) as caught:
        verified(arguments=b'{"amount": 4711}')

    assert "the release is not for these arguments [wrong_arguments]" == str(caught.value)


@given(position=st.integers(0, len(TOKEN) - 1), bits=st.integers(1, 255))
def test_a_token_with_one_byte_flipped_is_refused(position: int, bits: int) -> None:
    """Whichever it is: also the last, of which the signature has two bits."""
    changed = bytearray(TOKEN.encode())
    changed[position] ^= bits

    assert problem_of(changed.decode("latin-1"))


@given(
    character=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
)
def test_the_last_character_can_be_written_in_one_way(character: str) -> None:
    """Four of its six bits are no signature's: a lax decoder takes sixteen for the same."""
    token = TOKEN[:-1] + character
    if token == TOKEN:
        return

    assert ("bad_signature" if character in "AQgw" else "malformed") == problem_of(token)


@given(position=st.integers(0, len(ARGUMENTS) - 1), bits=st.integers(1, 255))
def test_arguments_with_one_byte_flipped_are_refused(position: int, bits: int) -> None:
    """What a person saw is what is executed."""
    changed = bytearray(ARGUMENTS)
    changed[position] ^= bits

    assert "wrong_arguments" == problem_of(arguments=bytes(changed))


@given(text=st.text(max_size=300))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    """A stranger's token reaches this code."""
    assert "malformed" == problem_of(text)
