"""Which files hold keys for releases, and what is signed with them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from chenu_server.errors import ReleaseUnavailable
from chenu_server.governance.tools.release_keys import (
    ReleaseKeyError,
    ReleaseKeys,
    create_release_key,
)
from chenu_server.values import replace
from tests.unit.tools.samples import CLAIMS, KEYS, OLDER, OLDER_KID, PRIVATE, pem

# RFC 8037, appendix A: a key pair, and its thumbprint.
RFC_D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that only this user can read, with both keys."""
    return written(tmp_path / "release.pem", pem(PRIVATE) + pem(OLDER))


def written(path: Path, content: bytes) -> Path:
    """A file with this content that only this user can read."""
    path.touch(0o600)
    path.write_bytes(content)
    return path


def pkcs8(key: Any) -> bytes:
    """Any key in PKCS8."""
    content: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return content


def test_the_first_key_of_a_file_signs_and_all_are_published(path: Path) -> None:
    """A new key stands before the old one, whose releases are still to be verified."""
    keys = ReleaseKeys.load(path)

    assert KEYS.signing_kid == keys.signing_kid
    assert [keys.signing_kid, OLDER_KID] == [key["kid"] for key in keys.jwks()["keys"]]
    assert KEYS.public_keys() == keys.public_keys()


def test_a_fresh_key_is_private_and_never_written_over_another(tmp_path: Path) -> None:
    """Whoever starts a second time has the key that signed before, and nobody else has read it."""
    path = tmp_path / "new" / "release.pem"
    create_release_key(path)
    first = ReleaseKeys.load(path).signing_kid
    with pytest.raises(FileExistsError):
        create_release_key(path)

    assert 0o600 == path.stat().st_mode & 0o777
    assert first == ReleaseKeys.load(path).signing_kid


def test_text_around_the_keys_is_a_comment(tmp_path: Path) -> None:
    """Whoever rotates keys writes down when."""
    content = b"# since June\n" + pem(PRIVATE) + b"# until June\r\n" + pem(OLDER) + b"\n\n"

    keys = ReleaseKeys.load(written(tmp_path / "release.pem", content))

    assert KEYS.jwks() == keys.jwks()


def test_a_kid_is_the_rfc_7638_thumbprint() -> None:
    """RFC 8037, A.3: whoever has the key finds its name without being told."""
    secret = base64.urlsafe_b64decode(RFC_D + "=")

    (key,) = ReleaseKeys([Ed25519PrivateKey.from_private_bytes(secret)]).jwks()["keys"]

    expected = {"alg": "EdDSA", "crv": "Ed25519", "kty": "OKP", "use": "sig", "x": RFC_X}
    assert {**expected, "kid": RFC_THUMBPRINT} == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_a_file_that_is_open_to_others_is_refused(path: Path, mode: int) -> None:
    """Whoever reads it can release any call."""
    path.chmod(mode)

    with pytest.raises(ReleaseKeyError, match="chmod 600"):
        ReleaseKeys.load(path)


def test_a_missing_file_says_how_one_is_made(tmp_path: Path) -> None:
    """The command that it names is the whole remedy."""
    with pytest.raises(ReleaseKeyError, match=r"No such file.*openssl genpkey -algorithm ed25519"):
        ReleaseKeys.load(tmp_path / "none.pem")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no private key"),
        (b"not a key", "no private key"),
        (pem(PRIVATE) * 2, "one key twice"),
        (pem(PRIVATE)[:-30], "cut off"),
        (pem(PRIVATE) + pem(OLDER)[:-30], "cut off"),
        (pem(PRIVATE)[:-30] + pem(OLDER), "cut off|no PKCS8"),
        (pem(PRIVATE).replace(b"MC4C", b"MC4D"), "number 1 no PKCS8"),
        (pem(PRIVATE) + pkcs8(ed448.Ed448PrivateKey.generate()), "number 2 a key that is not"),
        (pkcs8(ec.generate_private_key(ec.SECP256R1())), "number 1 a key that is not"),
        (pkcs8(rsa.generate_private_key(65_537, 2_048)), "number 1 a key that is not"),
        (
            PRIVATE.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            ),
            "ENCRYPTED PRIVATE KEY",
        ),
        (
            pem(PRIVATE)
            + OLDER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "'PUBLIC KEY'",
        ),
        (
            PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
            "OPENSSH PRIVATE KEY",
        ),
    ],
)
def test_a_file_with_anything_but_such_keys_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    """A key that is skipped is missed only when its first release is to be repeated."""
    path = written(tmp_path / "release.pem", content)

    with pytest.raises(ReleaseKeyError, match=problem) as caught:
        ReleaseKeys.load(path)

    assert str(path) in str(caught.value)


def test_a_private_key_is_in_no_message(tmp_path: Path) -> None:
    """A refused file is told to whoever starts the server, and stands in its log."""
    broken = pem(PRIVATE).replace(b"MC4C", b"MC4D")
    secret = broken.splitlines()[1].decode()

    with pytest.raises(ReleaseKeyError) as caught:
        ReleaseKeys.load(written(tmp_path / "release.pem", broken))

    assert secret not in f"{caught.value!r} {caught.value.__cause__!r} {KEYS!r}"


def test_the_same_claims_are_signed_alike() -> None:
    """A release that is asked for again is not kept, but made again, to the byte."""
    again = replace(CLAIMS, tool=CLAIMS.tool)

    assert ReleaseKeys([PRIVATE]).sign(CLAIMS) == KEYS.sign(again)
    assert KEYS.sign(CLAIMS) != KEYS.sign(replace(CLAIMS, tool="payments.refunds"))


def test_a_repeat_is_signed_with_the_key_that_signed_first() -> None:
    """Between a release and its repeat the keys may have been changed."""
    given_before = ReleaseKeys([OLDER]).sign(CLAIMS)

    assert given_before == KEYS.sign(CLAIMS, OLDER_KID)
    assert given_before != KEYS.sign(CLAIMS)


def test_a_release_of_a_key_that_is_gone_cannot_be_repeated() -> None:
    """Signed with another key it would be another release, and the call's second."""
    with pytest.raises(ReleaseUnavailable):
        ReleaseKeys([PRIVATE]).sign(CLAIMS, OLDER_KID)


def test_a_release_that_no_verifier_would_read_is_not_signed() -> None:
    """It would use the approval up, and then be refused by everybody."""
    with pytest.raises(ValueError, match="at most 32768"):
        KEYS.sign(replace(CLAIMS, acting_for=("user:" + "a" * 32_000,)))


def test_the_header_says_what_the_token_is_and_whose() -> None:
    """And nothing else: a verifier refuses what it does not know."""
    header = jwt.get_unverified_header(KEYS.sign(CLAIMS))

    assert {"typ": "chenu-release+jwt", "alg": "EdDSA", "kid": KEYS.signing_kid} == header


@pytest.mark.parametrize("keys", [[], [PRIVATE, PRIVATE]])
def test_keys_are_at_least_one_and_each_once(keys: list[Ed25519PrivateKey]) -> None:
    """The first is the one that signs."""
    with pytest.raises(ValueError, match=r"no private key|one key twice"):
        ReleaseKeys(keys)
